r"""Where in a completion its answer is: one reader for every verifier of short answers.

1. What a closed `<think>` holds is no answer, nor is anything behind one that never closes. A
   `</think>` without its start closes what stands before it, since chat templates put the start
   into the prompt.
2. A mark says where the answer is. `<answer>` (or `[ANSWER]`), `\boxed` and `####` are strong. "The
   answer is", "Final answer:", a heading `### Answer` are sentences. Of the strong ones the last
   counts, else the last sentence. A sentence behind a strong mark counts where a correction
   ("Wait", "no,", "I made a mistake") leads to it; else it is a remark.
3. A remark is no answer: "This answer is reasonable", "if the answer is 5", a sentence about the
   answer that names none.
4. Marks of one kind with nothing but "and", "or" or commas between them are one statement. Where a
   verifier wants one answer and they differ, the completion is hedging, and wrong.
5. Without a mark, the last line counts, or the formula on lines of its own that ends the text; of a
   number, the last one of the text. So it does where several sentences behind "Answer:" or a
   heading do not begin with the answer (`Answer.introduces`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from selftrain_assets.domain.boxed import boxes
from selftrain_assets.verifiers.corrections import CORRECTED_TO, CORRECTION, WITHDRAWAL, WITHDRAWN
from selftrain_assets.verifiers.thoughts import spoken

MARKS_LOOKED_AT = 50  # so that a degenerate text of nothing but marks costs little
LONGEST_MARK = 200  # characters
# characters at the end of a text that are searched for sentences about the answer
SEARCHED = 20_000
LONGEST_LINE = 4000  # characters of an answer in a sentence


class Mark(StrEnum):
    """How a completion says where its answer is; the words of the verdicts."""

    TAG = "<answer>"
    BOX = "\\boxed"
    HASHES = "####"
    SENTENCE = "the answer is"
    LINE = "the end of the text"

    @property
    def strong(self) -> bool:
        return self in (Mark.TAG, Mark.BOX, Mark.HASHES)


@dataclass(frozen=True)
class Answer:
    """What a completion gives as its answer, and where.

    `texts` has several where marks stand side by side.
    """

    mark: Mark
    texts: tuple[str, ...]
    rest: str
    """All behind the mark, as it stands there; without a mark, the whole."""
    whole: str
    """The completion without its thoughts."""
    introduces: bool = False
    """A colon or heading with several sentences behind it: if the first is not the answer
    itself, they are a solution."""

    @property
    def text(self) -> str:
        """As one text, a list where there are several."""
        return ", ".join(self.texts)

    def lines(self, count: int) -> str:
        """As many lines as a reference has: the first ones behind the mark, or the last ones."""
        lines = [line for line in self.rest.splitlines() if line.strip()]
        return "\n".join(lines[-count:] if self.mark == Mark.LINE else lines[:count])

    def unmarked(self) -> Answer:
        """The same text read as one without a mark."""
        return Answer(Mark.LINE, (last_lines(self.whole),), self.whole, self.whole)


@dataclass(frozen=True)
class _Marked:
    mark: Mark
    start: int
    end: int
    text: str
    rest: str
    remark: bool = False
    colon: bool = False
    corrects: bool = False


def find_answer(completion: str, holds: Callable[[str], object] = bool) -> Answer | None:
    """The answer of a completion by the rules above; None where there is no text.

    `holds` says whether a text holds an answer of the kind that is wanted: a sentence about the
    answer that does not is a remark.
    """
    text = spoken(completion)
    chosen: list[_Marked] = []
    for candidate in _marks(text):
        between = text[chosen[-1].end : candidate.start] if chosen else ""
        corrected = candidate.corrects or CORRECTION.search(between) is not None
        if not chosen:
            chosen = [] if candidate.corrects else [candidate]
        elif chosen[-1].mark == candidate.mark and _one_statement(chosen[-1], candidate, between):
            chosen.append(candidate)
        elif _overrules(candidate, chosen[-1], corrected, holds):
            chosen = [candidate]
    if chosen and WITHDRAWAL.search(text, chosen[-1].end):
        return None
    if chosen:
        first = chosen[0]
        introduces = (
            first.colon
            and len(chosen) == 1
            and bool(text[first.end :].strip() or first_sentence(first.text) != first.text)
        )
        return Answer(
            first.mark,
            tuple(dict.fromkeys(candidate.text for candidate in chosen)),
            first.rest,
            text,
            introduces,
        )
    # a box that is empty or cut off holds no answer, and nothing beside it is one
    last = "" if boxes(text, most=1) else last_lines(text)
    return Answer(Mark.LINE, (last,), text, text) if last else None


def _one_statement(before: _Marked, candidate: _Marked, between: str) -> bool:
    """Do two marks of one kind stand side by side?

    A further line of #### replaces the one before.
    """
    if (
        candidate.mark == Mark.HASHES
        or candidate.remark
        or candidate.start < before.end
        or not JOINED.fullmatch(between)
    ):
        return False
    return candidate.mark != Mark.SENTENCE or OPEN_END.search(before.text) is not None


def _overrules(
    candidate: _Marked, before: _Marked, corrected: bool, holds: Callable[[str], object]
) -> bool:
    if before.start <= candidate.start < before.end:  # a box in a tag, a sentence in a line
        return candidate.mark.strong or not before.mark.strong
    if before.remark and not candidate.remark:
        return True
    if candidate.remark:
        return False
    if not candidate.mark.strong and not holds(candidate.text):
        return corrected and WITHDRAWN.match(candidate.text) is not None
    return candidate.mark.strong or corrected or not before.mark.strong


# -- marks -----------------------------------------------------------------------------------------

TAG = re.compile(r"<(/?)(?:final_)?answer>|\[(/?)answer\]", re.IGNORECASE)
TORN_TAG = re.compile(r"[<\[]/\w*$")
HASHES = re.compile(r"#{4,}(?!#)")
HEADING = re.compile(
    r"[\s*_]*(?:(?:step|part|case|section|method|solution|explanation|conclusion|summary|analysis|"
    r"verif\w+|check\w*|notes?|calculat\w+|given|"
    r"reasoning|approach|problem|question|example|understand\w*|final"
    r" answer|answer)\b|\d+[.)]\s+\**[A-Za-z]|.{0,200}:[*_\s]*$)",
    re.IGNORECASE,
)
DECORATION = r"[*_\"'`~]{0,4}"
LINK = (
    r"(?:(?:is|are|was|equals|(?:would|must|should|will|has\s+to|"
    r"can\s+only)\s+be)\b(?:\s+(?:as\s+follows|(?:given\s+|shown\s+)?below))?"
    r"\s*[:\uff1a]?|[:\uff1a]|=>?)"
)
SUBJECT = (
    r"(?:\banswers?(?:\s+(?:to|for|of)\s[^\n.:=!?]{1,80}?)?|\bans\.?|\b(?:correct|right|"
    r"best)\s+(?:option|choice|letter)|\bfinal\s+(?:result|solution|value)|"
    r"\u7b54\u6848)"
)
SENTENCE = re.compile(
    rf"{SUBJECT}(?:\s?\([^()\n]{{0,40}}\))?\s?{DECORATION}(?:,\s?[a-z"
    rf" ]{{2,30}},)?\s{{0,9}}{DECORATION}"
    rf"(?:{LINK}|(?<=\s)[-\u2013\u2014]>?(?=\s)|\u2192|(?<=\u6848)[\u662f\u4e3a])|"
    rf"(?P<correction>{CORRECTED_TO})|"
    r"^[ \t>#*_]*(?:the[ \t]+)?(?:final[ \t]+|correct[ \t]+)?answer[*_ \t#]*$",
    re.IGNORECASE | re.MULTILINE,
)
SUPPOSED = re.compile(
    r"\b(?:if|whether|unless|suppose|assuming|assume)\s+(?:that\s+)?(?:(?:the|my|our|"
    r"your)\s+)?(?:final\s+|correct\s+)?$",
    re.IGNORECASE,
)
POINTED_AT = re.compile(
    r"\b(?:this|that|these|those|which|such(?:\s+an)?)\s+(?:final\s+|correct\s+)?$", re.IGNORECASE
)
JUDGEMENT = re.compile(
    r"\W*(?:(?:also|indeed|thus|therefore|clearly|now|both|quite|very)\s+)*(?:in)?(?:correct|right|"
    r"wrong|reasonable|consistent|plausible|sensible|"
    r"verified|confirmed|checked|obvious|clear|complete|accurate|exact|unique|expected|rounded|"
    r"simplified|found|obtained|computed|based|"
    r"the\s+same|still|given\s+(?:by|in|above)|above|as\s+expected|supported|in\s+the\b)\b",
    re.IGNORECASE,
)
JOINED = re.compile(
    r"(?:\n[ \t]*+(?:[-+*\u2022]|\d{1,2}[.)])\s|[\s,;.:/&$*()|]|\\[()\[\]\\,; ]|\\q?quad(?![a-z])|"
    r"\\text\s{0,9}\{\s{0,9},?\s{0,9}(?:and|or)?\s{0,9}\}|"
    r"\b(?:and|or|also|either|both|the\s{1,9}other\s{1,9}is)\b|\b[a-zA-Z](?:_\w|"
    r"_\{\w{1,9}\})?\s{0,9}=|\b[a-z]{1,3}\)|"
    r"\b(?:case|option|answer|solution|method|possibility|alternative(?:ly)?)\b[ ]?\w?\s?[:.)])*+",
    re.IGNORECASE,
)
OPEN_END = re.compile(r"\b(?:or|and)\W*(?:\b(?:the|my|our|final|correct|that)\W*)*$", re.IGNORECASE)
OPENS, CLOSES = ("$$", "\\["), {"$$": "$$", "\\[": "\\]"}
BULLET = re.compile(r"(?:[-+*\u2022]|>)[ \t]+")
LEADING = re.compile(r"(?:[\s:\uff1a*_`#\"\u2026]|\.{2,}|,\s|\u2014\s)*")
ENCLOSED = re.compile(r"\s?\}")  # of `\\text{Answer: }`
DENIED = re.compile(r"\b(?:not|rather\s+than|instead\s+of)\s*\$*$", re.IGNORECASE)


def _marks(text: str) -> Iterator[_Marked]:
    """All marks that have something behind them, by their place."""
    sentences = list(SENTENCE.finditer(text, max(0, len(text) - SEARCHED)))[-MARKS_LOOKED_AT:]
    marks = [*_tags(text), *_boxes(text), *_hashes(text), *_sentences(text, sentences)]
    return iter(sorted(marks, key=lambda mark: (mark.start, -mark.end)))


def _tags(text: str) -> Iterator[_Marked]:
    tags = list(TAG.finditer(text))[-2 * MARKS_LOOKED_AT :]
    for tag, after in zip(tags, [*tags[1:], None], strict=False):
        if _closes(tag) or (after is not None and not _closes(after)):
            continue
        end = len(text) if after is None else after.start()
        content = TORN_TAG.sub("", text[tag.end() : end]).strip()
        if content and not (after is None and re.match(r"tags?\b", content)):
            yield _Marked(
                Mark.TAG,
                tag.start(),
                len(text) if after is None else after.end(),
                peel(content),
                content,
            )


def _closes(tag: re.Match[str]) -> bool:
    return any(tag.groups())


def _boxes(text: str) -> Iterator[_Marked]:
    for box in boxes(text, MARKS_LOOKED_AT):
        if box.content and not DENIED.search(text[max(0, box.start - 20) : box.start]):
            yield _Marked(Mark.BOX, box.start, box.end, peel(box.content), box.content)


def _hashes(text: str) -> Iterator[_Marked]:
    for match in list(HASHES.finditer(text))[-MARKS_LOOKED_AT:]:
        end = _end_of_line(text, match.end())
        line = text[match.end() : end]
        heads = (
            not text[: match.start()].rpartition("\n")[2].strip()
            and HEADING.match(line)
            and text[end:].strip()
        )
        if line.strip(" #*_\t\r") and not heads:
            yield _Marked(
                Mark.HASHES, match.start(), end, peel(line.strip(" #\t\r")), text[match.end() :]
            )


def _sentences(text: str, sentences: list[re.Match[str]]) -> Iterator[_Marked]:
    for sentence, after in zip(sentences, [*sentences[1:], None], strict=False):
        until = len(text) if after is None else after.start()
        start, end = _content(text, sentence.end(), until)
        content = text[start:end].strip()
        if content.strip(" .#*_$,;") and not (
            after and end == until and INTRODUCTION.fullmatch(content)
        ):
            ahead = text[max(0, sentence.start() - 40) : sentence.start()]
            remark = bool(
                SUPPOSED.search(ahead) or POINTED_AT.search(ahead) or JUDGEMENT.match(content)
            )
            colon = re.search(r"\b(?:is|are|was|be|equals)\b", sentence[0]) is None
            yield _Marked(
                Mark.SENTENCE,
                sentence.start(),
                end,
                content,
                text[sentence.end() : until],
                remark,
                colon,
                bool(sentence["correction"]),
            )


def _content(text: str, place: int, until: int) -> tuple[int, int]:
    """Where the answer behind a sentence's mark begins and ends.

    It is on the mark's line or, where that has nothing more, on the next line that has.
    """
    ahead = text[max(0, place - LONGEST_MARK) : place].rpartition("\n")[2]
    if ahead.count("{") > ahead.count("}") and (closing := ENCLOSED.match(text, place)):
        place = closing.end()
    leading = LEADING.match(text, place, until)
    start = leading.end() if leading else place
    if "\n" in text[place:start] and (bullet := BULLET.match(text, start)):
        start = bullet.end()
    opening = next((o for o in OPENS if text.startswith(o, start)), None)
    if opening:
        end = text.find(CLOSES[opening], start + len(opening), min(until, start + LONGEST_LINE))
        if end >= 0:
            return start, _end_of_line(text, end + len(CLOSES[opening]), until)
    return start, _end_of_line(text, start, until)


def _end_of_line(text: str, place: int, until: int | None = None) -> int:
    until = len(text) if until is None else until
    end = text.find("\n", place, until)
    return until if end < 0 else end


def peel(text: str) -> str:
    """Without words that say no more than that the answer comes: `B` of `the answer is B`."""
    match = SENTENCE.search(text[:200])
    if not match or not INTRODUCTION.fullmatch(text[: match.start()]):
        return text
    start, end = _content(text, match.end(), len(text))
    return text[start:end].strip() or text


INTRODUCTION = re.compile(
    r"[\s,*]*(?:\b(?:so|thus|hence|therefore|then|and|the|my|our|final|correct|best|"
    r"right)\b[\s,]*)*",
    re.IGNORECASE,
)


ABBREVIATED = re.compile(
    r"(?:^|[\s.(])(?:[A-Z]|St|Mr|Mrs|Ms|Dr|Mt|Ft|Jr|Sr|Prof|Gen|Lt|vs|etc|No|approx|i\.e|e\.g)$"
)
SENTENCE_END = re.compile(r"[.!?][)\"'*_$`]*\s+(?=[A-Z\d<(\"'*$\\])|\n\s*\n")


def first_sentence(text: str) -> str:
    """The text to the end of its first sentence.

    A full stop behind `St` or a single capital does not end it.
    """
    for end in SENTENCE_END.finditer(text[:LONGEST_LINE]):
        if not ABBREVIATED.search(text[max(0, end.start() - 8) : end.start()]):
            return text[: end.start()].strip()
    return text


# -- without a mark --------------------------------------------------------------------------------


def last_lines(text: str) -> str:
    """The last line that is not empty, or the whole formula on several lines that ends with it."""
    lines = text.rstrip().rstrip("`").rstrip()
    last = lines.rpartition("\n")[2]
    for opening, closing in CLOSES.items():
        if last.strip(" .") == closing or (
            last.rstrip(" .").endswith(closing) and opening not in last.rpartition(closing)[0]
        ):
            begin = lines.rfind(opening, max(0, len(lines) - LONGEST_LINE), lines.rfind(closing))
            if begin >= 0:
                return lines[begin:].strip()
    return last.strip()
