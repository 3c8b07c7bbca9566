"""The verifier of choices: letters of options, yes or no, true or false, and short texts."""

from __future__ import annotations

import re
from typing import ClassVar, Literal

from pydantic import Field

from selftrain_assets.domain.types import Problem
from selftrain_assets.verifiers.answers import AnswerVerifier, Reading, statements
from selftrain_assets.verifiers.extraction import Mark, find_answer, first_sentence
from selftrain_assets.verifiers.folding import fold, unwrap

LONGEST = 2000  # characters; a choice is short
CANONICAL = re.compile(r"\([A-Z]\)|yes|no|true|false")
# circled ones
LETTERS = {
    0x2014: " - ",
    **{0x24B6 + n: chr(65 + n) for n in range(26)},
    **{0x24D0 + n: chr(97 + n) for n in range(26)},
}
OTHER_WORD = {"yes": "no", "no": "yes", "true": "false", "false": "true"}


class ChoiceVerifier(AnswerVerifier):
    """Compares the completion's choice with the reference.

    `(B)`, `B.`, `[B]`, `option B` and `B because ...` are one choice; so are `Yes.` and `yes,
    because`.

    The text behind the answer mark counts; without a mark, the last line that is not empty, and in
    it the last letter in brackets. Several letters joined by "or", "and" or commas are wrong where
    one is wanted, and "not (A) but (B)" is (B). Where there is neither letter nor yes, no, true or
    false, the text is compared as verifier text does, so that one verifier serves every subtask of
    BIG-Bench Hard. Not covered: the text of an option in place of its letter.
    """

    type: Literal["choice"] = "choice"
    version: ClassVar[str] = "3"
    require_mark: bool = Field(
        False, description="call a completion without an answer mark malformed"
    )

    def check_problem(self, problem: Problem) -> str | None:
        return (
            None
            if _reference(problem.answer)
            else "the answer is empty once punctuation is folded away"
        )

    def read(self, completion: str) -> Reading | None:
        answer = find_answer(completion, fold)
        if (
            answer is not None
            and answer.introduces
            and not _canonical(_choices(first_sentence(answer.text)))
        ):
            end = answer.unmarked()
            answer = end if _canonical(_at_the_end(end.text)) else answer
        if answer is None or (answer.mark == Mark.LINE and self.require_mark):
            return None
        if answer.mark == Mark.LINE and _lists_options(answer.lines(2)):
            return Reading(fold(answer.lines(2)), answer, several=True)
        texts = statements(answer)
        named = [
            choice
            for text in texts
            for choice in (_at_the_end(text) if answer.mark == Mark.LINE else _choices(text))
        ]
        if answer.mark == Mark.SENTENCE and not _canonical(named):
            named = (
                _canonical([choice for text in answer.texts for choice in _choices(text)]) or named
            )
        choices = list(dict.fromkeys(named))
        if not choices:
            return None
        return Reading(
            " or ".join(choices), answer, (*texts, *answer.texts), several=len(choices) > 1
        )

    def same(self, parsed: str, answer: str) -> bool:
        return parsed == _reference(answer)

    def meets(self, reading: Reading, answer: str) -> bool:
        return super().meets(reading, answer) or reading.word_for_word(answer)


def _canonical(choices: list[str]) -> list[str]:
    """Those that are letters, yes, no, true or false."""
    return [choice for choice in choices if CANONICAL.fullmatch(choice)]


# -- references ------------------------------------------------------------------------------------

ALONE = re.compile(r"[(\[]{0,2}\s?([A-Za-z])\s?[)\]]{0,2}[.:]?")
LABEL = re.compile(r"(?:[(\[]([A-Za-z])[)\]][.:]?|([A-Za-z])[):.])\s.*", re.DOTALL)


def _lists_options(text: str) -> bool:
    """Are both of two lines labelled with a letter? Then they repeat the options."""
    lines = text.splitlines()
    return len(lines) == 2 and all(LABEL.fullmatch(unwrap(line)) for line in lines)


def _reference(text: str) -> str | None:
    """A reference answer in canonical form.

    A letter counts as one where it stands alone, or as the label of its option.
    """
    plain = unwrap(text).strip(" $*`\"'")
    if match := ALONE.fullmatch(plain) or (
        LABEL.fullmatch(plain) if len(_choices(text)) == 1 else None
    ):
        return f"({_letter(match)})"
    word = plain.strip(" .!").lower()
    return word if word in OTHER_WORD else fold(text) or None


def _letter(match: re.Match[str]) -> str:
    return str(next(filter(None, match.groups()))).upper()


# -- what a short text chooses ---------------------------------------------------------------------

ORDINAL = "correct|right|best|first|second|third|fourth|fifth|sixth|last"
NOUN = "(?:options?|choices?|answers?|letters?|alternatives?)"
LEAD = re.compile(
    r"(?:(?:both|either|only|clearly|probably|definitely|most likely)\s+)?"
    rf"(?:(?:the\s+)?(?:(?:{ORDINAL})\s+)*{NOUN}\b(?:\s+is\b)?[\s:,=]*)?",
    re.IGNORECASE,
)
BRACKETED = re.compile(r"[(\[{]+\s{0,3}([A-Za-z])\s{0,3}[)\]}]+")
ANY_LETTER = re.compile(rf"{BRACKETED.pattern}|(?<![\w'])([B-HJ-Z]|[AI](?!\s+[a-z]))(?![\w'])")
REASON = (
    r"\s(?:because|since|as|given|due|is|was|which|and|or|but|not|rather|instead|nor)\b"
    r"|\s[(\u2013=-]"
)
BARE = re.compile(
    # B because, B Paris
    rf"(?:([A-HJ-Z])(?:(?=[.):\]/;,!?\"'](?!\w)|$|/[A-Za-z]\b|{REASON})|(?=\s[A-Z\d$\"']))|"
    r"(I)(?=[.):\]/;](?!\w)|$|\s(?:because|since)\b)|"  # but not: I think so
    r"([a-z])(?=[.):\],](?!\w)|$))"  # but not: a dog
)
TITLE = re.compile(r"A\s[A-Z][\w']*\s+[a-z]")  # A Tale of
JOINED = re.compile(
    r"(?:\s*|\W*(?:[,/&]|\b(?:or|and|nor|to|vs|versus|plus)\b)\W*|[^()\[\]]{0,60}\b(?:or|and)\W+)"
    r"(?:\W*\b(?:maybe|perhaps|possibly|also|either|option|choice|even)\b)*\W*",
    re.IGNORECASE,
)
REMARK = re.compile(
    r"\b(?:because|since|as|not|than|instead|is|are|was|while|whereas|but|so)\b|"
    r"(?<!\.)\.\s+(?=[A-Z])",
    re.IGNORECASE,
)
NEGATION = re.compile(
    r"(?:\b(?:not|never|cannot|neither|nor|rather than|instead"
    r" of|unlike)|n't)\s+(?:(?:be|option|choice|choose|pick|either)\s+)?\W{0,3}$",
    re.IGNORECASE,
)
REFUSED = re.compile(
    r"\s*(?:(?:is|are|was)\s+(?:not|wrong|incorrect|false|too|out|impossible)\b|(?:is|are|"
    r"was)n't\b|can't|cannot|does\b|"
    r"[:-]\s+(?:wrong|incorrect|false)\b)",
    re.IGNORECASE,
)
WORD = re.compile(
    r"(yes|no|true|false)(?:(?=$|\s?[^\w\s'-]|\s-)|(?=\s+(?:because|since|as|it|he|she|they|that|"
    r"this|these|those|the|there|we|i|you|for|if|"
    r"based|given|in|by|due|and|but|although|though|most|both|a|an|is|was|are|not|definitely|or|"
    r"nobody|one)\b))",
    re.IGNORECASE,
)
CAPITAL_WORD = re.compile(r"(Yes|No|True|False)\b(?=\s+[a-z])")


def _choices(text: str) -> list[str]:
    """The choices that a short text makes.

    There are several where it leaves open which one counts; a text without a letter is its own
    choice.
    """
    plain = unwrap(text[:LONGEST].translate(LETTERS)).lstrip(" :*_`$\"'.>=\u2192").rstrip(" :*_`$")
    plain = plain[_end_of(LEAD.match(plain)) :].lstrip(" *_`$\"'")
    if word := WORD.match(plain) or CAPITAL_WORD.match(plain):
        choice = word[1].lower()
        rest = plain[word.end() :]
        doubted = re.match(
            rf"\W*(?:\b(?:or|and)\b|/)\W*(?:\w+ )?{OTHER_WORD[choice]}\b", rest, re.IGNORECASE
        )
        return [choice, OTHER_WORD[choice]] if doubted else [choice]
    first = (
        BRACKETED.match(plain)
        or (None if TITLE.match(plain) else BARE.match(plain))
        or _affirmed_letter(plain)
    )
    if first and not REFUSED.match(plain, first.end()):
        return [f"({letter})" for letter in _with_joined(plain, first)]
    return [fold(text)] if fold(text) else []


def _end_of(match: re.Match[str] | None) -> int:
    return match.end() if match else 0


def _with_joined(text: str, first: re.Match[str]) -> list[str]:
    """A letter, and those behind it that are offered beside it."""
    letters, end = [_letter(first)], first.end()
    for match in ANY_LETTER.finditer(text, end):
        if not _is_joined(text[end : match.start()]):
            break
        letters.append(_letter(match))
        end = match.end()
    return list(dict.fromkeys(letters))


def _is_joined(between: str) -> bool:
    return JOINED.fullmatch(between) is not None and not REMARK.search(between)


def _affirmed_letter(text: str) -> re.Match[str] | None:
    """The first letter in brackets that is not negated.

    Behind a negation a letter without brackets counts too (`not A but B`).
    """
    negated = re.match(r"(?:not|neither)\b", text, re.IGNORECASE) is not None
    return next(
        (
            m
            for m in (ANY_LETTER if negated else BRACKETED).finditer(text)
            if not NEGATION.search(text[: m.start()])
        ),
        None,
    )


# -- what a line without a mark chooses ------------------------------------------------------------

LETTER = rf"(?:{BRACKETED.pattern}|(?<![\w'])([A-Z])(?![\w']))"
IS_RIGHT = re.compile(
    rf"{LETTER}\s*,?\s*(?:is|must be|would"
    r" be|seems)\s+(?:the\s+|most\s+)?(?:correct|right|best|answer|true|only)\b"
)
PICKED = re.compile(
    r"\b(?i:choose|chose|pick|select|go with|going"
    rf" with|{NOUN})\b\s*(?:is|:)?\s*(?:(?i:{NOUN})\s*)?{LETTER}"
)
LAST_WORD = re.compile(
    r"(?:\b(?i:is|be|hence|therefore|thus|so|say|it's)\b[\s,:]*|[:=]\s*)(?:(?i:either|option|"
    r"choice)\s+)?([A-Z]|(?i:yes|no|true|false))[\s.!*]*$"
)
INFERENCE = re.compile(r"\b(?:so|thus|hence|therefore)\b", re.IGNORECASE)


def _at_the_end(line: str) -> list[str]:
    """The choices that a line without a mark makes."""
    plain = unwrap(line[-LONGEST:].translate(LETTERS))
    called_right = list(IS_RIGHT.finditer(plain))
    if called_right and not INFERENCE.search(plain[called_right[-1].end() :]):
        return [f"({_letter(called_right[-1])})"]
    if brackets := [
        m
        for m in BRACKETED.finditer(plain)
        if not (NEGATION.search(plain[: m.start()]) or REFUSED.match(plain, m.end()))
    ]:
        offered = [brackets[-1]]
        for bracket in reversed(brackets[:-1]):
            if not _is_joined(plain[bracket.end() : offered[0].start()]):
                break
            offered.insert(0, bracket)
        return list(dict.fromkeys(f"({_letter(m)})" for m in offered))
    choices = _choices(line)
    if _canonical(choices):
        return choices
    if picked := [m for m in PICKED.finditer(plain) if not NEGATION.search(plain[: m.start()])]:
        return [f"({_letter(picked[-1])})"]
    if (
        (last := LAST_WORD.search(plain))
        and not NEGATION.search(plain[: last.start(1)])
        and not re.search(r"\bor\b", last[0])
    ):
        return _choices(last[1])
    return choices
