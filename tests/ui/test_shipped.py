"""What the UI shows of the project itself, as `make ui` starts it."""

import pytest

from tests.dagster_layer.dagster_dev import dagster_dev
from tests.ui.person import Person


@pytest.mark.kills
def test_the_schema_of_an_experiment_is_in_the_docs(tmp_path, browser, screenshots):
    with dagster_dev(tmp_path, shipped=True) as dev:
        person = Person(browser, dev.url, screenshots)
        person.opens_docs("selftrain_assets", "SelfTraining")
        person.sees("the self-training algorithm")
        person.sees("iterations of the loop")
        person.sees("type: selftrain_assets.component.SelfTraining")
        person.photographs("schema")
