"""Go on from completions that were made elsewhere: judge them, learn the right ones, do a round.

    python examples/foreign_samples.py [completions.jsonl]

Each line has `question`, `answer` and `completion`; examples/completions.jsonl is an example.
"""

import json
import sys
from pathlib import Path

import selftrain_assets as st
from selftrain_assets.verifiers import NumericVerifier


def main(path: Path) -> None:
    """Right completions become solutions of the split `human`, which the base is trained on."""
    verifier = NumericVerifier()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    solutions: dict[str, dict[str, str]] = {}
    for line in lines:
        problem = st.Problem("", line["question"], line["answer"])
        verdict = verifier.verify(problem, line["completion"])
        print(verdict.outcome, verdict.reason)
        if verdict.outcome == st.Outcome.PASS:
            solutions[problem.question] = {
                "id": f"foreign-{len(solutions)}",
                "question": problem.question,
                "answer": problem.answer,
                "solution": line["completion"],
                "split": "human",
            }
    folder = Path("foreign-samples")
    folder.mkdir(exist_ok=True)
    problems = st.Experiment(task={"type": "word_problems", "train": 40, "test": 20}).task.load()
    others = [
        {"id": p.id, "question": p.question, "answer": p.answer, "split": p.split}
        for p in problems
        if p.split in ("train", "test")
    ]
    (folder / "problems.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in [*solutions.values(), *others])
    )
    experiment = st.Experiment(
        model="embedded",
        rounds=1,
        task={"type": "file", "path": str(folder / "problems.jsonl")},
        verifier=verifier,
        recipe={"type": "rest_em", "sampling": {"samples_per_problem": 4, "max_tokens": 40}},
        base={"fine_tune": "human"},
        trainer={"steps": 30, "learning_rate": 0.002},
    )
    report = st.open(experiment, name="foreign-samples").finish(1)
    print([f"{accuracy.mean:.2f}" for accuracy in report.accuracy])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("completions.jsonl"))
