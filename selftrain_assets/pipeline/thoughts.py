"""How long samples think and how long they answer, of models that do both."""

from __future__ import annotations

from typing import Any

from selftrain_assets.domain.thinking import UNCLOSED
from selftrain_assets.store.database import Database

OF_DRAWN = "members JOIN sample_pool USING (key)"


def thoughts(db: Database) -> dict[str, Any]:
    """{thoughts: ...} of the samples that are `members`: how many they are (`drawn`), how many
    think, how many of those never close (`unclosed`), how many were `forced` to at their budget,
    and the lengths of thoughts and of answers in tokens, as far as these are known; nothing
    where none of them thinks."""
    drawn, think, unclosed, forced = db.execute(
        "SELECT count(*), count(answer_start), count(*) FILTER (finish_reason = $1), count(forced)"
        f" FROM {OF_DRAWN}",
        UNCLOSED,
    )[0]
    if not think:
        return {}
    lengths = {
        "thought_tokens": _lengths(db, "answer_token", "true"),
        "answer_tokens": _lengths(
            db, "completion_tokens - answer_token", f"finish_reason <> '{UNCLOSED}'"
        ),
    }
    return {
        "thoughts": {
            "drawn": drawn,
            "think": think,
            "unclosed": unclosed,
            "forced": forced,
            **lengths,
        }
    }


def _lengths(db: Database, tokens: str, which: str) -> dict[str, float] | None:
    """Mean, median, ninth decile and maximum; None where no length is known."""
    found = db.execute(
        "SELECT avg(tokens), median(tokens), quantile_cont(tokens, 0.9), max(tokens) FROM "
        f"(SELECT {tokens} AS tokens FROM {OF_DRAWN} WHERE answer_token IS NOT NULL AND {which})"
    )[0]
    return (
        None
        if found[0] is None
        else dict(zip(("mean", "median", "p90", "max"), map(float, found), strict=True))
    )
