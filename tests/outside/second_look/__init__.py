"""A recipe of a package of its own: what is wrong is asked again, and every problem is tallied.

Experiments name it as `recipe: {type: "second_look:SecondLook"}`.
"""

from second_look.settings import SecondLook

__all__ = ["SecondLook"]
