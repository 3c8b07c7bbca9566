"""Single stages on data of one's own, without rounds: verify, select, evaluate."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from selftrain_assets.config.experiment import Experiment, parse_experiment
from selftrain_assets.domain.errors import UserError, nearest
from selftrain_assets.domain.identity import fingerprint
from selftrain_assets.domain.random_init import ScratchModel
from selftrain_assets.domain.selection import (
    BalanceRule,
    CapChoice,
    DedupRule,
    Selection,
    WeightRule,
)
from selftrain_assets.domain.types import Exchange, Outcome, Problem, Row, Sample
from selftrain_assets.engines import EngineSettings
from selftrain_assets.project import data_path
from selftrain_assets.tasks import Task
from selftrain_assets.tasks.files import FIELDS, TEST_FIELDS, ProblemFile, problem_in
from selftrain_assets.tasks.readers import floats, rows_in
from selftrain_assets.verifiers import SandboxSettings, Verifier, VerifierContext
from selftrain_assets.verifiers.guard import judge_all

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from selftrain_assets.reports.summary import PolicySummary

Rows: TypeAlias = "str | Path | pa.Table | pd.DataFrame | Iterable[Mapping[str, Any]]"
Problems: TypeAlias = "Task | str | Path | Iterable[Problem]"

AT_ONCE = 8192  # completions that a verifier is given together


class JudgedCompletion(NamedTuple):
    """A row of the table that `verify` returns."""

    problem_id: str
    group: str
    prompt: str
    completion: str
    outcome: str
    reward: float
    parsed: str | None
    reason: str
    failed_case: int | None
    cpu_seconds: float | None
    output: str | None


class SelectedRow(NamedTuple):
    """A row of the table that `select` returns: loss on `completion` alone, times `weight`."""

    problem_id: str
    prompt: str
    completion: str
    weight: float


def verify(
    completions: Rows,
    *,
    verifier: Verifier | type[Verifier] | Mapping[str, Any] | str,
    problems: Problems | None = None,
    sandbox: SandboxSettings | None = None,
    engine: EngineSettings | None = None,
) -> pa.Table:
    """Judge completions that are not of an experiment.

    Args:
        completions: A file (JSON Lines, JSON, CSV, Parquet), a table, or mappings. Each row has
            `completion`, and `prompt` if it is known. With `problems` it has `problem_id`; without,
            the fields of its problem: `answer` or `tests`, and `question`, `id` and `group` if
            wanted.
        verifier: Settings, or a name or reference as `type` of an experiment's verifier has it.
        problems: A task, a file of problems, or problems.
        sandbox: Where programs run; None is the default of experiments.
        engine: What a verifier samples a model with, if it does.

    Returns:
        One row for each completion, in their order: problem_id, group, prompt, completion, outcome,
        reward, parsed, reason, and of programs failed_case, cpu_seconds and output.

    Raises:
        UserError: A row lacks something, or a problem cannot be verified against.
        InfraError: What the verifier needs is not there.
    """
    judges: Verifier = _validated({"verifier": verifier}).verifier
    known = None if problems is None else {p.id: p for p in _problems(problems)}
    rows = _located(completions)
    judged: list[JudgedCompletion] = []
    with judges.open(VerifierContext(sandbox or SandboxSettings(), engine)) as judge:
        while window := [_exchange(where, row, known) for where, row in islice(rows, AT_ONCE)]:
            for exchange in window:
                if fault := judges.check_problem(exchange.problem):
                    raise UserError(f"problem {exchange.problem.id}: {fault}")
            verdicts = dict(judge_all(judge, window))
            for position, exchange in enumerate(window):
                verdict = verdicts[position]
                program = verdict.execution
                judged.append(
                    JudgedCompletion(
                        exchange.problem.id,
                        exchange.problem.group,
                        exchange.prompt,
                        exchange.completion,
                        str(verdict.outcome),
                        verdict.reward,
                        verdict.parsed,
                        verdict.reason,
                        program.failed_case if program else None,
                        program.cpu_seconds if program else None,
                        program.output if program else None,
                    )
                )
    return _table(judged, JudgedCompletion)


def select(
    verdicts: Rows,
    *,
    threshold: float = 1.0,
    cap: int = 10,
    dedup: DedupRule = "text",
    choice: CapChoice = "random",
    balance: BalanceRule = "none",
    weight: WeightRule = "binary",
    seed: int = 0,
) -> pa.Table:
    """Choose training rows from verified completions by the rules of a recipe.

    Args:
        verdicts: What `verify` or `Run.verdicts` returned, or rows like these in a file or as
            mappings: `problem_id`, `prompt`, `completion` and `outcome`, and `reward`, `group`,
            `finish_reason` if they are known.
        threshold: Reward that a completion needs.
        cap: Rows per problem; 0 is all.
        dedup: Which completions of a problem count as one: same text, same equations, or none.
        choice: Which rows are kept if there are more than the cap: random ones, the shortest, or
            the first.
        balance: `group`: as many rows of every group of problems as the smallest one has.
        weight: Weight of a row: 1 for all, the reward, or its exponential.
        seed: Seed of what is chosen at random.

    Returns:
        Rows with problem_id, prompt, completion and weight.

    Raises:
        UserError: A row lacks something.
    """
    from selftrain_assets.store.database import Database
    from selftrain_assets.store.selection import (
        Excluded,
        LearntEnds,
        Prompted,
        VerifiedSample,
        chosen_samples,
        correct_samples,
        training_rows,
    )
    from selftrain_assets.store.workspace import Workspace

    rules = Selection(
        threshold=threshold,
        cap=cap,
        dedup=dedup,
        choice=choice,
        balance=balance,
        weight=weight,
    )
    prompts: dict[str, Prompted] = {}
    samples, verified = [], []
    for index, (where, row) in enumerate(_located(verdicts)):
        values = {name: _text(where, row, name) for name in ("problem_id", "completion", "outcome")}
        problem, outcome = values["problem_id"], values["outcome"]
        prompt, group = str(row.get("prompt") or ""), str(row.get("group") or "")
        prompts.setdefault(problem, Prompted(problem, prompt, group))
        if prompts[problem].prompt != prompt:
            raise UserError(
                f"{where}: problem {problem} has another prompt than before; select the"
                " completions of each prompt by themselves"
            )
        reward = row.get("reward")
        if reward is None:
            reward = float(outcome == Outcome.PASS)
        key = fingerprint("completion", index, problem, values["completion"])
        ending = str(row.get("finish_reason") or "stop")
        samples.append(
            Sample(key, problem, prompt, values["completion"], 0, index, ending, 0, 0, "", "")
        )
        verified.append(
            VerifiedSample(1, "self", key, problem, outcome, float(reward), None, None, None)
        )
    with tempfile.TemporaryDirectory() as folder, Workspace(Database(Path(folder))) as ws:
        drawn, asked = ws.load_records(samples, Sample), ws.load_records(prompts.values(), Prompted)
        correct = correct_samples(
            ws, ws.load_records(verified, VerifiedSample), drawn, asked, rules, Excluded()
        )
        chosen = chosen_samples(ws, correct, rules, seed, Excluded())
        rows = training_rows(ws, chosen, drawn, asked, LearntEnds(None, []), ws.empty(Row))
        selected = [
            SelectedRow(row.problem_id, row.prompt, row.completion, row.weight)
            for row in ws.records(rows)
        ]
    return _table(selected, SelectedRow)


def evaluate(
    model: str | Path | ScratchModel,
    *,
    task: Task | Mapping[str, Any],
    verifier: Verifier | type[Verifier] | Mapping[str, Any] | None = None,
    sampling: Mapping[str, Any] | None = None,
    store: str | Path | None = None,
    progress: bool | None = None,
    **sections: Any,
) -> PolicySummary:
    """Measure a model on the held-out problems of a task.

    Args:
        model: A model directory, a name on the hub, or `embedded`.
        task: The problems; those of its splits test, validation and transfer are measured.
        verifier: Decides what is right; None is that of the task, or `numeric`.
        sampling: How completions are drawn, such as max_tokens and stop; None is that of the task.
        store: Folder in which samples and verdicts are kept, and found again; None keeps nothing.
        progress: Whether progress is shown on stderr; None: in a terminal and in a notebook.
        **sections: Other sections of an experiment, such as prompt, evaluation, engine, execution.

    Returns:
        Accuracy of greedy answers (`greedy_accuracy`), pass@k and maj@k, each with mean, low, high.

    Raises:
        SelftrainError: Settings are not valid, or the model cannot be sampled.
    """
    from selftrain_assets.api.opening import open

    settings: dict[str, Any] = {"model": model if isinstance(model, ScratchModel) else str(model)}
    settings |= {"task": task, **sections}
    if verifier is not None:
        settings["verifier"] = verifier
    if sampling is not None:
        settings["recipe"] = {"sampling": sampling}
    config = _validated(settings)
    with ExitStack() as stack:
        folder = store or stack.enter_context(tempfile.TemporaryDirectory())
        name = f"evaluation-{fingerprint(config.model_dump_json())[:12]}"
        return open(config, name, folder, progress=progress).finish(0).base


# -- what these take -------------------------------------------------------------------------------


def _validated(settings: Mapping[str, Any]) -> Experiment:
    verifier = settings.get("verifier")
    if isinstance(verifier, str):
        settings = {**settings, "verifier": {"type": verifier}}
    return parse_experiment(settings, "settings")


def _located(rows: Rows) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each row with its place, for messages."""
    if isinstance(rows, str | Path):
        if not (path := data_path(str(rows))).is_file():
            raise UserError(f"there is no file {path}")
        yield from rows_in(path)
        return
    if hasattr(rows, "to_pylist"):
        rows = rows.to_pylist()
    elif hasattr(rows, "to_dict"):
        rows = rows.to_dict("records")
    for number, row in enumerate(rows, 1):
        yield f"row {number}", row


def _problems(problems: Problems) -> Iterable[Problem]:
    if isinstance(problems, Task):
        return problems.load()
    if isinstance(problems, str | Path):
        return ProblemFile(path=str(problems)).read().problems
    return problems


def _exchange(where: str, row: Mapping[str, Any], known: Mapping[str, Problem] | None) -> Exchange:
    completion, prompt = _text(where, row, "completion"), str(row.get("prompt") or "")
    if known is not None:
        id = _text(where, row, "problem_id")
        if id not in known:
            raise UserError(f'{where}: there is no problem "{id}"{nearest(id, known)}')
        return Exchange(known[id], completion, prompt)
    id = row.get("problem_id") or row.get("id") or where
    own = {name: row[name] for name in (*FIELDS, *TEST_FIELDS) if row.get(name) is not None}
    own |= {"id": id, "question": row.get("question") or prompt or id}
    return Exchange(problem_in(where, floats(own)), completion, prompt)


def _text(where: str, row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        raise UserError(f'{where}: the field "{name}" is missing')
    return str(value)


def _table(records: list[Any], record: type) -> pa.Table:
    import pyarrow as pa

    from selftrain_assets.store.tables import schema_of

    columns = [list(column) for column in zip(*records, strict=True)]
    schema = schema_of(record)
    return pa.table(columns or [[] for _ in schema], schema=schema)
