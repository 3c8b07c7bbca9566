"""Where a completion holds code: fenced blocks, and wrappers that prompts ask for.

The rules are CommonMark's where it has one, and beyond them what models write: a fence that opens
behind text or closes at the end of a code line, a block on one line, one that was cut off. A fence
inside a Python string closes nothing. Every text is hostile: the work is bounded by a multiple of
its length.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection
from dataclasses import dataclass

PYTHON = ("python", "py", "ipython", "cpython", "pypy", "pycon", "micropython", "python-repl")
"""Words behind a fence that say Python; digits behind them are its version."""
SESSIONS = ("pycon", "python-repl")
ANY_LANGUAGE = ("", "code", "program", "solution")
"""Words behind a fence that name no language."""

OPENING = re.compile(
    r"(?P<fence>`{3,}|~{3,})|<(?P<element>answer|code|python|solution|program)\b[^<>\n]*>|"
    r"\[(?P<bracket>PYTHON|BEGIN)\]",
    re.IGNORECASE,
)
WRAPPER = re.compile(
    r"<(?:answer|code|python|solution|program)\b|\[(?:PYTHON|BEGIN)\]", re.IGNORECASE
)
BRACKETS = {"python": r"\[/PYTHON\]", "begin": r"\[(?:DONE|END)\]"}
WORD = re.compile(r"[{.]*[a-z][\w+#.:-]*}?", re.IGNORECASE)
RUN = {"`": re.compile(r"`{3,}"), "~": re.compile(r"(?:(?<=\n)|\A)[ \t>]*(~{3,})[ \t]*(?=\n|\Z)")}
# what may stand before a fence in a quote or a list
LEAD = re.compile(r"[ \t]*(?:>[ \t]*)*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?")
TAG = re.compile(
    r"[\s{.]*(?:lang(?:uage)?[-=:])?([a-z]+(?:-repl)?[+#]*)(?:[ -]?\d[\d.]*)?(?![\w+#])",
    re.IGNORECASE,
)
PYTHON_TOKEN = re.compile(
    r"""(?:'{3}(?:\\.|(?!'{3})[^\\])*+(?:'{3}|\Z)|"{3}(?:\\.|(?!"{3})[^\\])*+(?:"{3}|\Z)|"""
    r"""'(?:\\.|[^\\\n'])*+'?|"(?:\\.|[^\\\n"])*+"?)"""
    r"""|\#[^\n]*|(?P<run>`{3,}|(?:(?<=\n)|\A)[ \t>]*~{3,}[ \t]*(?=\n|\Z))""",
    re.DOTALL,
)
"""A string, a comment, or a fence that is in neither."""
BEHIND_COMMENT = re.compile(r"#[^\n`]*[^\s`#]`{3,}[ \t]*(?=\n|\Z)")
ENDS = re.compile(r"\[/PYTHON\]|\[DONE\]|</(?:answer|code|python|solution|program)>", re.IGNORECASE)
PROMPT = re.compile(r"^[ \t]*(?:>>>|\.\.\.)(?: |$)", re.MULTILINE)
DEEPEST = 3  # wrappers within wrappers
LONGEST_SCANS = 4  # times the text's length, for all searches of closing fences together


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of code.

    `tagged`: it says to be in the wanted language, not merely to be code. `session`: it is what was
    typed in an interactive one.
    """

    text: str
    tagged: bool = False
    session: bool = False


def code_blocks(text: str, tags: Collection[str] = PYTHON) -> tuple[list[Block], str]:
    """The blocks of a text that may be in the language of these `tags`, and the text around them.

    If there are fences between `<answer>` tags, what comes before those tags does not count.
    """
    scan = _Scan(text, frozenset(tags))
    return scan.blocks(0, len(text)), scan.around()


def closed_before(text: str) -> str | None:
    """The code before a fence, or wrapper's end, that closes what the prompt opened.

    None where the first fence opens a block.
    """
    marks = [
        mark
        for mark in (
            ENDS.search(text),
            next((m for m in PYTHON_TOKEN.finditer(text) if m["run"]), None),
        )
        if mark
    ]
    if not marks:
        return None
    first = min(marks, key=lambda mark: mark.start())
    if (wrapper := WRAPPER.search(text, 0, first.start())) and "```" not in text[: wrapper.start()]:
        return None
    before, line_end = text[: first.start()], text.find("\n", first.end())
    tag = text[first.end() : line_end if line_end >= 0 else len(text)].strip()
    return None if tag and not before.rpartition("\n")[2].strip() else before


def session_inputs(text: str) -> str:
    """The lines typed in an interactive session, without its prompts and output."""
    lines = [line.lstrip() for line in text.split("\n")]
    return "".join(line[4:] + "\n" for line in lines if PROMPT.match(line))


class _Scan:
    """One pass over a text."""

    def __init__(self, text: str, tags: frozenset[str]) -> None:
        self.text, self.tags = text, tags
        self.left = LONGEST_SCANS * len(text)
        self.line = (0, -1)
        self.spans: list[tuple[int, int]] = []

    def blocks(self, position: int, end: int, depth: int = 0) -> list[Block]:
        """Those between two positions."""
        blocks: list[Block] = []
        while (opening := OPENING.search(self.text, position, end)) is not None:
            if opening["fence"]:
                block, position = self._fenced(opening.start(), opening.end(), end)
                self.spans.append((opening.start(), position))
                blocks += [block] if block is not None and block.text.strip() else []
                continue
            name = (opening["element"] or opening["bracket"]).lower()
            ends = BRACKETS[name] if opening["bracket"] else rf"</{name}\s*>"
            closing = re.compile(ends, re.IGNORECASE).search(self.text, opening.end(), end)
            inner_end, position = closing.span() if closing else (end, end)
            inside = self.blocks(opening.end(), inner_end, depth + 1) if depth < DEEPEST else []
            content = self.text[opening.end() : inner_end]
            if name == "code" and "&" in content:
                content = html.unescape(content)
            if not inside and content.strip():
                tagged = name in ("python", "answer") or (
                    name == "code"
                    and bool(self.tags & set(re.findall(r"[a-z]+", opening[0].lower())))
                )
                blocks.append(Block(content.removeprefix("\n"), tagged))
            if name == "answer" and inside:
                blocks.clear()
            blocks.extend(inside)
        return blocks

    def around(self) -> str:
        """What stands in no fenced block."""
        ends = [0, *(after for _, after in self.spans)]
        return "".join(
            self.text[end:start]
            for end, (start, _) in zip(ends, [*self.spans, (len(self.text), 0)], strict=True)
        )

    def _fenced(self, start: int, run_end: int, end: int) -> tuple[Block | None, int]:
        """The block that opens here, None if it is none that is wanted, and where to go on."""
        if start > self.line[1]:
            after = self.text.find("\n", run_end, end)
            self.line = (self.text.rfind("\n", 0, start) + 1, after if after >= 0 else end)
        line_start, line_end = self.line
        mark, length = self.text[start], run_end - start
        alone = (lead := LEAD.match(self.text, line_start)) is not None and lead.end() >= start
        inline = RUN["`"].search(self.text, run_end, line_end) if mark == "`" else None
        if mark == "~" and not alone:
            return None, run_end
        if inline is not None:
            return self._on_one_line(self.text[run_end : inline.start()]), inline.end()
        info = self.text[run_end:line_end].strip()
        kind = self._kind(info)
        if not alone and info and kind is None:
            return None, run_end  # three backticks in the middle of a sentence
        content = min(line_end + 1, end)
        if info.lower() in ("markdown", "md"):
            return None, content  # a text that holds the blocks
        close, after = self._close(content, end, mark, length, kind is not None)
        if kind is None:
            return None, after
        text = self.text[content:close]
        if ">" in self.text[line_start:start]:
            text = re.sub(r"^[ \t]*> ?", "", text, flags=re.MULTILINE)
        elif alone:
            text = _unindent(text, start - line_start)
        return self._block(text, info, kind), after

    def _on_one_line(self, inside: str) -> Block | None:
        """```python print(1)``` is a block with a tag, ```print(1)``` one without."""
        word, _, rest = inside.strip().partition(" ")
        if rest and self._kind(word):
            return self._block(rest.strip(), word, True)
        return Block(inside.strip())

    def _block(self, text: str, info: str, tagged: bool) -> Block:
        if (word := TAG.match(info)) and word[1].lower() in SESSIONS and PROMPT.search(text):
            return Block(session_inputs(text), tagged, session=True)
        return Block(text, tagged)

    def _kind(self, info: str) -> bool | None:
        """True for a wanted tag, False for none, None for another language."""
        word = TAG.match(info)
        name = word[1].lower() if word else info.strip("{}. ").lower()
        if name in self.tags:
            return True
        return False if name in ANY_LANGUAGE else None

    def _close(self, start: int, end: int, mark: str, length: int, code: bool) -> tuple[int, int]:
        """Where the block's text ends and what comes after it begins."""
        last = doubtful = start
        for token in (
            (PYTHON_TOKEN if code else RUN[mark]).finditer(self.text, start, end)
            if self.left > 0
            else ()
        ):
            self.left -= token.end() - last
            last = token.end()
            run = ((token["run"] or "") if code else token[0]).strip(" \t>")
            if run[:1] == mark and len(run) >= length:
                return self._closed(token, start, end)
            if self.left < 0:
                break
            doubtful = token.start() if _never_ends(token[0]) else end
        self.left -= end - last
        # No fence closes it. One in a string that never ends, behind a comment, or too short, may
        # have been meant; else it was cut off.
        other = RUN[mark].search(self.text, doubtful, end)
        if other is None and (comment := BEHIND_COMMENT.search(self.text, start, end)):
            other = RUN["`"].search(self.text, *comment.span())
        other = other or self._short(start, end, mark, code)
        return self._closed(other, start, end) if other else (end, end)

    def _short(self, start: int, end: int, mark: str, code: bool) -> re.Match[str] | None:
        """The first fence in no string and no comment."""
        runs = (
            (PYTHON_TOKEN if code else RUN[mark]).finditer(self.text, start, end)
            if self.left > 0
            else ()
        )
        return next(
            (run for run in runs if not code or (run["run"] or "").strip(" \t>")[:1] == mark),
            None,
        )

    def _closed(self, fence: re.Match[str], start: int, end: int) -> tuple[int, int]:
        """The same for a fence that closes.

        One with a tag, on a line of its own, opens the next block as well.
        """
        line_start = max(start, self.text.rfind("\n", start, fence.start()) + 1)
        own_line = not self.text[line_start : fence.start()].strip(" \t>")
        if own_line:
            line_end = self.text.find("\n", fence.end(), end)
            info = self.text[fence.end() : line_end if line_end >= 0 else end].strip()
            if info and (self._kind(info) or WORD.fullmatch(info)):
                return line_start, line_start
        return (line_start if own_line else fence.start()), fence.end()


def _never_ends(token: str) -> bool:
    """Whether it is a string of three quotes that lacks its end."""
    return token[:3] in ("'''", '"""') and (len(token) < 6 or token[-3:] != token[:3])


def _unindent(text: str, columns: int) -> str:
    """A block without the indentation of its fence, if every line has that much."""
    lines = [line for line in text.split("\n") if line.strip()]
    if columns and lines and all(not line[:columns].strip() for line in lines):
        return "\n".join(line[columns:] for line in text.split("\n"))
    return text
