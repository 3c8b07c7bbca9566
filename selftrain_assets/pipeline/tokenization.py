"""Count rows trained on the sampled tokens, and measure what tokenizing a text changes."""

from __future__ import annotations

from selftrain_assets.domain.measurements import Tokenization
from selftrain_assets.domain.types import Row
from selftrain_assets.models.loading import resolve_model
from selftrain_assets.models.tokenization import (
    decode,
    encode_completion,
    encode_ended,
    load_tokenizer,
    tokenizer_digest,
)
from selftrain_assets.pipeline.run import Run
from selftrain_assets.store import Table

# Rows of each kind that are tokenized: the first by key, which is a hash, so a random sample.
LOOKED_AT = 2_000


def tokenization(run: Run, scope: str, rows: Table) -> Tokenization:
    """Count the rows of a table by how their tokens are obtained.

    Returns:
        `as_drawn` rows are trained on the tokens that were sampled. Of `as_drawn_looked_at` of
        them, `as_drawn_different` would have other tokens if their text were tokenized. `from_text`
        rows are tokenized, because they are human, edited, drawn by an engine that gives no tokens
        or, for `other_tokenizer` of them, by a model with another tokenizer. Of
        `from_text_looked_at` of them, `from_text_different` lose something: their tokens decode to
        another text.
    """
    tokenizer = load_tokenizer(resolve_model(run.config.model))
    digest = tokenizer_digest(tokenizer)
    with run.store.workspace() as ws:
        trained_on = ws.read(Row, [run.store.scope(run.name, scope) / rows[0]])
        as_drawn, from_text, other = ws.row(
            "rows.count_as_drawn", rows=trained_on, tokenizer=digest
        )
        some = {
            kind: ws.rows(
                "rows.some_rows", rows=trained_on, tokenizer=digest, as_drawn=kind, most=LOOKED_AT
            )
            for kind in (True, False)
        }
    drawn = [
        tokens != encode_ended(tokenizer, text, ended_by) for text, ended_by, tokens in some[True]
    ]
    texts = [
        decode(tokenizer, encode_completion(tokenizer, text)) != text for text, _, _ in some[False]
    ]
    return Tokenization(
        as_drawn=as_drawn,
        as_drawn_looked_at=len(drawn),
        as_drawn_different=sum(drawn),
        from_text=from_text,
        from_text_looked_at=len(texts),
        from_text_different=sum(texts),
        other_tokenizer=other,
    )
