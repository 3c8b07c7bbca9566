r"""One spelling for each symbol, fraction, number and environment, in LaTeX or plain text.

`written_out` makes `½`, `\dfrac12` and `{1\over 2}` the same text. What the text means is for
`forms` to say.
"""

from __future__ import annotations

import re
import unicodedata

from selftrain_assets.domain.mathematics.symbols import (
    CHARACTERS,
    COMMANDS,
    FUNCTIONS,
    LOWERED,
    RAISED,
)

TEXT = re.compile(r"\\text\s*\{([^{}]*)\}")
NEW_ROW = "\0"  # stands for two backslashes while commands are looked at

_RUNS = (
    (re.compile(f"[{''.join(RAISED)}]+"), "^", RAISED),
    (re.compile(f"[{''.join(LOWERED)}]+"), "_", LOWERED),
)
_VULGAR = re.compile("(\\d*)([\u00bc-\u00be\u2150-\u215e\u2189])")
_SLASHED = re.compile("(\\d+)\u2044(\\d+)")
_COMMAND = re.compile(r"\\([a-zA-Z]+)")
_NULL_DELIMITER = re.compile(r"\\(?:left|right)\s*\.")
_COLOR = re.compile(r"\\(?:text)?color\s*\{[^{}]*\}")
_EMPTY_TEXT = re.compile(r"\\text\s*\{\s*([,;:]|\\\$)?[\s.!]*\}")
_RATIO_IN_WORDS = re.compile(r"(?<=\d)\s*(?:\\text\s*\{\s*to\s*\}|\bto\b)\s*(?=\d)")
_UPRIGHT = re.compile(r"\\(?:mathrm|operatorname\*?)\s*\{([^{}]*)\}")
_PLAIN_NAMES = "|".join([*sorted(FUNCTIONS - {"mod", "max", "min", "det", "sec"}), "infinity"])
_PLAIN_NAME = re.compile(rf"(?<![\\a-zA-Z])({_PLAIN_NAMES})(?![a-zA-Z])")
_ROOT = re.compile("√\\s*(\\d+(?:\\.\\d+)?)?")
_INFIX = re.compile(r"\{([^{}]*)\\(over|choose)(?![a-zA-Z])([^{}]*)\}")
_THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?:(?:\{,\}(?:\\!)?|,?\\!|\\[,;: ]) ?\d{3})+(?!\d)")
_SPACING = re.compile(r"\\[,;:!> ]|~")
_DEGREE = re.compile(
    r"\s*\^\s*(?:\{\s*\\(?:circ|degree)\s*\}|\\(?:circ|degree)(?![a-zA-Z]))|\s*\\degree(?![a-zA-Z])"
)
_RELATIONS = (
    (re.compile(r"<=|=<"), "\\le "),
    (re.compile(r">="), "\\ge "),
    (re.compile(r"!=|\\not\s*=|=/="), "\\ne "),
)

_MATRIX = re.compile(r"\\(begin|end)\s*\{[bB]?(?:small)?matrix\*?\}")
_ENVIRONMENT = re.compile(r"\\begin\s*\{(\w+)(\*?)\}")
_ROWS = {
    "aligned",
    "align",
    "alignat",
    "gathered",
    "gather",
    "split",
    "cases",
    "array",
    "equation",
    "multline",
    "eqnarray",
    "flalign",
}
_COLUMNS = re.compile(r"^\s*(?:\[\w\])?\s*\{[^{}]*\}")
_CONTINUED = re.compile(r"[=<>]|\\(?:le|ge|approx)(?![a-zA-Z])")
MOST_ENVIRONMENTS = 20

_LAST_DIGITS_REPEATED = (
    re.compile(
        r"(?<![\d.])(?P<whole>\d*)\.(?P<fixed>\d*)\\(?:overline|bar)\s*\{?(?P<repeated>\d+)\}?"
    ),
    re.compile(r"(?<![\d.])(?P<whole>\d*)\.(?P<fixed>\d*)\((?P<repeated>\d+)\)"),
    re.compile(
        r"(?<![\d.])(?P<whole>\d*)\.(?P<fixed>\d*)(?P<repeated>\\dot\s*\{?\d\}?(?:\d*\\dot\s*\{?\d\}?)?)"
    ),
    re.compile(
        r"(?<![\d.])(?P<whole>\d*)\.(?P<fixed>\d*?)(?P<repeated>\d{1,6}?)(?P=repeated){2,}\s?(?:\.{3}|\\dots)"
    ),
)
_TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|[^\\]|\\$", re.DOTALL)
_ARGUMENTS = {"\\frac": 2, "\\binom": 2, "\\sqrt": 1, "\\mathbb": 1}


def written_out(text: str) -> str:
    """The answer in canonical spelling, without dollars, spacing and punctuation at its ends."""
    text = " ".join(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").split())
    text = _commands(_characters(text))
    text = _environments(text)
    text = _THOUSANDS.sub(lambda match: re.sub(r"\D", "", match[0]), text)
    text = _SPACING.sub(" ", text).replace("{,}", ",")
    text = (
        _DEGREE.sub(r"\\degree ", text)
        .replace("**", "^")
        .replace("\\%", "%")
        .replace("\\_", "_")
        .replace("\\#", "#")
    )
    for written, relation in _RELATIONS:
        text = written.sub(relation.replace("\\", r"\\"), text)
    for _ in range(MOST_ENVIRONMENTS):
        text, before = _INFIX.sub(_prefixed, text), text
        if text == before:
            break
    text = "".join(_braced(_TOKEN.findall(text)))
    for repeating in _LAST_DIGITS_REPEATED:
        text = repeating.sub(_repeating_decimal, text)
    return (
        " ".join(text.replace(NEW_ROW, "\\\\").split(" ")).strip("*` ").rstrip(".,;:?*`\\ ").strip()
    )


def _prefixed(match: re.Match[str]) -> str:
    command = "\\frac" if match[2] == "over" else "\\binom"
    return f"{command}{{{match[1]}}}{{{match[3]}}}"


def _characters(text: str) -> str:
    """Unicode as LaTeX: `x²` is `x^{2}`, `2½` a mixed number, full-width digits are digits."""
    for run, mark, plain in _RUNS:
        text = run.sub(
            lambda match, mark=mark, plain=plain: (  # type: ignore[misc]
                f"{mark}{{{''.join(plain[c] for c in match[0])}}}"
            ),
            text,
        )
    text = _VULGAR.sub(
        lambda match: (
            f"{match[1]}{unicodedata.normalize('NFKC', match[2])}"
            if not match[1]
            else _mixed(match)
        ),
        text,
    )
    text = _ROOT.sub(
        lambda match: f"\\sqrt{{{match[1]}}}" if match[1] else "\\sqrt ",
        text.replace("∛", "\\sqrt[3]"),
    )
    text = unicodedata.normalize("NFKC", text.translate(CHARACTERS)).translate(CHARACTERS)
    return _SLASHED.sub(r"\\frac{\1}{\2}", text)


def _mixed(match: re.Match[str]) -> str:
    over, under = unicodedata.normalize("NFKC", match[2]).split("\u2044")
    return f"{match[1]}\\frac{{{over}}}{{{under}}}"


def _commands(text: str) -> str:
    """Each command under one name; those that only change how it looks, and dollars, left out."""
    if "\\begin" in text:
        text = re.sub(r"\\\\(?:\[[^\]]*\])?", NEW_ROW, text)
    else:  # commands whose backslash was escaped twice
        text = re.sub(r"\\\\(?=[a-zA-Z({\[])", r"\\", text).replace("\\\\", " ")
    text = re.sub(r"\\[()\[\]]", " ", re.sub(r"(?<!\\)\$", "", text))
    text = _COLOR.sub(" ", _EMPTY_TEXT.sub(r"\1 ", text))
    text = _UPRIGHT.sub(_upright, _NULL_DELIMITER.sub(" ", text))
    text = _COMMAND.sub(lambda match: COMMANDS.get(match[1], match[0]), text)
    text = _RATIO_IN_WORDS.sub(":", text)
    if not TEXT.search(text):
        text = _PLAIN_NAME.sub(lambda match: f"\\{match[1].replace('infinity', 'infty')}", text)
    return text


def _upright(match: re.Match[str]) -> str:
    r"""`\mathrm{e}` is a letter, `\operatorname{arctan}` a function, `\mathrm{cm}` text."""
    name = match[1].replace("~", " ").strip()
    if len(name) == 1:
        return name
    return f"\\{name} " if name in FUNCTIONS else f"\\text{{{match[1].replace('~', ' ')}}}"


def _environments(text: str) -> str:
    """Replace environments: matrices become `pmatrix`, others a list of their rows, or a chain."""
    text = _MATRIX.sub(r"\\\1{pmatrix}", text)
    for _ in range(MOST_ENVIRONMENTS):
        opened = [match for match in _ENVIRONMENT.finditer(text) if match[1] in _ROWS]
        if not opened:
            break
        name, start, inside = opened[-1][1], opened[-1].start(), opened[-1].end()
        ending = f"\\end{{{name}{opened[-1][2]}}}"
        body, ended, after = text[inside:].partition(ending)
        if not ended:
            break
        body = _COLUMNS.sub("", body) if name in ("array", "alignat") else body
        before = text[:start].rstrip()
        # the large brace before a system
        if before.endswith("\\{") and not after.lstrip().startswith("\\}"):
            before = before[:-2]
        if (
            name == "array"
            and before.endswith(("(", "["))
            and after.lstrip().startswith((")", "]"))
        ):
            text = f"{before[:-1]}\\begin{{pmatrix}}{body}\\end{{pmatrix}}{after.lstrip()[1:]}"
        else:
            text = f"{before} {_rows(name, body)} {after}"
    text = re.sub(r"[(\[]\s*(\\begin\{pmatrix\}[^()\[\]]*\\end\{pmatrix\})\s*[)\]]", r"\1", text)
    return text


def _rows(name: str, body: str) -> str:
    rows = [row.strip() for row in body.split(NEW_ROW) if row.strip("& ")]
    # a function by cases: values and conditions
    if name == "cases" and any("&" in row for row in rows):
        return "\\text{; }".join(
            "\\text{ if }".join(cell.strip(" ,") for cell in row.split("&")) for row in rows
        )
    items: list[str] = []
    for row in rows:
        line = row.replace("&", " ").strip(" ,;")
        if items and _CONTINUED.match(line):
            items[-1] += f" {line}"
        else:
            items.append(line)
    return ", ".join(items)


def _braced(tokens: list[str]) -> list[str]:
    r"""The tokens with the braces that `\frac`, `\binom` and `\sqrt` allow to be left out."""
    written: list[str] = []
    place = 0
    while place < len(tokens):
        token = tokens[place]
        written.append(token)
        place = _after_spaces(tokens, place + 1) if token in _ARGUMENTS else place + 1
        if token == "\\sqrt" and tokens[place : place + 1] == ["["] and "]" in tokens[place:]:
            index = tokens.index("]", place) + 1
            written += tokens[place:index]
            place = _after_spaces(tokens, index)
        for argument in range(_ARGUMENTS.get(token, 0)):
            if place >= len(tokens) or tokens[place] in ("}", ")", "&", ",", "+", "="):
                break
            opening = tokens[place]
            end = (
                _closing(tokens, place)
                if opening == "{" or (opening, token) == ("(", "\\sqrt")
                else place
            )
            if end is None or opening in _ARGUMENTS:
                break
            inner = _braced(tokens[place + 1 : end]) if end > place else [opening]
            written += ["{", *inner, "}"]
            place = end + 1 if argument + 1 == _ARGUMENTS[token] else _after_spaces(tokens, end + 1)
    return written


def _after_spaces(tokens: list[str], place: int) -> int:
    while place < len(tokens) and tokens[place].isspace():
        place += 1
    return place


def _closing(tokens: list[str], place: int) -> int | None:
    """Where what opens at this place is closed."""
    opening, closing = tokens[place], {"{": "}", "(": ")"}[tokens[place]]
    depth = 0
    for later in range(place, len(tokens)):
        depth += (tokens[later] == opening) - (tokens[later] == closing)
        if depth == 0:
            return later
    return None


def _repeating_decimal(match: re.Match[str]) -> str:
    whole, fixed, repeated = match["whole"], match["fixed"], re.sub(r"\D", "", match["repeated"])
    over = int(whole + fixed + repeated) - int(whole + fixed or 0)
    return f"\\frac{{{over}}}{{{'9' * len(repeated)}{'0' * len(fixed)}}}"
