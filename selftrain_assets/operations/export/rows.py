"""The rows that a round trained on, each with its sample, seed and verdict, as one file that
`datasets` loads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from selftrain_assets.domain.errors import IntegrityError
from selftrain_assets.domain.types import Judgement, Problem, Row, Sample, Trajectory, Verification
from selftrain_assets.pipeline.dataset import SOURCE_OF
from selftrain_assets.pipeline.run import INPUTS, Run
from selftrain_assets.pipeline.sampling import SAMPLES_OF
from selftrain_assets.store import Manifest
from selftrain_assets.store.database import Database, FileFormat, relation, text

COLUMNS = {
    "row_key": ("r.key", "key of the row: a hash of prompt, completion, weight, source and sample"),
    "problem_id": ("r.problem_id", "id of the problem"),
    "question": ("p.question", "the problem's question, without the text around it"),
    "answer": (
        "p.answer",
        "reference answer that the verifier compares with; empty where tests judge",
    ),
    "prompt": ("r.prompt", "what the model was given"),
    "completion": ("r.completion", "what it was trained to answer: the loss is on this text alone"),
    "weight": ("r.weight", "weight of the row in the loss"),
    "source": ("r.source", "self, human, rationalized, translated or improved; see above"),
    "method": ("r.method", "how the problem is solved, where a recipe has several methods"),
    "origin": ("r.origin", "of a translation: the method that it was translated from"),
    "translates": (
        "r.translates",
        "of a translation: sample_key of the solution that it translates",
    ),
    "turn": ("r.turn", "which turn of the trajectory that begins with the sample"),
    "sections": (
        "r.sections",
        "what parts of the completion weigh: lengths in characters with factors, as JSON",
    ),
    "round": (
        "r.iteration",
        "round that drew the sample; of a human row, round whose dataset it was added to",
    ),
    "sample_key": (
        "r.sample_key",
        (
            "key of the sample: a hash of weights, sampling settings, seed, prompt and index; null"
            " for human rows"
        ),
    ),
    "sample_index": ("s.index", "which of the samples on this prompt, from 0"),
    "seed": ("s.seed", "seed that the sample was drawn with"),
    "policy": ("s.policy", "digest of the weights that drew it"),
    "engine": ("s.engine", "program that drew it, and its version"),
    "thought": (
        "thought_of(s.completion, s.answer_start)",
        (
            "the thought that the sample begins with, where the model thinks before it answers;"
            " part of the completion unless it was left out"
        ),
    ),
    "sampled_answer": (
        "answer_of(s.completion, s.answer_start)",
        "what the sample says behind its thought: what was judged",
    ),
    "forced": (
        "r.forced",
        (
            "from which character to which the completion was not drawn, but put there to end a"
            " thought; it is not learnt"
        ),
    ),
    "finish_reason": ("s.finish_reason", "stop, or length where it was cut off"),
    "prompt_tokens": ("s.prompt_tokens", "tokens of the prompt it was drawn from"),
    "completion_tokens": ("s.completion_tokens", "tokens of the completion"),
    "outcome": (
        "v.outcome",
        "verdict of the verifier on the sample: pass, or of an improved row anything",
    ),
    "reward": ("v.reward", "reward, from 0 to 1"),
    "parsed": ("v.parsed", "answer, or program, that the verifier read out of the completion"),
    "reason": ("v.reason", "why the verdict is what it is"),
    "verifier": ("v.verifier", "who judged, and its version"),
}
"""Name of each column, what it is read from, and what it says."""

JOINED = """
FROM training_rows AS r
LEFT JOIN problems AS p ON p.id = r.problem_id
LEFT JOIN judged AS j ON j.iteration = r.iteration AND j.sample_key = r.sample_key AND j.problem_id = r.problem_id
    AND j.source = CASE r.source WHEN 'improved' THEN 'self' ELSE r.source END AND j.method IS NOT DISTINCT FROM r.method
LEFT JOIN corrected AS t ON t.iteration = r.iteration AND t.sample_key = r.sample_key AND t.problem_id = r.problem_id
LEFT JOIN sample_pool AS s ON s.key = r.sample_key
LEFT JOIN verdict_pool AS v ON v.key = j.key
"""  # noqa: E501


@dataclass(frozen=True, slots=True)
class Rows:
    """What was written: the file within the dataset's folder, its format and rows, the type of
    each column, the rows of each split, and (source, round, method, rows, problems) for each
    that there is."""

    file: str
    format: FileFormat
    rows: int
    types: dict[str, str]
    splits: list[tuple[str, int]]
    sources: list[tuple[str, int, str | None, int, int]]


def write_rows(run: Run, dataset: Manifest, folder: Path, format: FileFormat) -> Rows:
    """Write the rows of a finished dataset below `folder`, in the order in which they were
    selected.

    IntegrityError where a sampled row has no sample, or no verdict, or one that is not a pass;
    where an improved row has no sample, or its trajectory does not end right.
    """
    file = f"data/train.{format}"
    (folder / file).parent.mkdir()
    with run.store.database() as db:
        _open(run, db, dataset)
        columns = ", ".join(f"{source} AS {name}" for name, (source, _) in COLUMNS.items())
        db.execute(
            f"CREATE VIEW exported AS SELECT r.place, t.ending IS NOT NULL AS ends_right, {columns}"
            f" {JOINED}"
        )
        _check(run, db, dataset)
        db.write(
            "SELECT * EXCLUDE (place, ends_right) FROM exported ORDER BY place",
            folder / file,
            format,
        )
        types = {
            name: kind for name, kind, *_ in db.execute("DESCRIBE exported") if name in COLUMNS
        }
        splits = db.execute(
            "SELECT split, count(*) FROM training_rows AS r JOIN problems AS p ON p.id ="
            " r.problem_id GROUP BY 1 ORDER BY 1"
        )
        sources = db.execute(
            "SELECT source, iteration, method, count(*), count(DISTINCT problem_id) FROM"
            " training_rows GROUP BY ALL ORDER BY ALL"
        )
        return Rows(file, format, dataset.files["rows"][1], types, splits, sources)  # type: ignore[arg-type]


def _open(run: Run, db: Database, dataset: Manifest) -> None:
    """The rows, their problems, and the samples and verdicts of the rounds that they come from,
    as relations."""
    learnt_from = [run.need(*name.split("/")) for name in dataset.parents if "/" in name]
    edited = [m for m in learnt_from if m.stage == "trajectories"]
    evidence = [m for m in learnt_from if m not in edited] + [
        run.need(m.scope, "verifications") for m in edited
    ]
    db.execute(
        "CREATE VIEW training_rows AS"
        f" {relation(Row, [run.store.table(dataset, 'rows')], places=True)}"
    )
    db.view("problems", Problem, [run.store.table(run.need(INPUTS, "problems"), "problems")])
    judged = [
        f"SELECT {_round(m)} AS iteration, {text(SOURCE_OF[m.stage])} AS source, * "
        f"FROM ({relation(Judgement, [run.store.table(m, m.stage)])})"
        for m in evidence
    ]
    unjudged = f"SELECT 0 AS iteration, '' AS source, * FROM ({relation(Judgement, [])})"
    db.execute(f"CREATE VIEW judged AS {' UNION ALL '.join([unjudged, *judged])}")
    corrected = [
        f"SELECT {_round(m)} AS iteration, sample_key, problem_id, ending FROM"
        f" ({relation(Trajectory, [run.store.table(m, m.stage)])}) WHERE ending = 'improved'"
        for m in edited
    ]
    nothing = (
        f"SELECT 0 AS iteration, sample_key, problem_id, ending FROM ({relation(Trajectory, [])})"
    )
    db.execute(f"CREATE VIEW corrected AS {' UNION ALL '.join([nothing, *corrected])}")
    policies = {run.need(m.scope, SAMPLES_OF[m.stage]).parents["policy"] for m in evidence}
    verdicts = {
        (verifier, m.detail["policy"]) for m in evidence for verifier in m.detail["verifiers"]
    }
    samples = [run.store.samples(policy) for policy in sorted(policies)]
    verifications = [run.store.verifications(*of) for of in sorted(verdicts)]
    for pool in (*samples, *verifications):
        pool.check()
    db.view("sample_pool", Sample, [file for pool in samples for file in pool.files()])
    db.view("verdict_pool", Verification, [file for pool in verifications for file in pool.files()])


def _round(manifest: Manifest) -> int:
    return int(manifest.scope.rpartition("-")[2])


def _check(run: Run, db: Database, dataset: Manifest) -> None:
    """Each row once, and each that was sampled with its sample and a verdict that lets it pass,
    or a trajectory that ends right."""
    rows, wrong = db.execute(
        "SELECT count(*), count(*) FILTER (question IS NULL OR (sample_key IS NOT NULL AND (policy"
        " IS NULL OR outcome IS NULL OR NOT CASE source WHEN 'improved' THEN ends_right ELSE"
        " outcome = 'pass' END))) FROM exported"
    )[0]
    if wrong or rows != dataset.files["rows"][1]:
        raise IntegrityError(
            f"{run.name}: {dataset.scope} has rows whose problem, sample or verdict is not in the"
            f" store exactly once; `selftrain audit {run.name}` says what is lost, and `selftrain"
            f" run {run.name}` makes it again"
        )
