"""A recipe with stages of its own: what is wrong is asked again, and every problem is tallied.

Experiments name it as `recipe: {type: second_look}`.
"""

from sample_plugins.second_look.settings import SecondLook

__all__ = ["SecondLook"]
