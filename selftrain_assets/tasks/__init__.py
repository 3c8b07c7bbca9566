"""Problem sets. To add one: a settings class with `load` here, and its name in `AnyTask`."""

from typing import Annotated

from pydantic import Field

from selftrain_assets.tasks.files import ProblemFile
from selftrain_assets.tasks.protocol import Task
from selftrain_assets.tasks.word_problems import WordProblems

AnyTask = Annotated[WordProblems | ProblemFile, Field(discriminator="type")]

__all__ = ["AnyTask", "ProblemFile", "Task", "WordProblems"]
