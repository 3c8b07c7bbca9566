"""Where a completion holds a program in another language than Python."""

from __future__ import annotations

import re
from collections.abc import Collection

from selftrain_assets.verifiers.code_blocks import code_blocks
from selftrain_assets.verifiers.thoughts import without_thoughts


def find_source(
    completion: str, tags: Collection[str], whole: str = "", fenced: bool = False
) -> str | None:
    """The last block that says to be in the language of these tags; where none does, the last
    that says nothing; without a block the whole completion, unless `fenced`. Blocks in which the
    pattern `whole` is found come first: the others are parts of a program."""
    text = without_thoughts(completion.replace("\r\n", "\n"))
    blocks, _ = code_blocks(text, tags)
    if blocks:
        return max(
            enumerate(blocks),
            key=lambda item: (item[1].tagged, bool(re.search(whole, item[1].text)), item[0]),
        )[1].text
    return None if fenced or not text.strip() or "```" in text else text
