r"""Unicode and LaTeX notation of numbers, rewritten in plain characters.

`½` is ` 1/2 `, `10³` and `10^{3}` are `10^3`, `\frac{1}{2}` is `1/2`, `1{,}234` is `1,234`, U+2212
and full-width signs are ASCII.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

CURRENCY = "\u00a4"
"""Stands for every currency sign, so that `$5M` is known to be money."""

SUPERSCRIPTS = str.maketrans(
    "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b\u207f",
    "0123456789+-n",
)
SUBSCRIPTS = str.maketrans(
    "\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089", "0123456789"
)
DASH = re.compile("(?<![\\w)] )(?<![\\w)])\u2014(?=\\d)|(\u2014)")
RAISED = re.compile("[\u2070\u00b9\u00b2\u00b3\u2074-\u207b\u207f]+")
LOWERED = re.compile("[\u2080-\u2089]+")
OTHER = re.compile(r"[^\x00-\x7f]")
SIGNS = {
    **dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d\u02d7", "-"),
    **dict.fromkeys("\u00d7\u2a2f\u00b7\u22c5\u2219\u2715", "*"),
    **dict.fromkeys("\u2248\u2245\u2243", "\u2248"),
    **dict.fromkeys("\u2192\u21d2\u27f9", "="),
    **dict.fromkeys("\u2018\u2019\u02bc", "'"),
    **dict.fromkeys("\u201c\u201d\u201e", '"'),
    **dict.fromkeys("\u20ac\u00a3\u00a5\u20b9\u20bd\u20a9", CURRENCY),
    "\u2044": "/",
    "\u2215": "/",
    "\u00f7": " / ",
    "\u00b0": " degrees ",
    "\u066b": ".",
    "\u066c": ",",
    "\u3001": ",",
    "\u3002": ". ",
    "\u200b": "",
    "\ufeff": "",
}

LATEX = (
    (re.compile(r"\\(?:begin|end)\s*\{\w+\*?\}|\\\\(?![A-Za-z])|&(?=\s?=)"), " "),
    (
        re.compile(
            r"\\[dt]?frac\s*\{\s*\\(?:text|mathrm)\s*\{([^{}]*)\}\s*\}\s*\{\s*\\(?:text|mathrm)\s*\{([^{}]*)\}\s*\}"
        ),
        r" \1/\2 ",
    ),
    (
        re.compile(
            r"\\(?:left|right|displaystyle|textstyle|bigl?|bigr?|Bigl?|Bigr?|!|limits)(?![A-Za-z])"
        ),
        "",
    ),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\[,;:> ]|~|\\(?:quad|qquad|thinspace)(?![A-Za-z])|\\[()\[\]]"), " "),
    (re.compile(r"(?<=[A-Za-z])\\?\$"), " " + CURRENCY),
    (re.compile(r"\\\$|\$"), CURRENCY),
    (re.compile(r"\\([%#&_])"), r"\1"),
    (
        re.compile(
            r"\\(?:text|textbf|textit|textrm|textnormal|mathrm|mathbf|mathit|mbox|operatorname|boldsymbol|bm)\s*\{([^{}]*)\}"
        ),
        r" \1 ",
    ),
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\(?:times|cdot|ast)(?![A-Za-z])"), "*"),
    (re.compile(r"\\div(?![A-Za-z])"), " / "),
    (re.compile(r"\\(?:approx|simeq|cong)(?![A-Za-z])"), "\u2248"),
    (re.compile(r"\\(?:to|rightarrow|Rightarrow|implies)(?![A-Za-z])"), "="),
    (
        re.compile(
            r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))|\\(?:degree|degrees)(?![A-Za-z])"
        ),
        " degrees ",
    ),
)
OPERAND = r"\{\s*([-+]?\d[\d.,]{0,300})\s*\}"
FRACTION = re.compile(rf"\\frac\s*(?:{OPERAND}|(\d))\s*(?:{OPERAND}|(\d))")
BRACED_POWER = re.compile(r"\^\s*\{\s*([-+]?\d{1,20})\s*\}")
REPEATING = re.compile(r"(\d{1,50})\.(\d{0,50})\\(?:overline|bar)\s*(?:\{(\d{1,50})\}|(\d))")
PYTHON_POWER = re.compile(r"(?<=\d)\*\*(?=[-+]?\d)")
MARKDOWN = re.compile(r"\*\*|__|`|</?(?:b|i|u|em|p|br|strong|span|mark|code)\s?/?>", re.IGNORECASE)


@lru_cache(maxsize=4096)
def _ascii(character: str) -> str:
    if (known := SIGNS.get(character)) is not None:
        return known
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    folded = unicodedata.normalize("NFKC", character)
    if "\u2044" in folded:
        return f" {folded.replace(chr(0x2044), '/')} "
    return (
        folded
        if folded.isascii() and len(folded) == 1
        else " "
        if character.isspace()
        else character
    )


def characters(text: str) -> str:
    """The text with ASCII signs and digits, fractions as `1/2`, powers as `^3`, indices as `_3`."""
    if text.isascii():
        return text
    text = RAISED.sub(lambda match: "^{" + match[0].translate(SUPERSCRIPTS) + "}", text)
    text = LOWERED.sub(lambda match: "_{" + match[0].translate(SUBSCRIPTS) + "}", text)
    text = DASH.sub(lambda match: " ; " if match[1] else "-", text)
    return OTHER.sub(lambda match: _ascii(match[0]), text)


def _fraction(match: re.Match[str]) -> str:
    numerator, denominator = match[1] or match[2], match[3] or match[4]
    return (
        f" {numerator}/{denominator} "
        if denominator[0] not in "+-"
        else f" {'' if numerator[0] == '-' else '-'}{numerator.lstrip('+-')}/{denominator[1:]} "
    )


def _repeating(match: re.Match[str]) -> str:
    r"""`0.1\overline{6}` as `15/90`."""
    whole, prefix, period = match[1], match[2], match[3] or match[4]
    numerator = int(whole + prefix + period) - int(whole + prefix)
    return f" {numerator}/{'9' * len(period)}{'0' * len(prefix)} "


def written_plainly(text: str) -> str:
    """The same in plain characters, without LaTeX's spacing and type, and without Markdown's."""
    text = characters(text)
    if "\\" in text or "$" in text or "~" in text or "{,}" in text:
        for pattern, plain in LATEX:
            text = pattern.sub(plain, text)
    text = FRACTION.sub(_fraction, REPEATING.sub(_repeating, text))
    text = BRACED_POWER.sub(r"^\1", text)
    return MARKDOWN.sub("", PYTHON_POWER.sub("^", text))
