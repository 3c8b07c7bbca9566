"""Templates of the generated word problems.

A template is a text with slots, the expression that solves it, and number ranges. Slots: {A}, {B}
people; {o}, {p} things that are counted; {c} a container; x, y, z, w numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

NAMES = ("Anna", "Ben", "Carla", "David", "Emma", "Frank", "Grace", "Henry", "Ivy", "Jack")
THINGS = (
    "apples",
    "books",
    "cards",
    "coins",
    "cookies",
    "eggs",
    "marbles",
    "pens",
    "shells",
    "stamps",
    "stickers",
    "toys",
)
CONTAINERS = ("bags", "baskets", "boxes", "jars")

SMALL, MEDIUM, LARGE = (2, 9), (2, 19), (10, 60)


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of problem.

    `numbers` maps each number slot to its inclusive range; an `unseen` template is used for the
    transfer split alone.
    """

    name: str
    text: str
    expression: str
    numbers: dict[str, tuple[int, int]]
    unseen: bool = False


TEMPLATES: tuple[Template, ...] = (
    Template(
        "gain",
        "{A} has {x} {o}. {A} buys {y} more {o}. How many {o} does {A} have now?",
        "x + y",
        {"x": LARGE, "y": LARGE},
    ),
    Template(
        "lose",
        "{A} has {x} {o}. {A} loses {y} {o}. How many {o} are left?",
        "x - y",
        {"x": LARGE, "y": MEDIUM},
    ),
    Template(
        "groups",
        "There are {x} {c} on the table. Each one holds {y} {o}. How many {o} are there?",
        "x * y",
        {"x": MEDIUM, "y": SMALL},
    ),
    Template(
        "share",
        "{A} shares {x} {o} equally among {y} friends. How many {o} does each friend get?",
        "x / y",
        {"x": MEDIUM, "y": SMALL},
    ),
    Template(
        "gain_lose",
        "{A} has {x} {o}. {A} finds {y} {o} and then gives {z} {o} to {B}. How many {o} does {A}"
        " have now?",
        "x + y - z",
        {"x": LARGE, "y": LARGE, "z": SMALL},
    ),
    Template(
        "groups_plus",
        "{A} fills {x} {c} with {y} {o} in each. There are {z} {o} left over. How many {o} are"
        " there in all?",
        "x * y + z",
        {"x": MEDIUM, "y": SMALL, "z": MEDIUM},
    ),
    Template(
        "groups_minus",
        "{A} has {x} {c} of {y} {o}. {A} eats {z} {o}. How many {o} are left?",
        "x * y - z",
        {"x": MEDIUM, "y": SMALL, "z": SMALL},
    ),
    Template(
        "more_than",
        "{A} has {x} {o}. {B} has {y} more {o} than {A}. How many {o} do they have together?",
        "x + y + x",
        {"x": LARGE, "y": MEDIUM},
    ),
    Template(
        "times_as_many",
        "{A} has {x} {o}. {B} has {y} times as many {o} as {A}. How many {o} do they have"
        " together?",
        "x * y + x",
        {"x": MEDIUM, "y": SMALL},
    ),
    Template(
        "change",
        "{A} buys {x} {o} for {y} dollars each and pays with {z} dollars. How many dollars does {A}"
        " get back?",
        "z - x * y",
        {"x": SMALL, "y": SMALL, "z": (82, 150)},
    ),
    Template(
        "pool_share",
        "{A} has {x} {o} and {B} has {y} {o}. They put them together and fill {z} {c} equally. How"
        " many {o} are in each one?",
        "( x + y ) / z",
        {"x": LARGE, "y": LARGE, "z": SMALL},
    ),
    Template(
        "distractor",
        "{A} has {x} {o} and {y} {p}. {A} finds {z} more {o}. How many {o} does {A} have now?",
        "x + z",
        {"x": LARGE, "y": LARGE, "z": LARGE},
    ),
    Template(
        "two_groups",
        "{A} has {x} {c} of {y} {o}. {B} has {z} {c} of {w} {o}. How many {o} do they have"
        " together?",
        "x * y + z * w",
        {"x": SMALL, "y": SMALL, "z": SMALL, "w": SMALL},
    ),
    Template(
        "fewer_groups",
        "{A} has {x} {c} and gives away {y} of them. Each one left holds {z} {o}. How many {o} are"
        " left?",
        "( x - y ) * z",
        {"x": (10, 25), "y": SMALL, "z": SMALL},
    ),
    Template(
        "more_groups",
        "{A} has {x} {c} and buys {y} more {c}. Each one holds {z} {o}. How many {o} are there?",
        "( x + y ) * z",
        {"x": SMALL, "y": SMALL, "z": SMALL},
        unseen=True,
    ),
    Template(
        "lose_twice",
        "{A} has {x} {o}. {A} loses {y} {o} and then gives {z} {o} to {B}. How many {o} are left?",
        "x - y - z",
        {"x": LARGE, "y": SMALL, "z": SMALL},
        unseen=True,
    ),
    Template(
        "gain_groups",
        "{A} has {x} {o}. {A} buys {y} {c} of {z} {o}. How many {o} does {A} have now?",
        "x + y * z",
        {"x": LARGE, "y": SMALL, "z": SMALL},
        unseen=True,
    ),
    Template(
        "share_plus",
        "{A} shares {x} {o} equally among {y} friends. {B} is a friend and has {z} more {o}. How"
        " many {o} does {B} have now?",
        "x / y + z",
        {"x": MEDIUM, "y": SMALL, "z": LARGE},
        unseen=True,
    ),
)
