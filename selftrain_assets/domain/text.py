"""When do two texts ask the same question?

One rule, for duplicates in a set, its splits, and held-out text in what is learnt from.

Unicode form, case, white space, and the punctuation of sentences make no difference: marks, quotes,
Markdown, the delimiters of LaTeX, hyphens between words, commas of thousands. What tells two
formulas or two programs apart does: operators and other signs, brackets, decimal points,
factorials, primes, quotes around a literal, slices, and how deep a line of Python is indented. So
`café` is one word in both of its forms, `2 + 3` is not `2 - 3`, and `C` is not `C++`. Where the
rule cannot tell, texts differ.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache

UNSPACED = "\u0e01-\u0e3a\u0e40-\u0eff\u1000-\u109f\u1780-\u17d3\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # noqa: E501
"""Characters of scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, kana and
Han."""
MARKS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0903\u093a-\u094f"
    "\u0951-\u0957\u0962\u0963\u0981-\u0983\u09bc-\u09d7\u0a01-\u0a51\u0a70-\u0acd\u0b01-\u0b57\u0b82-\u0bd7\u0c00-\u0c56\u0c81-\u0cd6"
    "\u0d00-\u0d57\u0f71-\u0fbc\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
"""Vowel signs and accents that belong to the letter before them, and that `\\w` leaves out."""
WORD = re.compile(rf"[^\W_{UNSPACED}]+(?:[{MARKS}]+[^\W_{UNSPACED}]*)*|[{UNSPACED}]")

ASCII_WORD = re.compile("[a-z0-9]+")


@lru_cache(maxsize=4)  # a text is looked at in several ways, one after the other
def words(text: str) -> tuple[str, ...]:
    """Words and numbers in one Unicode form and case.

    A character of a script without spaces is a word. Texts that ask the same have the same letters
    and digits, however they are cut into words: a cheap key to find candidates by.
    """
    return tuple(ASCII_WORD.findall(text.lower()) if text.isascii() else WORD.findall(folded(text)))


def canonical(text: str) -> str:
    """A key that is equal for texts that ask the same question.

    It has what carries meaning, with a space between any two signs or words.
    """
    plain = folded(_with_depth(text) if BLOCK.search(text) else text)
    for pattern, replacement in RULES:
        plain = pattern.sub(replacement, plain)
    return " ".join(TOKEN.findall(plain)) or " ".join(text.split())


def first_equal(texts: Sequence[str]) -> list[int]:
    """For each text, the place of the first one that is the same."""
    places_by_letters: dict[str, list[int]] = defaultdict(list)
    for place, text in enumerate(texts):
        places_by_letters["".join(words(text))].append(place)
    first = list(range(len(texts)))
    for places in places_by_letters.values():
        seen: dict[str, int] = {}
        for place in places if len(places) > 1 else ():
            first[place] = seen.setdefault(canonical(texts[place]), place)
    return first


def folded(text: str) -> str:
    """In one Unicode form (NFKC) and case, without characters that take no room.

    An exponent stays one, and ½ a number of its own.
    """
    if text.isascii():
        return text.lower()
    text = SCRIPT.sub(_plain_script, text.translate(SIGNS))
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).translate(
        SIGNS
    )


SIGNS = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2212\ufe63\uff0d", "-")
    | dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u2033«»", '"')
    | dict.fromkeys("\u00d7\u22c5\u2219\u00b7", "*")
    | dict.fromkeys("\u00f7\u2215\u2044", "/")
    | dict.fromkeys("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\ufe0e\ufe0f", "")
)
SCRIPT = re.compile("[\u00aa\u00b2\u00b3\u00b9\u00ba\u00bc-\u00be\u2070-\u209f\u2150-\u215e\u2189]")
BEFORE = {"<super>": "^", "<sub>": "_", "<fraction>": " "}


def _plain_script(match: re.Match[str]) -> str:
    kind, *points = unicodedata.decomposition(match[0]).split() or ["", f"{ord(match[0]):x}"]
    return BEFORE.get(kind, "") + "".join(chr(int(point, 16)) for point in points)


BLOCK = re.compile(
    r"^[ \t]*(?:async |class |def |elif |else\b|except\b|finally\b|for |if |try\b|while |with"
    r" )[^\n]*:[ \t]*(?:#.*)?$",
    re.M,
)
DEPTH, PRIME = "\u21e5", "\u2032"


def _with_depth(text: str) -> str:
    """Python source with a sign for each level of indentation, which is meaningful there."""
    levels: list[int] = []
    lines = []
    for line in text.expandtabs(8).split("\n"):
        body = line.lstrip(" ")
        if body:
            indent = len(line) - len(body)
            while levels and indent < levels[-1]:
                levels.pop()
            if not levels or indent > levels[-1]:
                levels.append(indent)
            body = DEPTH * (len(levels) - 1) + body
        lines.append(body)
    return "\n".join(lines)


def _thousands(match: re.Match[str]) -> str:
    """1,234 is 1234, and the (1,234) of a pair or a call is not."""
    before = match.string[: match.start()]
    in_brackets = any(
        before.count(opening) > before.count(closing) for opening, closing in ("()", "[]", "{}")
    )
    return match[0] if in_brackets else match[0].replace(",", "")


_2 = r"[^\W\d_]{2}"  # a word, and no name of a variable
_FUNCTION = (
    r"(?!(?:arc|sin|cos|tan|cot|sec|csc|log|ln|exp|sqrt|max|min|abs|gcd|lcm|mod)[a-z]{0,3}\b)"
)
_LOGIC = r"(?!(?:and|or|not|xor|nor|nand|implies|iff|if|then|else|true|false)\b)"
_OPERATOR = r"=+(\[{<>*/%-"
# where the mark of a sentence stands, and no sign of a grid or a code
_BEHIND = r"(?:(?<=[\w\"')\]}%\u201d])|(?<=[\w\"')\]}%\u201d] ))"
# In this order: what is kept of a sign is decided before its neighbours are dropped. Lower case,
# NFKC.
RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern, re.M), replacement)
    for pattern, replacement in (
        (r"[`\u2014\u2015。、「」『』《》〈〉【】•‣…¿¡؟،؛।॥]", " "),
        (r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])", _thousands),
        (r"\\[()\[\],;:! ]|\\?\$", " "),  # of LaTeX: delimiters and spaces
        # a literal of a program: its quotes are kept, and stand as “ ”
        (rf"(?:(?<=[{_OPERATOR}])|(?<=[{_OPERATOR}] ))([\"'])([^\"'\n]*)\1", r"“\2”"),
        (r"([\"'])([^\"'\n]*)\1(?=\s?[=+*/%)\]}])", r"“\2”"),
        (r"([\"'])(\d[^\"'\n]*)\1", r"“\2”"),
        (r"(?<=(?<![\w\"'])[^\W\d_])'+(?![^\W\d_])", lambda match: PRIME * len(match[0])),  # f'(x)
        (rf"{_BEHIND}\.+(?=[\s\"')\]}},;:?!]|$)|(?<=[^\W\d_])\.(?=\w)", " "),
        (rf"{_BEHIND},(?!\s*[)\]}}])", " "),  # (1,) is no (1)
        (rf"{_BEHIND};(?![^\[\]\n]*\])", " "),  # [1, 2; 3, 4] is a matrix
        # 3:4, x[1:], {1: 2}
        (
            rf"{_BEHIND}(?<!\d):(?![^\[\]{{}}\n]*[\]}}])|(?<=\d):(?!\s?\d)(?![^\[\]{{}}\n]*[\]}}])",
            " ",
        ),
        (rf"{_BEHIND}\?+(?!\s?[-+*/=<>^%])|(?<==)\s?\?\s*$", " "),  # ? + 3 = 5, and 3 + 5 = ?
        (rf"(?<={_2})!+(?!=)|(?<=\w )!+(?!\S)", " "),  # 5!, n!, !=
        (r"(?<![^\s\w])[\"']+(?![^\s\w])(?<!\d[\"'])|(?<=[)\]}])\"(?!\S)", " "),
        (r"^[ \t]*[-*+][ \t]+(?=[^\W\d_]{2})", " "),  # the bullets of a list
        (rf"(?<={_2})\s?-+\s?(?={_FUNCTION}{_2})|(?<=\d)-(?={_FUNCTION}{_2})", " "),
        (rf"(?<={_2})/(?={_2})", " "),
        (r"(?<![\w*)\]}])(\*\*\*?)(?=\S)([^*\n]*[^\s*])\1(?![\w*(])", r"\2"),
        (rf"(?<![\w*)\]}}])\*({_2}[^*\n]*)(?<!\s)\*(?![\w*(])", r"\1"),
        (rf"(?<![\w)\]])\(\s*((?:{_LOGIC}{_2}[^\W\d_]*(?:\s+|(?=\))))+)\)", r"\1"),  # (in total)
        (r"_{2,}", "_"),
    )
)
TOKEN = re.compile(rf"\d+(?:\.\d+)*|\.\d+|[^\W\d_{UNSPACED}]+(?:[{MARKS}]+[^\W\d_{UNSPACED}]*)*|\S")
