"""The README's pictures of the Dagster UI: python -m tests.ui.pictures [EXPERIMENT]

Does what is owed of the experiment in a store of its own, `.pictures/`, so that a second call only
photographs; then takes docs/ui-graph.png and docs/ui-checkpoint.png in a browser in front of
`dagster dev`.
"""

import argparse
import shutil

from selftrain_assets.config.experiment_files import defs_directory, load_experiment
from selftrain_assets.pipeline.run import iteration_scope
from tests.dagster_layer.dagster_dev import ROOT, dagster_dev
from tests.ui.conftest import chromium
from tests.ui.person import Person


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiment", nargs="?", default="quickstart")
    experiment = parser.parse_args().experiment
    folder = ROOT / ".pictures"
    shutil.copytree(defs_directory() / experiment, folder / "defs" / experiment, dirs_exist_ok=True)
    with dagster_dev(folder) as dev, chromium() as browser:
        done = dev.selftrain("run", experiment, seconds=3600)
        assert done.returncode == 0, done.stderr
        photograph(
            Person(browser, dev.url, ROOT / "docs"),
            experiment,
            iteration_scope(load_experiment(experiment).rounds),
        )


def photograph(person: Person, experiment: str, last: str) -> None:
    """The graph beside the plots of its evaluation, and the last checkpoint's way back to the
    base."""
    person.opens_group(experiment, "Lineage")
    person.presses("Hide navigation")
    person.clicks("evaluation")
    person.page.get_by_text("greedy_accuracy", exact=True).last.scroll_into_view_if_needed()
    person.photographs("ui-graph")
    person.opens_asset(experiment, "checkpoint", "Partitions")
    person.opens_lineage(last).screenshot(path=person.screenshots / "ui-checkpoint.png")


if __name__ == "__main__":
    main()
