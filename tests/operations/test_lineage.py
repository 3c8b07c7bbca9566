"""Lineage, both ways, on a real experiment of two rounds: every edge is an equal digest, and
nothing is left out."""

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.types import Row, Sample
from selftrain_assets.operations.lineage import Lineage
from selftrain_assets.pipeline.loop import run_rounds
from selftrain_assets.pipeline.run import Run
from selftrain_assets.store import Store
from tests import lab
from tests.lab import read_samples


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two rounds; the second one's dataset is then made again with another seed, so that the
    first version is superseded."""
    folder = tmp_path_factory.mktemp("lineage")
    recipe = lab.SETTINGS["recipe"] | {"accumulate": "all", "cap": 2, "mix_human": 1.0}
    store = Store(folder / "runs")
    for seed in (0, 1):
        settings = lab.write_experiment(folder, recipe=recipe, base={"fine_tune": "human"})
        run = Run("lab", parse_experiment(settings | {"seed": seed}, "lab"), store)
        run_rounds(run, range(1, 3))
    return run


@pytest.fixture
def lineage(run):
    return Lineage(run.store)


def flat(node):
    return [node, *(inner for edge in node.edges for inner in flat(edge))]


def of(node, kind):
    return [inner for inner in flat(node) if inner.kind == kind]


def test_a_checkpoint_leads_back_to_the_base_and_the_model_below(run, lineage):
    node = lineage.checkpoint("lab", "iter-002")
    digests = {n.facts["digest"] for n in of(node, "checkpoint")}
    assert digests == {
        run.need(scope, "checkpoint").digest for scope in ("base", "iter-001", "iter-002")
    }
    assert [n.facts["model"] for n in of(node, "model")] == ["embedded"]
    assert {n.facts["digest"] for n in of(node, "dataset")} == {
        run.need(s, "dataset").digest for s in ("iter-001", "iter-002")
    }
    assert not [n for n in flat(node) if "missing" in n.facts]
    drawn = {n.name: n.facts["digest"] for samples in of(node, "samples") for n in samples.edges}
    assert drawn == {
        "lab base": run.need("base", "checkpoint").digest,
        "lab iter-001": run.need("iter-001", "checkpoint").digest,
    }


@pytest.mark.parametrize("scope", ["iter-001", "iter-002"])
def test_every_row_leads_to_its_sample_prompt_seed_and_verdict(run, lineage, scope):
    dataset = run.need(scope, "dataset")
    rows = run.store.read_table(dataset, "rows", Row)
    for position, row in enumerate(rows, 1):
        [found] = of(lineage.checkpoint("lab", scope, position), "row")
        assert (found.facts["key"], found.facts["problem_id"]) == (row.key, row.problem_id)
        samples = of(found, "sample")
        assert [s.facts["key"] for s in samples] == ([row.sample_key] if row.sample_key else [])
        for sample in samples:
            assert sample.facts["completion"].strip() == row.completion.strip()
            assert sample.facts["prompt"] == row.prompt
            assert sample.facts["parameters"]["temperature"] == 1.0
            assert isinstance(sample.facts["seed"], int)
            assert {v.facts["outcome"] for v in of(sample, "verdict")} == {"pass"}


@pytest.mark.kills
def test_forward_is_exactly_what_the_tables_say(run, lineage):
    datasets = list(lineage.of("dataset"))
    entered = {
        m.digest: {row.sample_key for row in run.store.read_table(m, "rows", Row)} for m in datasets
    }
    assert len(entered) == 4
    samples: list[Sample] = read_samples(run, run.need("iter-001", "samples"))[::3]
    for sample in samples:
        node = lineage.forward(sample.key)
        direct = {n.facts["digest"] for n in node.edges if n.kind == "dataset"}
        assert direct == {digest for digest, keys in entered.items() if sample.key in keys}
    assert any(not lineage.forward(s.key).edges[1:] for s in samples), (
        "a wrong sample enters nothing"
    )


def test_forward_goes_on_to_later_rounds_and_names_what_was_superseded(run, lineage):
    first = next(m for m in lineage.of("dataset", scope="iter-001") if not lineage.is_current(m))
    row = next(r for r in run.store.read_table(first, "rows", Row) if r.sample_key)
    node = lineage.forward(row.sample_key)
    assert {n.name for n in of(node, "checkpoint")} >= {"lab iter-001"}
    assert any(n.facts.get("superseded") for n in of(node, "dataset"))
    current = next(
        r
        for r in run.store.read_table(run.need("iter-001", "dataset"), "rows", Row)
        if r.sample_key
    )
    later = of(lineage.forward(current.sample_key), "policy")
    assert [n.name for n in later] == ["lab iter-002"]


def test_a_beginning_of_a_key_is_enough_if_it_is_one_keys(run, lineage):
    key = read_samples(run, run.need("iter-001", "samples"))[0].key
    assert lineage.sample(key[:20]).facts["key"] == lineage.sample(key).facts["key"] == key


@pytest.mark.parametrize(
    ("ask", "reason"),
    [
        (
            lambda found: found.checkpoint("lab", "iter-009"),
            "lab: iter-009 has no checkpoint; `selftrain status lab`",
        ),
        (
            lambda found: found.checkpoint("lab", "iter-001", 10_000),
            "--row 10000: the dataset of lab iter-001 has rows 1 to",
        ),
        (
            lambda found: found.checkpoint("lab", "base", 1),
            "--row 1: lab base has no dataset of its own",
        ),
        (lambda found: found.sample("zz"), 'no sample has a key that begins with "zz"'),
        (lambda found: found.sample(""), '"" begins'),
    ],
)
def test_what_is_not_there_is_said(lineage, ask, reason):
    with pytest.raises(UserError) as caught:
        ask(lineage)
    assert reason in str(caught.value)
