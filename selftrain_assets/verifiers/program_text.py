"""Which part of a completion is the program.

1. What a thinking part holds is not looked at.
2. A completion that is Python from end to end is the program; so is what stands before the fence
   that closes a block which the prompt opened.
3. Of the fenced blocks (code_blocks.py), those that are tagged as Python before those without a
   tag; blocks of another language never.
4. With an entry point: the last block that defines it, by any statement; one that parses and does
   something before others.
5. Without one: the last block that is a program: one that prints, and reads input if the problem
   gives some. A sample run, an output, a comment, or a line that only uses an earlier program is
   none.
6. Blocks that belong together are joined: what the chosen one needs and an earlier one defines
   stands before it.
7. Without such a block: the lines of the text that are Python.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from selftrain_assets.verifiers.code_blocks import (
    OPENING,
    PROMPT,
    PYTHON,
    Block,
    closed_before,
    code_blocks,
    session_inputs,
)
from selftrain_assets.verifiers.python_source import Facts, facts, join_sources, parsed
from selftrain_assets.verifiers.thoughts import without_thoughts

STATEMENT = re.compile(
    r"[ \t]*+(?:(?:async|def|class|for|while|if|with|try|import|from|print)\b|@\w|[\w.]++\(|"
    r"[\w.\[\],"
    r" \t'\"*]++=(?!=))"
)
"""How a line begins that may be the first one of a program."""
TITLE = re.compile(r"\A\s*python3?[ \t]*:?[ \t]*\n(?=\s*\S)", re.IGNORECASE)
"""The name of the language on a line of its own, which Python would take for a name."""
# characters, over all attempts to find Python in prose, and over all blocks
PARSED_IN_ALL = 400_000
BLOCKS_LOOKED_AT = 100  # the last ones


@dataclass(frozen=True, slots=True)
class Sought:
    """What a problem asks for."""

    entry: str = ""
    """The function, or Class.method, that its tests call."""
    reads: bool = False
    """Its programs are given input."""
    result: bool = False
    """What counts is the value of the last line, or else what is printed."""
    question: str | None = None
    """Code that the completion goes on with, where it does."""
    tags: Collection[str] = PYTHON


@dataclass(frozen=True, slots=True)
class Candidate:
    """A block with what is known of it."""

    text: str
    tagged: bool
    facts: Facts
    session: bool = False


@dataclass(slots=True)
class Budget:
    """Characters that may still be parsed."""

    left: int = field(default=PARSED_IN_ALL)

    def allows(self, source: str) -> bool:
        self.left -= len(source)
        return self.left >= 0


def find_program(completion: str, sought: Sought, fenced: bool = False) -> str | None:
    """The program, None where there is none. With `fenced`, nothing but a block counts."""
    text = TITLE.sub("", without_thoughts(completion.replace("\r\n", "\n")))
    if not text.strip():
        return None
    if not fenced and (whole := _whole(text, sought)) is not None:
        return whole
    budget = Budget()
    blocks, around = code_blocks(text, sought.tags)
    candidates = [_candidate(block, sought, budget) for block in blocks[-BLOCKS_LOOKED_AT:]]
    if (
        not fenced
        and not any(_defines(c, sought.entry) for c in candidates)
        and (sought.entry or not candidates)
    ):
        runs = [Candidate(run, False, facts(run)) for run in _runs(around, budget)]
        candidates = [
            run for run in runs if not sought.entry or _defines(run, sought.entry)
        ] + candidates
    if candidates:
        return _choose(candidates, sought)
    if fenced or "```" in text:
        return None
    return text if sought.question is None else _continued(sought.question, text)


def entry_of(program: str, entry: str) -> str:
    """The name under which a program defines `entry`.

    A method of a class may be written as a function, and a function as a method of `Solution`, as
    the evaluators of APPS and LiveCodeBench allow.
    """
    known = facts(program)
    return next(
        (
            name
            for name in _names(entry)
            if name in (entry, _names(entry)[-1]) and known.defines(name)
        ),
        entry,
    )


def _names(entry: str) -> tuple[str, ...]:
    """`entry` and what may stand for it, in the order of preference."""
    owner, _, method = entry.rpartition(".")
    return (entry, owner, method) if owner else (entry, f"Solution.{entry}") if entry else ()


def _defines(candidate: Candidate, entry: str) -> bool:
    return any(map(candidate.facts.defines, _names(entry)))


def _whole(text: str, sought: Sought) -> str | None:
    """The completion, or its part before a closing fence, if that is or continues a program."""
    if OPENING.match(text.lstrip()):  # `~~~python` and `[BEGIN]` are Python as well
        return None
    before = closed_before(text)
    # in this order: `[DONE]` is Python too
    for part in (text,) if before is None else (before, text):
        if (
            sought.question is not None
            and part[:1].isspace()
            and not isinstance(parsed(sought.question + part), SyntaxError)
        ):
            return part
        source = textwrap.dedent(part) if part[:1] in (" ", "\t") else part
        if isinstance(parsed(source), SyntaxError):
            continue
        known = facts(source)
        is_program = (
            any(map(known.defines, _names(sought.entry)))
            if sought.entry
            else known.writes or (known.valued and known.acts)
        )
        if is_program:
            return source
    return None


def _candidate(block: Block, sought: Sought, budget: Budget) -> Candidate:
    """A block as the source that it most likely is."""
    block = replace(block, text=TITLE.sub("", block.text))
    if not budget.allows(block.text):
        return Candidate(block.text, block.tagged, Facts(False))
    known = facts(block.text)
    if known.parses:
        return Candidate(block.text, block.tagged, known, block.session)
    text = (
        session_inputs(block.text)
        if (session := bool(PROMPT.search(block.text)))
        else textwrap.dedent(block.text)
    )
    other = facts(text)
    if other.parses and (sought.question is None or other.defines(sought.entry)):
        return Candidate(text, block.tagged, other, session)
    return Candidate(block.text, block.tagged, known, session)


def _choose(candidates: list[Candidate], sought: Sought) -> str:
    for name in _names(sought.entry):
        defining = [i for i, c in enumerate(candidates) if c.facts.defines(name)]
        if defining:
            best = max(
                defining,
                key=lambda i: (_is_definition(candidates[i], name), candidates[i].tagged, i),
            )
            return _join_dependencies(candidates, best)
    places = range(len(candidates))
    if sought.question is not None and (
        bodies := [i for i in places if candidates[i].text[:1].isspace()]
    ):
        return candidates[bodies[-1]].text
    best = max(places, key=lambda i: (_score(candidates, i, sought), candidates[i].tagged, i))
    return _join_dependencies(candidates, best)


def _is_definition(candidate: Candidate, name: str) -> tuple[bool, bool]:
    return candidate.facts.parses and name not in candidate.facts.stubs, not candidate.session


def _score(candidates: list[Candidate], place: int, sought: Sought) -> int:
    """How likely a block is the program that is wanted, where no entry point tells."""
    candidate = candidates[place]
    known = candidate.facts
    if candidate.session:
        return 0
    if not known.parses:
        return 3 if _complete(known, sought) else 0
    needed = _dependencies(candidates, place)
    if any(_complete(candidates[i].facts, sought) for i in needed) and not sought.result:
        return 0  # it shows how the program is used
    together = [known, *(candidates[i].facts for i in needed)]
    writes = any(k.writes for k in together) and any(k.runs for k in together)
    missing = known.used.difference(
        _missing_imports(candidates, place), *(candidates[i].facts.defined for i in needed)
    )
    # one that is whole before one that is put together
    if writes or (sought.result and known.valued and not missing):
        return (6 if not sought.reads or any(k.reads for k in together) else 4) + (
            sought.result or not needed
        )
    return 2 if known.acts else int(known.valued)


def _complete(known: Facts, sought: Sought) -> bool:
    return known.writes and known.runs and (known.reads or not sought.reads)


def _dependencies(candidates: list[Candidate], place: int) -> list[int]:
    """Indices of the earlier blocks that define names which this one uses.

    For a tagged block only tagged ones count.
    """
    needed: set[int] = set()
    waiting = [place]
    while waiting:
        user = waiting.pop()
        for name in candidates[user].facts.used - _missing_imports(candidates, user).keys():
            for i in range(user - 1, -1, -1):
                if name in candidates[i].facts.defined and _provides(
                    candidates[i], candidates[place]
                ):
                    waiting += [] if i in needed else [i]
                    needed.add(i)
                    break
    return sorted(needed)


def _missing_imports(candidates: list[Candidate], place: int) -> dict[str, str]:
    """Imports of earlier blocks that this one does without, by the name that they bind."""
    used = candidates[place].facts.used
    earlier = [c for c in candidates[:place] if _provides(c, candidates[place])]
    return {name: statement for c in earlier for name, statement in c.facts.imports if name in used}


def _provides(candidate: Candidate, user: Candidate) -> bool:
    return candidate.facts.parses and not candidate.session and candidate.tagged >= user.tagged


def _join_dependencies(candidates: list[Candidate], place: int) -> str:
    """A block behind those that it needs."""
    needed = _dependencies(candidates, place)
    own = [candidates[i].text for i in (*needed, place)]
    imports = dict.fromkeys(
        statement
        for i in (*needed, place)
        for statement in _missing_imports(candidates, i).values()
    )
    return join_sources("\n".join(imports), *own) if imports or needed else own[0]


def _runs(text: str, budget: Budget) -> list[str]:
    """Runs of lines that are Python, in prose."""
    lines = text.split("\n")
    runs = []
    start = 0
    while start < len(lines) and budget.left > 0:
        if not STATEMENT.match(lines[start]):
            start += 1
            continue
        indent = lines[start][: len(lines[start]) - len(lines[start].lstrip())]
        end = start + 1
        while end < len(lines) and (not lines[end].strip() or lines[end].startswith(indent)):
            end += 1
        run = _longest([line[len(indent) :] for line in lines[start:end]], budget)
        start += max(1, len(run))
        if run:
            runs.append("\n".join(_without_last_words(run)) + "\n")
    return runs


def _without_last_words(run: list[str]) -> list[str]:
    """A lone word behind a program (`Done`) parses as a name, which the program lacks."""
    defined = facts("\n".join(run)).defined
    end = len(run)
    while end > 1 and (
        not (last := run[end - 1].strip())
        or (last.isidentifier() and last not in defined and run[end - 1] == last)
    ):
        end -= 1
    return run[:end]


def _longest(lines: list[str], budget: Budget, before: str = "") -> list[str]:
    """As many of these lines as parse, behind `before`."""
    skipped = before.count("\n")
    while any(line.strip() for line in lines):
        source = before + "\n".join(lines)
        if not budget.allows(source):
            return []
        tree = parsed(source)
        if not isinstance(tree, SyntaxError):
            return lines
        wrong = (tree.lineno or len(lines)) - skipped
        lines = lines[: max(0, min(len(lines) - 1, wrong - 1))]
    return []


def _continued(question: str, text: str) -> str:
    """The lines that go on with the question's code, without the prose behind them."""
    return "\n".join(_longest(text.split("\n"), Budget(), question)) or text
