"""Problem sets.

To add one: a function with `@task` in your own file; or a subclass of `Task`, and its name in
`TASKS.add` here.
"""

from selftrain_assets.tasks.bigbench import Bbh, DateUnderstanding, LogicalDeduction
from selftrain_assets.tasks.choices import CommonsenseQa, MathQa, StrategyQa
from selftrain_assets.tasks.files import ProblemFile
from selftrain_assets.tasks.functions import FunctionTask, task
from selftrain_assets.tasks.loaded import Loaded
from selftrain_assets.tasks.mathematics import Gsm8k, Math, Mawps, Svamp
from selftrain_assets.tasks.multistep_arithmetic import MultistepArithmetic
from selftrain_assets.tasks.programs import Apps, HumanEval, LiveCodeBench, Mbpp
from selftrain_assets.tasks.protocol import Card, Task
from selftrain_assets.tasks.published import Published
from selftrain_assets.tasks.string_rewriting import StringRewriting
from selftrain_assets.tasks.word_problems import WordProblems
from selftrain_assets.tasks.word_sorting import WordSorting

TASKS = Task.registry
TASKS.add(
    WordProblems,
    MultistepArithmetic,
    WordSorting,
    StringRewriting,
    ProblemFile,
    Gsm8k,
    Math,
    Svamp,
    Mawps,
    MathQa,
    CommonsenseQa,
    StrategyQa,
    Bbh,
    DateUnderstanding,
    LogicalDeduction,
    Apps,
    HumanEval,
    Mbpp,
    LiveCodeBench,
)


def read(task: Task) -> Loaded:
    """Every problem of a task with its solution, where there is one, and what was left out."""
    return task.read() if isinstance(task, Published | ProblemFile) else Loaded(task.load())


__all__ = [
    "TASKS",
    "Card",
    "FunctionTask",
    "Loaded",
    "MultistepArithmetic",
    "ProblemFile",
    "Published",
    "StringRewriting",
    "Task",
    "WordProblems",
    "WordSorting",
    "read",
    "task",
]
