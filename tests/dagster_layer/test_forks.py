"""A fork through Dagster: each asset has the settings of its round."""

import dagster as dg
import pytest

from selftrain_assets.component import SelfTraining


@pytest.mark.kills
def test_rounds_after_the_fork_have_its_changes(laboratory):
    source = laboratory()
    assert source.round("iter-001").success
    forks = [
        {
            "experiment": "lab",
            "iteration": 1,
            "changes": {"recipe": {"cap": 1}, "trainer": {"steps": 3}},
        }
    ]
    forked = laboratory("forked", forks=forks)
    assert forked.round("iter-001").success
    assert forked.round("iter-002").success
    assert forked.version("checkpoint", "iter-001") == source.version("checkpoint", "iter-001")
    store = forked.resource.open()
    trained = [
        store.manifest("forked", scope, "checkpoint").counts["steps"]
        for scope in ("iter-001", "iter-002")
    ]
    kept = [
        store.manifest("forked", scope, "dataset").settings["cap"]
        for scope in ("iter-001", "iter-002")
    ]
    assert (trained, kept) == ([2, 3], [10, 1])


def test_a_component_reads_a_fork_from_its_attributes():
    attributes = {
        "rounds": 2,
        "forks": [{"experiment": "lab", "iteration": 1, "changes": {"seed": 4}}],
    }
    model = SelfTraining.get_model_cls().model_validate(attributes)
    assert [phase.seed for phase in model.phases.values()] == [0, 4]
    assert isinstance(model.model_json_schema(), dict)
    assert issubclass(SelfTraining, dg.Component)
