"""An asset check that audits everything that an experiment has in the store, at any time."""

import dagster as dg

from selftrain_assets.config.experiment import Experiment
from selftrain_assets.dagster.audit import differences
from selftrain_assets.dagster.keys import asset_key
from selftrain_assets.dagster.metadata import rows_shown
from selftrain_assets.dagster.resources import StoreResource
from selftrain_assets.operations.audit import audit
from selftrain_assets.operations.inspector import Inspector
from selftrain_assets.pipeline.run import Run


def audit_check(name: str, config: Experiment) -> dg.AssetChecksDefinition:
    """Return the check `audit` of the report.

    It checks manifests, files, keys, weights and Dagster's event log, for every round.
    """

    @dg.asset_check(
        asset=asset_key(name, "report"),
        name="audit",
        description=(
            "nothing is lost, duplicated or changed, and Dagster's event log agrees with the store"
        ),
    )
    def audited(
        context: dg.AssetCheckExecutionContext, store: StoreResource
    ) -> dg.AssetCheckResult:
        run = Run(name, config, store.open())
        inspector = Inspector(run.store)
        lines = audit(inspector, run)
        findings = [*inspector.findings, *differences(run, context.instance)]
        counted = {
            count: sum(getattr(line, count) for line in lines)
            for count in ("duplicated", "lost", "quarantined")
        }
        return dg.AssetCheckResult(
            passed=not findings,
            severity=dg.AssetCheckSeverity.ERROR,
            description=(
                findings[0].sentence
                if findings
                else f"{len(lines)} stages: nothing lost, nothing duplicated"
            ),
            metadata=counted
            | rows_shown(
                {"findings": [{"kind": f.kind, "sentence": f.sentence} for f in findings]}
            ),
        )

    return audited
