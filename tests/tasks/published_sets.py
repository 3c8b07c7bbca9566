"""The small files in published formats, and what a right answer to their problems looks like."""

from pathlib import Path

from selftrain_assets.tasks import TASKS, Published

FOLDER = Path(__file__).with_name("published")
FORMS = {"apps_folders": "apps"}
"""Of the same sets in another format."""
NAMES = (*(name for name, kind in TASKS.items() if issubclass(kind, Published)), *FORMS)
PROGRAMS = {
    "sum_line": "```python\nprint(sum(map(int, input().split())))\n```",
    "pairs": (
        "```python\nclass Solution:\n    def pairs(self, xs):\n        return sum(xs[i] == y for i"
        " in range(len(xs)) for y in xs[:i])\n```"
    ),
}


def settings(name, **changes):
    path = {"path": str(FOLDER / name)} if name in NAMES else {}
    return {"type": FORMS.get(name, name), **path, **changes}


def task(name, **changes):
    made = settings(name, **changes)
    return TASKS[made["type"]].model_validate(made)


def load(name, **changes):
    return task(name, **changes).load()


def gold(problem):
    """A completion with the published solution, or else the answer."""
    return problem.solution or PROGRAMS.get(problem.id) or f"The answer is {problem.answer}."
