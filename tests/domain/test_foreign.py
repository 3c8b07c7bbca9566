"""Text of models and programs can be stored and shown, whatever it is."""

import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.foreign import storable, visible
from selftrain_assets.domain.types import Completion, Execution, Outcome, Verdict

ANY_TEXT = st.text(st.characters(blacklist_categories=()))  # surrogates too


@given(ANY_TEXT)
def test_any_text_can_be_stored_and_keeps_what_utf8_has(text):
    assert pa.array([storable(text)]).to_pylist() == [storable(text)]
    assert storable(storable(text)) == storable(text)
    if not any(0xD800 <= ord(character) < 0xE000 for character in text):
        assert storable(text) == text


@given(ANY_TEXT)
def test_shown_text_does_nothing_but_stand_there(text):
    shown = visible(text)
    assert {
        character
        for character in shown
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
    } <= set("\n\t")
    assert not set(shown) & set(
        "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    )
    assert visible(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, größer, 数, ½, ∑\n\tdone", "plain, größer, 数, ½, ∑\n\tdone"),
        ("\x1b]52;c;cm0gLXJm\x07", r"\x1b]52;c;cm0gLXJm\x07"),
        ("\x1b[2J\x9b2J", r"\x1b[2J\x9b2J"),
        ("right\rwrong", r"right\rwrong"),
        ("a\r\nb", "a\nb"),
        ("a\u202eb\u2066c\u200fd\u061ce", r"a\u202eb\u2066c\u200fd\u061ce"),
        ("a\u2028b\x85c\x0bd\x0ce", r"a\u2028b\x85c\x0bd\x0ce"),
        (
            "nul \0, del \x7f, soft \xad, bom \ufeff, tag \U000e0041",
            r"nul \x00, del \x7f, soft \xad, bom \ufeff, tag \U000e0041",
        ),
        ("\ud800", r"\ud800"),
        ("👩\u200d🚀 क्\u200dष", "👩\u200d🚀 क्\u200dष"),
    ],
)
def test_what_is_seen_stays_and_what_acts_is_written_out(text, shown):
    assert visible(text) == shown


def test_every_text_of_a_verdict_and_of_a_completion_can_be_stored():
    execution = Execution(0, 0.0, 0.0, 0, "\udcff" * 10_000)
    verdict = Verdict(Outcome.WRONG, 0.0, "\ud800" + "x" * 10**6, "\ud800" * 10**5, execution)
    for text in (
        verdict.parsed,
        verdict.reason,
        execution.output,
        Completion("k", "a\ud800", "stop", 1, 1).text,
    ):
        assert len(text.encode()) < 2 * 10**6
    assert Verdict(Outcome.PASS, 1.0, None, "ü").reason == "ü"
