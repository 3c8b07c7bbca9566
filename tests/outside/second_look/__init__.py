"""A recipe of a package of its own: what is wrong is asked again, and every problem is tallied.

`import second_look` lets experiments name it: `recipe: {type: second_look}`.
"""

from second_look.settings import SecondLook

from selftrain_assets.config.experiment import register_recipe

register_recipe(SecondLook)
