"""Short texts in one form, so that writing them otherwise makes no other answer."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from selftrain_assets.domain.numbers import number, plain

TYPE = re.compile(
    r"\\(?:text|textbf|textit|textrm|textnormal|texttt|emph|mathrm|mathbf|mathit|mathsf|mbox|"
    r"operatorname|boldsymbol|bm|underline)\s*\{([^{}]*)\}"
)
SPACING = re.compile(
    r"\\(?:[,;:!>"
    r" ]|(?:rm|bf|it|tt|sf|large|Large|quad|qquad)(?![A-Za-z]))|(?<=\S)~(?=\S)|\\[()\[\]]"
)
ESCAPED = re.compile(r"\\([%#&_$])")
HTML = re.compile(r"</?(?:b|i|u|em|p|br|strong|span|mark|code)\s?/?>", re.IGNORECASE)
ENDS = " .,;:!?\"'`*_$\u3001\u3002"
KEPT = ("<super>", "<sub>", "<fraction>", "<circle>", "<square>")  # `x\u00b2` is not x2
SAME = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u02bc\u2032\u00b4", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d", "-"),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
}
DECIMAL = re.compile(r"[-+]?(?:(?:0|[1-9]\d*)(?:\.\d+)?|[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?)")


@lru_cache(maxsize=4096)
def _one_form(character: str) -> str:
    if (known := SAME.get(character)) is not None:
        return known
    return (
        character
        if unicodedata.decomposition(character).startswith(KEPT)
        else unicodedata.normalize("NFKC", character)
    )


def unwrap(text: str) -> str:
    r"""The text in one form of Unicode, without marks of how it is printed.

    Such marks are `\text{...}`, `$`, `**` and surplus white space.
    """
    if not text.isascii():
        text = unicodedata.normalize(
            "NFC", re.sub(r"[^\x00-\x7f]", lambda match: _one_form(match[0]), text)
        )
    for _ in range(3):
        text = TYPE.sub(r" \1 ", text)
    text = ESCAPED.sub(r"\1", SPACING.sub(" ", HTML.sub(" ", text))).replace("**", "")
    return " ".join(text.split())


def fold(text: str, case_sensitive: bool = False) -> str:
    """The text without case, quotes and end punctuation; a decimal number in one form.

    So 6.0 is 6 and 1,000 is 1000.
    """
    text = unwrap(text).strip(ENDS)
    if DECIMAL.fullmatch(text) and (value := number(text)) is not None:
        return plain(value)
    return text if case_sensitive else unicodedata.normalize("NFC", text.casefold())
