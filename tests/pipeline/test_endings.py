"""What is learnt is what was drawn: its tokens and its end; what was cut off is no row, or one
without an end."""

from dataclasses import asdict, replace

import pytest

from selftrain_assets.domain.errors import TaskError
from selftrain_assets.domain.selection import make_row
from selftrain_assets.domain.types import Row
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.models.tokenization import encode_ended, load_tokenizer, tokenizer_digest
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.stages import check
from selftrain_assets.pipeline.tokenization import tokenization
from selftrain_assets.reports import further_tables, summarize
from selftrain_assets.tasks import WordProblems
from selftrain_assets.trainers.examples import IGNORED, tokenize
from tests import lab

RECIPE = {
    **lab.SETTINGS["recipe"],
    "sampling": {"samples_per_problem": 2, "temperature": 1.0, "max_tokens": 2},
    "mix_human": 1.0,
}
TEXTS = {
    p.id: [f"#### {p.answer}", f"#### {p.answer} and so on"] if p.split == "train" else ["#### 0"]
    for p in WordProblems(**lab.TASK).load()
}
"""Of the two right answers of each problem the second is cut off behind its answer, which is
read all the same."""


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(resolve_model("embedded"))


def rows_of(run):
    return run.store.read_table(run.need("iter-001", "dataset"), "rows", Row)


def test_what_was_cut_off_is_dropped_and_counted(opened):
    run = opened(texts=TEXTS, recipe=RECIPE, rounds=1)
    run_rounds(run, [1])
    samples, verdicts, dataset = (
        run.need("iter-001", stage) for stage in ("samples", "verifications", "dataset")
    )
    cut = samples.counts["cut_off"]
    assert 0 < cut < samples.counts["samples"] == verdicts.counts["pass"] == 24
    assert (dataset.counts["cut_off"], dataset.counts["self"]) == (cut, 24 - cut)
    (found,) = [each for each in check(run, samples) if each.name == "cut_off"]
    assert (found.passed, found.blocking, found.evidence["share"]) == (False, False, cut / 24)
    assert found.message.startswith(
        f"{cut} of 24 samples ran into max_tokens or ended within a thought; raise it"
    )
    (table,) = [t for t in further_tables(summarize(run)) if t.title.startswith("Endings")]
    human = dataset.counts["human"]
    shown = dict(zip(table.header, table.rows[0], strict=True))
    assert (shown["samples cut off"], shown["correct, but cut off"]) == (f"{cut} of 24", str(cut))
    assert (shown["rows as drawn"], shown["rows from text"]) == ("0", str(24 - cut + human))


def test_what_was_cut_off_can_be_kept_and_gets_no_end(opened, tokenizer):
    run = opened(texts=TEXTS, recipe={**RECIPE, "cut_off": "keep"}, rounds=1)
    run_rounds(run, [1])
    dataset, cut = (
        run.need("iter-001", "dataset"),
        run.need("iter-001", "samples").counts["cut_off"],
    )
    assert (dataset.counts["cut_off"], dataset.counts["self"]) == (0, 24)
    finished = {
        s.key: s.finish_reason for s in lab.read_samples(run, run.need("iter-001", "samples"))
    }
    ends = [
        tokenize(row, tokenizer, 512).labels[-1] == tokenizer.eos_token_id
        for row in rows_of(run)
        if row.sample_key
    ]
    assert ends == [finished[row.sample_key] == "stop" for row in rows_of(run) if row.sample_key]
    assert ends.count(False) == cut


def test_a_round_whose_right_samples_are_all_cut_off_says_what_to_do(opened):
    run = opened(
        texts={id: [f"{texts[-1]} and more"] for id, texts in TEXTS.items()},
        recipe=RECIPE,
        rounds=1,
    )
    with pytest.raises(
        TaskError,
        match=(
            r"all 24 correct samples among 24 were cut off.*raise max_tokens, or set cut_off: keep"
        ),
    ):
        run_rounds(run, [1])


def test_rows_are_trained_on_the_tokens_of_their_samples(opened, tokenizer):
    sums = {"type": "multistep_arithmetic", "train": 12, "human": 4, "validation": 0, "test": 4}
    run = opened(
        engine={"type": "transformers", "device": "cpu"},
        task=sums,
        recipe={**lab.SETTINGS["recipe"], "mix_human": 1.0},
        rounds=1,
    )
    run_rounds(run, [1])
    samples = {s.key: s for s in lab.read_samples(run, run.need("iter-001", "samples"))}
    assert {s.tokenizer for s in samples.values()} == {tokenizer_digest(tokenizer)}
    rows = [row for row in rows_of(run) if row.sample_key]
    assert rows
    for row in rows:
        sample = samples[row.sample_key]
        assert (row.tokens, row.ended_by) == (sample.tokens, "<eos>")
        assert [
            label for label in tokenize(row, tokenizer, 512).labels if label != IGNORED
        ] == sample.tokens
    counted = run.need("iter-001", "dataset").metrics["tokenization"]
    assert (counted["as_drawn"], counted["as_drawn_looked_at"], counted["other_tokenizer"]) == (
        len(rows),
        len(rows),
        0,
    )
    assert counted["from_text"] == len(rows_of(run)) - len(rows)


def test_the_share_that_tokenizes_differently_is_counted_row_by_row(opened, tokenizer):
    """Of three rows drawn by this tokenizer one has tokens that its text would not give; of two
    from text one has a word that is unknown to it; the tokens of the last are another
    tokenizer's."""
    digest, text = tokenizer_digest(tokenizer), "3 + 4 = 7 ; #### 7"
    same = encode_ended(tokenizer, text, "<eos>")
    drawn = {"tokens": same, "tokenizer": digest, "ended_by": "<eos>"}
    parts = [
        ("a", text, drawn),
        ("b", text, {**drawn, "tokens": same[:-1], "ended_by": ""}),
        ("c", text, {**drawn, "tokens": [*same[:-2], *same[-3:]]}),
        ("d", text, {}),
        ("e", "3 zebras", {}),
        ("f", text, {**drawn, "tokenizer": "another"}),
    ]
    rows = [
        replace(make_row("Q", said, 1.0, "self", id, 1, id, **more), key=id)
        for id, said, more in parts
    ]
    run = opened()
    table = run.store.write_table(run.name, "iter-001", "rows", "0" * 32, Row, rows)
    assert asdict(tokenization(run, "iter-001", table)) == {
        "as_drawn": 3,
        "as_drawn_looked_at": 3,
        "as_drawn_different": 1,
        "from_text": 3,
        "from_text_looked_at": 3,
        "from_text_different": 1,
        "other_tokenizer": 1,
    }
