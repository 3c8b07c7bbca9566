"""The results that TriPosT's stages record."""

from __future__ import annotations

from typing import Annotated

from selftrain_assets.domain.weights import WeightsRef
from selftrain_assets.recipes.tripost.conversations import Role
from selftrain_assets.store.results import Count, Detail, In, Metric, StageResult


class TrajectoriesResult(StageResult):
    """Counts of trajectories.

    Of those `attempted` some are `parsable`, of these some `edited`, and of all some `successful`,
    because they were `correct` at once or `improved` on.

    `turns` are those of all trajectories, and `drawn` the samples that they took. `endings` counts
    trajectories by how they ended, and `errors` counts turns by the error that they correct; `by`
    counts who gave feedback and updates. `asked` are the models that gave them.
    """

    attempted: Count
    parsable: Count
    edited: Count
    successful: Count
    correct: Count
    improved: Count
    turns: Count
    infra_error: Count
    drawn: Count
    endings: Metric[dict[str, int]]
    errors: Metric[dict[str, int]]
    by: Metric[dict[str, dict[str, int]]]
    policy: Detail[str]
    asked: Annotated[dict[Role, WeightsRef], In("detail", formerly="places")]
