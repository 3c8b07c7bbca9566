"""What a person does in the Dagster UI: clicks, reads and waits, by the names that are on the
page."""

import re
import time
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect

SECONDS, RUN_SECONDS = 60, 400  # a busy machine is no failure
UNFINISHED = {
    "QUEUED",
    "NOT_STARTED",
    "MANAGED",
    "STARTING",
    "STARTED",
    "CANCELING",
    "REQUESTED",
    "FAILING",
}


class Person:
    """In front of one page; pictures of what is seen go to a folder."""

    def __init__(self, browser: Browser, url: str, screenshots: Path) -> None:
        self.page: Page = browser.new_page(viewport={"width": 1400, "height": 900})
        self.page.set_default_timeout(SECONDS * 1000)
        expect.set_options(timeout=SECONDS * 1000)
        self.url, self.screenshots = url, screenshots

    def sees(self, text: str | re.Pattern[str]) -> None:
        """Waits until it is on the page."""
        expect(self.page.get_by_text(text).first).to_be_visible()

    def clicks(self, text: str) -> None:
        self.page.get_by_text(text, exact=True).first.click()

    def presses(self, name: str) -> None:
        self.page.get_by_role("button", name=name).first.click()

    def opens_tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()

    def goes_to(self, name: str) -> None:
        """By the left bar."""
        if not self.page.url.startswith(self.url):
            self.page.goto(self.url)
        self.page.get_by_role("navigation").get_by_role("link", name=re.compile(f"{name}$")).click()

    def opens_job(self, name: str) -> None:
        self.goes_to("Jobs")
        self.page.get_by_role("link", name=name).first.click()

    def opens_group(self, experiment: str, tab: str) -> None:
        """The assets of an experiment: their graph (Lineage) or their list (List)."""
        self.page.goto(f"{self.url}/locations/selftrain/asset-groups/{experiment}")
        self.opens_tab(tab)

    def opens_asset(self, experiment: str, name: str, tab: str) -> None:
        """From the list of the experiment's assets."""
        self.opens_group(experiment, "List")
        self.page.get_by_role("link", name=f"{experiment} / {name}").first.click()
        self.opens_tab(tab)

    def opens_docs(self, package: str, component: str) -> None:
        """Of a component: the fields that its YAML may have."""
        self.page.goto(f"{self.url}/locations/selftrain/components/library")
        self.clicks(package)
        self.page.get_by_text(component).first.click()

    def ticks(self, experiment: str, names: list[str]) -> None:
        """The boxes of these assets, in the list of the experiment."""
        self.opens_group(experiment, "List")
        for name in names:
            self.page.get_by_test_id(f"checkbox-{experiment}/{name}").locator("..").click()

    def launches(self, *partitions: str, button: str = "Materialize") -> str:
        """Press it, choose partitions in the dialog, launch, and open what was launched: the id
        of the run or of the backfill."""
        self.presses(button)
        if partitions:
            dialog = self.page.get_by_role("dialog").first
            dialog.get_by_text("Select a partition or create one").click()
            for partition in partitions:
                dialog.get_by_role("menuitem", name=partition).click()
            self.page.keyboard.press("Escape")
            dialog.get_by_role("button", name="Launch").click()
        return self.opens_launched()

    def switches_sensor_on(self, name: str) -> None:
        self.goes_to("Automation")
        self.page.get_by_role("link", name=name).first.click()
        switch = self.page.get_by_role("row", name="Running").get_by_role("checkbox")
        switch.locator("..").click()
        expect(switch).to_be_checked()

    def opens_launched(self) -> str:
        """By the note that says what was launched."""
        self.clicks("View")
        self.page.wait_for_url(re.compile("/runs/"))
        return self.run_on_page()

    def re_executes_from_failure(self) -> str:
        """On the page of a failed run; returns the id of the new one, whose page then opens."""
        failed = self.page.url
        self.page.get_by_role("button", name="Re-execute").locator(
            "xpath=following::button[1]"
        ).click()
        self.page.get_by_role("menuitem", name="From failure").click()
        self.page.wait_for_url(lambda url: url != failed)
        return self.run_on_page()

    def opens_lineage(self, partition: str) -> Locator:
        """On the partitions of a checkpoint: the dialog with its ancestors, back to the base."""
        self.clicks(partition)
        self.page.get_by_role("row", name="lineage").get_by_text("Show Markdown").click()
        return self.page.get_by_role("dialog")

    def run_on_page(self) -> str:
        return self.page.url.partition("/runs/")[2].partition("?")[0].removeprefix("b/")

    def waits_for_run(self, outcome: str = "Success") -> None:
        """On the page of a run, until it has ended."""
        self._looks_away_while(
            f'runOrError(runId: "{self.run_on_page()}") {{ ... on Run {{ status }} }}'
        )
        expect(
            self.page.get_by_text(re.compile("^(Success|Failure|Canceled)$")).first
        ).to_have_text(outcome)

    def waits_for_backfill(self, assets: int) -> None:
        """On the page of a backfill, until each of its assets has all its partitions."""
        self._looks_away_while(
            f'partitionBackfillOrError(backfillId: "{self.run_on_page()}") {{ ... on'
            " PartitionBackfill { status } }"
        )
        expect(self.page.get_by_text("100% completed")).to_have_count(assets)

    def _looks_away_while(self, shown: str) -> None:
        """Until what the page shows has ended, by what the UI itself asks: drawn without a GPU,
        it would take half a core from it."""
        here, question = self.page.url, {"query": f"{{ shown: {shown} }}"}
        self.page.goto("about:blank")
        deadline = time.monotonic() + RUN_SECONDS
        while (
            self.page.request.post(f"{self.url}/graphql", data=question).json()["data"]["shown"][
                "status"
            ]
            in UNFINISHED
        ):
            assert time.monotonic() < deadline, f"{here} goes on after {RUN_SECONDS} seconds"
            self.page.wait_for_timeout(500)
        self.page.goto(here)

    def photographs(self, name: str) -> None:
        """What the page shows once it has come to rest."""
        self.page.wait_for_timeout(1500)
        self.page.screenshot(path=self.screenshots / f"{name}.png")
