# ruff: noqa: RUF001
"""Which differences between two questions are none, and which make them others."""

import unicodedata
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.text import canonical, first_equal, words

SAME = [
    ("2 + 3", "2+3"),
    ("café 1", "cafe\u0301 1"),
    ("\ufb01nd ２＋３＝？", "Find 2+3=?"),
    ("How many?", "HOW  MANY"),
    ("in town a . How many ?", "in town a. How many?"),
    ("Straße", "STRASSE"),
    ("1,234 + 5", "1234 + 5"),
    ("f(12,100)", "f(12, 100)"),
    ("x - 1", "x \u2212 1"),
    ("3 \u00d7 4", "3*4"),
    ("x\u00b2 + 1", "x^2 + 1"),
    ("x\u2081", "x_1"),
    ("2\u00bd", "2 1/2"),
    ("5 kg", "5kg"),
    ("What is $x$?", "What is \\(x\\)?"),
    ("It costs $5.", "It costs \\$5"),
    ('He said "Hello."', "he said hello"),
    ("the word \u201ccat\u201d", "the word 'cat'"),
    ("don\u2019t", "don't"),
    ("'A' or 'B'", '"A" or "B"'),
    ("**Bold** and *really big*", "bold and really big"),
    ("- first\n- second", "first\nsecond"),
    ("a well-known man", "a well known man"),
    ("A 20-year-old man", "a 20 year old man"),
    ("How many \u2014 now?", "How many, now?"),
    ("and/or", "and or"),
    ("How many (in total)?", "How many, in total?"),
    ("Wow!! How many…", "wow how many"),
    ("Fill in: ____", "fill in ___"),
    ("a\u00a0b\u200b", "a b"),
    ("小明有 3 个苹果。他有几个？", "小明有3个苹果,他有几个?"),
    ("def f(x):\n    return x", "def f(x):\n\treturn x"),
    ("What does `f(x)` give?", 'What does "f(x)" give?'),
    ("What?! Wow... etc., and so on.", "what wow etc and so on"),
    ("He asked 'How many?'.", "he asked how many"),
    ("2 + 3 = ?", "2 + 3 ="),
]
OTHER = [
    ("2 + 3", "2 - 3"),
    ("2**3", "2*3"),
    ("2^3", "23"),
    ("3 / 4", "3 4"),
    ("x < 3", "x > 3"),
    ("x >= 3", "x > 3"),
    ("x != 3", "x = 3"),
    ("x - y", "x y"),
    ("sin x-cos x", "sin x cos x"),
    ("5-sin x", "5 sin x"),
    ("i++", "i--"),
    ("C", "C++"),
    ("C", "C#"),
    ("A+", "A-"),
    ("-5", "5"),
    ("5%", "5"),
    ("5\u00b0", "5"),
    ("€5", "£5"),
    ("5!", "5"),
    ("n!", "n"),
    ("f'(2)", "f(2)"),
    ("3.5", "35"),
    ("3.5", "3 5"),
    ("12", "1 2"),
    ("ab", "a b"),
    ("1,234", "1, 234"),
    ("3:4", "34"),
    ("x\u00b2", "x2"),
    ("10\u00b2", "102"),
    ("2\u00bd", "212"),
    ("x_1", "x^1"),
    ("a_b", "a b"),
    ("|x|", "x"),
    ("(A)", "[A]"),
    ("(0,1)", "[0,1]"),
    ("[ ( {", "[ ( ["),
    ("(2+3)*4", "2+3*4"),
    ("not ( True ) and False", "not ( True and False )"),
    ("print('1')", "print(1)"),
    ('"1" + "1"', "1 + 1"),
    ('x = "cat"', "x = cat"),
    ("print('\\n')", "print('n')"),
    ("x[1:]", "x[1]"),
    ("x[1:]", "x[:1]"),
    ("(1,)", "(1)"),
    ("{1: 2}", "{1, 2}"),
    ("[1, 2; 3, 4]", "[1, 2, 3, 4]"),
    ("for i in x:\n    a()\n    b()", "for i in x:\n    a()\nb()"),
    ("कि", "का"),
    ("🍎🍎", "🍎"),
    ("?", "!"),
    ("S.#\n..E", "S#\nE"),
    ("Decode: --- .-. -", "Decode: .-. -"),
    ("+[,.]", "+[.]"),
    ("(A or B)'", "(A or B)"),
    ("log\u2082 8", "log 28"),
    ("10\u207b\u00b3", "10-3"),
    ("? - 3 = 5", "- 3 = 5"),
    ("( not True ) and ( False )", "not ( True and False )"),
]


@pytest.mark.parametrize(
    "text",
    [
        "(" + "a" * 5000,
        "**" * 5000,
        "'" * 9999,
        "a;" * 5000 + "]",
        "(a b " * 3000,
        "1,234 " * 5000,
        "x" + "\u0301" * 9999,
    ],
)
def test_no_text_takes_long(text):
    started = process_time()
    canonical(text)
    assert process_time() - started < 2


@pytest.mark.parametrize(("one", "two"), SAME)
def test_form_case_space_and_the_marks_of_sentences_make_no_difference(one, two):
    assert canonical(one) == canonical(two)
    assert "".join(words(one)) == "".join(words(two))


@pytest.mark.parametrize(("one", "two"), OTHER)
def test_what_carries_meaning_in_mathematics_and_code_does(one, two):
    assert canonical(one) != canonical(two)


@given(
    text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    form=st.sampled_from(["NFC", "NFD"]),
)
def test_every_text_is_itself_in_each_form_and_found_by_its_letters(text, form):
    other = unicodedata.normalize(form, text)
    assert canonical(other) == canonical(text)
    assert "".join(words(other)) == "".join(words(text))


@given(st.lists(st.text("aB1½²é\u0301 +-?.,_('", max_size=4), max_size=12))
def test_the_first_of_equal_texts_is_found(texts):
    keys = [canonical(text) for text in texts]
    assert first_equal(texts) == [keys.index(key) for key in keys]


def test_words_of_other_scripts_are_words_and_without_spaces_each_character_is_one():
    assert words("\uff28ow many  ÄPFEL, 苹果?") == ("how", "many", "äpfel", "苹", "果")
    assert words("कितने सेब") == ("कितने", "सेब")
