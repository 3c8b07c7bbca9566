"""Where a completion holds a program in another language than Python."""

from __future__ import annotations

import re
from collections.abc import Collection

from selftrain_assets.verifiers.code_blocks import code_blocks
from selftrain_assets.verifiers.thoughts import without_thoughts


def find_source_block(
    completion: str, tags: Collection[str], whole: str = "", fenced: bool = False
) -> str | None:
    """The block of a completion that holds the program.

    It is the last block with one of these language `tags`; where none has one, the last without a
    tag; without a block the whole completion, unless `fenced`. Blocks in which the pattern `whole`
    is found take precedence: the others are parts of a program.
    """
    text = without_thoughts(completion.replace("\r\n", "\n"))
    blocks, _ = code_blocks(text, tags)
    if blocks:
        return max(
            enumerate(blocks),
            key=lambda item: (item[1].tagged, bool(re.search(whole, item[1].text)), item[0]),
        )[1].text
    return None if fenced or not text.strip() or "```" in text else text
