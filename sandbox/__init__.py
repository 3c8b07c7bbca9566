"""Runs model-written programs in Docker so that the code cannot forge its verdict.

See README.md in this folder.

with Pool(PoolSettings(engines=(EngineSettings(base="local"),))) as pool:
    verdict = pool.judge(StdinTask("print(int(input()) + 1)", (StdinCase("1", "2"),)))
"""

from sandbox.engine import EngineSettings
from sandbox.errors import EngineError, SandboxError, UnsafeError
from sandbox.limits import ContainerLimits, Limits
from sandbox.lower import lower
from sandbox.pool import Pool, PoolSettings
from sandbox.protocol import (
    Call,
    FuncTask,
    RpcTask,
    RunTask,
    StdinCase,
    StdinTask,
    Task,
    TextRule,
    Verdict,
)

__all__ = [
    "Call",
    "ContainerLimits",
    "EngineError",
    "EngineSettings",
    "FuncTask",
    "Limits",
    "Pool",
    "PoolSettings",
    "RpcTask",
    "RunTask",
    "SandboxError",
    "StdinCase",
    "StdinTask",
    "Task",
    "TextRule",
    "UnsafeError",
    "Verdict",
    "lower",
]
