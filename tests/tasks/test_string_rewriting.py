"""String rewriting: what its settings ask for is what its problems are."""

import json
import re
from collections import Counter, defaultdict
from fractions import Fraction
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.apportion import power_law
from selftrain_assets.domain.contamination import HeldOut
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.text import words
from selftrain_assets.domain.types import Outcome
from selftrain_assets.pipeline.diagnostics import leaks_in_problems
from selftrain_assets.tasks import StringRewriting
from selftrain_assets.tasks.rewriting import Rule, occurrences, rewrite

SMALL = {
    "rules": 12,
    "unseen_rules": 5,
    "train": 60,
    "validation": 11,
    "test": 13,
    "transfer": 17,
    "human": 7,
}
SPLITS = ("train", "human", "validation", "test", "transfer")
HELD_OUT = ("validation", "test", "transfer")
LEARNT = ("train", "human")
SENTENCES = (
    re.compile(
        r"Replace the first (?P<search>\w+) in (?P<input>\w+) by (?P<replacement>\w+); if there is"
        r" none, leave the string as it is\."
    ),
    re.compile(
        r"Rules: (?P<rules>.+)\. Rewrite (?P<input>\w+) by the first that occurs, at its leftmost"
        r" place, until none does\."
    ),
)


def made(**changes):
    return StringRewriting(**{**SMALL, **changes}).load()


def of_split(problems, *splits):
    return [p for p in problems if p.split in splits]


def read(question):
    """Rules and input of a question in the compact form."""
    rules, given = question.split(":")
    return tuple(Rule(*rule.split(">")) for rule in rules.split(",")), given


def rules_of(problems, *splits):
    return {rule for p in of_split(problems, *splits) for rule in read(p.question)[0]}


def applies(problem):
    rules, given = read(problem.question)
    return any(rule.search in given for rule in rules)


some_settings = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 1000),
        "alphabet": st.sampled_from(["abcdefgh", "0123456789", "zyxwvut"]),
        "length": st.sampled_from([15, [15, 20], 30]),
        "search": st.sampled_from([3, [2, 4], 4]),
        "replacement": st.sampled_from([3, [1, 4], 6]),
        "ordered_rules": st.integers(1, 3),
        "no_op": st.sampled_from([0, 0.1, 0.25, 0.5, 0.37, 1]),
        "occurrences": st.sampled_from([1, 2, [1, 2, 3]]),
        "unseen": st.sampled_from(["rules", "search", "replacement", "both"]),
        "train": st.sampled_from([12, 24, 60]),
    }
)


# -- rows ------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(some_settings)
def test_every_row_is_what_the_settings_ask_for(values):
    task = StringRewriting(**{**SMALL, **values})
    problems = task.load()
    for p in problems:
        rules, given = read(p.question)
        assert task.length[0] <= len(given) <= task.length[1]
        assert {*given, *p.answer} <= {*task.alphabet}
        assert len(rules) == task.ordered_rules
        assert len({rule.search for rule in rules}) == len(rules)
        for rule in rules:
            assert rule.search != rule.replacement
            assert task.search[0] <= len(rule.search) <= task.search[1]
            assert task.replacement[0] <= len(rule.replacement) <= task.replacement[1]
            assert {*rule.search, *rule.replacement} <= {*task.alphabet}
        first = next((rule for rule in rules if rule.search in given), None)
        if first is None:
            assert p.answer == given
        else:
            assert occurrences(given, first.search) in task.occurrences
            single = given.replace(*first, 1)
            assert (
                p.answer
                == (single if len(rules) == 1 else rewrite(rules, given, task.max_steps))
                != given
            )
        assert (p.solution == p.answer) if p.split in LEARNT else (p.solution is None)
        assert p.group == (
            p.question.split(":")[0] if p.split in LEARNT else "has-op" if first else "no-op"
        )


@settings(max_examples=40)
@given(some_settings)
def test_splits_have_their_sizes_and_their_exact_share_of_no_ops(values):
    problems = made(**values)
    sizes = {**SMALL, **values}
    assert len({p.id for p in problems}) == len(problems)
    for split in SPLITS:
        rows = of_split(problems, split)
        assert len(rows) == sizes[split]
        share = Fraction(str(values["no_op"])) * len(rows)
        assert abs(sum(not applies(p) for p in rows) - share) <= Fraction(1, 2)


@settings(max_examples=40)
@given(some_settings)
def test_no_question_occurs_twice_and_unseen_rules_are_unseen(values):
    problems = made(**values)
    assert len({" ".join(words(p.question)) for p in problems}) == len(problems)
    seen, unseen = rules_of(problems, *LEARNT), rules_of(problems, "transfer")
    assert not seen & unseen
    if values["unseen"] in ("search", "both"):
        assert not {rule.search for rule in seen} & {rule.search for rule in unseen}
    if values["unseen"] in ("replacement", "both"):
        assert not {rule.replacement for rule in seen} & {rule.replacement for rule in unseen}
    instructions = {
        split: {p.question.split(":")[0] for p in of_split(problems, split)} for split in SPLITS
    }
    assert len(instructions["train"]) == 12
    assert len(instructions["transfer"]) == 5
    assert (
        instructions["validation"] | instructions["test"] | instructions["human"]
        <= instructions["train"]
    )


@settings(max_examples=20)
@given(some_settings)
def test_the_same_settings_give_the_same_problems(values):
    assert made(**values) == made(**values)
    assert made(**values) != made(**values | {"seed": values["seed"] + 1})


def test_problems_are_the_same_on_every_machine():
    first = {p.split: f"{p.question}={p.answer}" for p in reversed(made(no_op=0))}
    assert first == {
        "validation": "xee>aep:hlunwmnwyxee=hlunwmnwyaep",
        "test": "wux>fkl:hkrrwuxnepqa=hkrrfklnepqa",
        "transfer": "wjq>vio:fywjqbeticas=fyviobeticas",
        "human": "otm>vwr:otmbnsdxcwpu=vwrbnsdxcwpu",
        "train": "otm>vwr:txwdtrotmjlj=txwdtrvwrjlj",
    }


def test_occurrences_and_rules_take_turns():
    problems = made(
        ordered_rules=2, occurrences=[1, 2, 4], no_op=0, train=60, held_out_occurrences=[1, 3]
    )
    for splits, times in ((LEARNT, (1, 2, 4)), (HELD_OUT, (1, 3))):
        turns = Counter()
        for p in of_split(problems, *splits):
            rules, given = read(p.question)
            place = next(i for i, rule in enumerate(rules) if rule.search in given)
            turns[place, occurrences(given, rules[place].search)] += 1
        assert set(turns) == {(place, n) for place in (0, 1) for n in times}
        assert max(turns.values()) - min(turns.values()) <= len(splits)


def test_no_ops_are_spread_over_the_rules_in_training():
    no_ops = defaultdict(list)
    for p in of_split(made(train=120, no_op=0.3), "train"):
        no_ops[p.group].append(not applies(p))
    assert {len(rows) for rows in no_ops.values()} == {10}
    assert all(abs(sum(rows) - 3) <= 1 for rows in no_ops.values())


# -- how many rows a rule has ----------------------------------------------------------------------


@given(st.integers(1, 20), st.integers(1, 5))
def test_every_rule_has_as_many_rows(rules, each):
    counts = Counter(p.group for p in of_split(made(rules=rules, train=rules * each), "train"))
    assert [*counts.values()] == [each] * rules


@settings(max_examples=25)
@given(st.integers(1, 20), st.integers(0, 150), st.sampled_from([2, 1, 0.5, 0.1, 0.03]))
def test_rows_by_rule_follow_a_power_law(rules, more, alpha):
    counts = Counter(
        p.group for p in of_split(made(rules=rules, train=rules + more, power_law=alpha), "train")
    )
    assert sorted(counts.values(), reverse=True) == power_law(rules + more, rules, alpha)


def test_which_rules_are_frequent_is_not_in_the_order_of_their_drawing():
    problems = made(rules=40, train=400, power_law=0.2, test=10)
    tested = {p.question.split(":")[0] for p in of_split(problems, "test")}
    counts = Counter(p.group for p in of_split(problems, "train"))
    assert (
        10 < sum(counts[text] for text in tested) < sum(size for _, size in counts.most_common(10))
    )


# -- what stays ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"train": 120},
        {"human": 0},
        {"power_law": 0.5},
        {"occurrences": [1, 3], "held_out_occurrences": 1},
        {"encrypted": False},
    ],
    ids=str,
)
@pytest.mark.parametrize("ordered_rules", [1, 2])
def test_held_out_problems_stay_when_there_is_something_else_to_learn_from(changes, ordered_rules):
    before, after = made(ordered_rules=ordered_rules), made(ordered_rules=ordered_rules, **changes)
    assert of_split(after, *HELD_OUT) == of_split(before, *HELD_OUT)


def test_unseen_rules_stay_when_there_are_more_seen_ones():
    few, some, many = (made(rules=rules, train=rules) for rules in (6, 13, 100))
    assert of_split(few, "transfer") == of_split(some, "transfer") == of_split(many, "transfer")
    assert of_split(some, *HELD_OUT) == of_split(many, *HELD_OUT)
    assert rules_of(few, "train") < rules_of(some, "train") < rules_of(many, "train")


# -- families --------------------------------------------------------------------------------------


def is_of(family, text, k):
    unit = len(text) // k
    parts = [text[i : i + unit] for i in range(0, len(text), unit)]
    return len(text) % k == 0 and {
        "repeated": all(len({*text[i : i + k]}) == 1 for i in range(0, len(text), k)),
        "periodic": all(part == parts[0] for part in parts),
        "mirrored": all(
            part == (parts[0][::-1] if i % 2 else parts[0]) for i, part in enumerate(parts)
        ),
    }.get(family, True)


FAMILIES = {
    "length": 20,
    "search": 12,
    "replacement": [6, 12],
    "families": ["repeated", "periodic", "mirrored"],
    "k": [3, 6],
    "unseen_families": ["mirrored", "none"],
    "unseen_k": 2,
}


def test_rules_have_the_structure_of_their_family():
    problems = made(**FAMILIES)
    for p in of_split(problems, "validation", "test", "transfer"):
        family, op = p.group.split(", ")
        assert op in ("has-op", "no-op")
        [[search, replacement]], _ = read(p.question)
        ks = [2] if p.split == "transfer" else range(3, 7)
        assert any(is_of(family, search, k) for k in ks)
        assert any(is_of(family, replacement, k) for k in ks)
    assert {p.group.split(", ")[0] for p in of_split(problems, "test")} == {*FAMILIES["families"]}
    assert {p.group.split(", ")[0] for p in of_split(problems, "transfer")} == {
        *FAMILIES["unseen_families"]
    }


def test_families_take_turns():
    rules = {
        text
        for p in of_split(made(**FAMILIES, rules=30, train=30), "train")
        for text in [read(p.question)[0][0].search]
    }
    counts = {
        family: sum(any(is_of(family, text, k) for k in range(3, 7)) for text in rules)
        for family in FAMILIES["families"]
    }
    assert len(rules) == 30
    assert all(10 <= count < 20 for count in counts.values())


def test_one_family_is_not_named_in_groups():
    problems = made(families="periodic", search=4, replacement=[2, 6], k=2)
    assert {p.group for p in of_split(problems, *HELD_OUT)} == {"has-op", "no-op"}
    assert all(is_of("periodic", rule.search, 2) for rule in rules_of(problems, *SPLITS))


# -- the encrypted form ----------------------------------------------------------------------------


@pytest.mark.parametrize("ordered_rules", [1, 3])
def test_encrypted_problems_are_the_plain_ones_under_one_cipher(ordered_rules):
    plain, hidden = (
        made(ordered_rules=ordered_rules),
        made(ordered_rules=ordered_rules, encrypted=True),
    )
    cipher = {}
    for p, q in zip(plain, hidden, strict=True):
        found = SENTENCES[ordered_rules > 1].fullmatch(q.question).groupdict()
        rules = (
            found["rules"].replace(" -> ", ">").replace(", ", ",")
            if "rules" in found
            else f"{found['search']}>{found['replacement']}"
        )
        for letter, shown in zip(
            p.question + p.answer, f"{rules}:{found['input']}{q.answer}", strict=True
        ):
            assert cipher.setdefault(letter, shown) == shown
        assert (p.id, p.split) == (q.id, q.split)
        assert q.group == (rules if q.split in LEARNT else p.group)
    letters = {letter: shown for letter, shown in cipher.items() if letter not in ">,:"}
    assert len(letters) == len({*letters.values()}) == 26
    assert sum(letter != shown for letter, shown in letters.items()) > 13


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("ordered_rules", [1, 2, 5])
def test_no_problem_to_learn_from_is_taken_for_a_held_out_one(encrypted, ordered_rules):
    problems = made(encrypted=encrypted, ordered_rules=ordered_rules, rules=3, train=9, search=3)
    assert leaks_in_problems(problems)["leaks"] == []
    held_out = HeldOut(of_split(problems, *HELD_OUT), {})
    assert held_out.find(of_split(problems, "test")[0].question, asks=True).exact


# -- as a task -------------------------------------------------------------------------------------


def test_the_task_brings_prompt_and_verifier():
    config = parse_experiment({"task": {"type": "string_rewriting"}}, "a test")
    assert (config.prompt.template, config.verifier.type, config.recipe.sampling.max_tokens) == (
        "{question}=",
        "exact",
        256,
    )
    problems = config.task.load()
    assert Counter(p.split for p in problems) == dict(config.task.card.splits)
    for p in problems:
        assert config.verifier.check_problem(p) is None
        assert p.solution is None or config.verifier.verify(p, p.solution).outcome == Outcome.PASS


def test_a_number_and_a_range_of_it_are_one_setting():
    plain = parse_experiment(
        {"task": {"type": "string_rewriting", "length": 12, "occurrences": 1, "families": "none"}},
        "a test",
    ).task
    assert (
        plain
        == StringRewriting(length=[12, 12], occurrences=[1], families=["none"])
        == StringRewriting()
    )
    assert StringRewriting.model_validate(json.loads(plain.model_dump_json())) == plain


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (
            {"train": 1000, "rules": 300},
            "train 1000 cannot be divided evenly among 300 rules: set train to 900 or 1200",
        ),
        (
            {"train": 100, "rules": 300},
            "train 100 cannot be divided evenly among 300 rules: set train to 300",
        ),
        (
            {"train": 100, "rules": 300, "power_law": 1},
            "train 100 is too few for 300 rules, of which each has a row",
        ),
        (
            {"alphabet": "ab", "search": 2, "replacement": [1, 2]},
            (
                "rules: 1000 different ones are asked for, and alphabet, search and replacement"
                " allow 20"
            ),
        ),
        (
            {"alphabet": "ab", "search": 2, "replacement": [1, 2], "rules": 10, "unseen_rules": 30},
            (
                "unseen_rules: 30 different ones are asked for, and alphabet, search and"
                " replacement allow 20"
            ),
        ),
        (
            {"families": ["none", "periodic"], "alphabet": "ab", "k": 3, "rules": 20},
            "rules: 10 different ones of the family periodic .* allow 2",
        ),
        (
            {"ordered_rules": 2, "alphabet": "ab", "search": 1, "replacement": 1, "rules": 10},
            "rules: 10 different ones .* allow 8",
        ),
        (
            {"families": "mirrored", "search": 5},
            (
                "a mirrored string has a multiple of k letters, and search or replacement has no"
                " such length"
            ),
        ),
        ({"search": 13}, "a search string of 13 letters is longer than an input of 12"),
        (
            {"search": [1, 13], "length": [12, 20]},
            "a search string of 13 letters is longer than an input of 12",
        ),
        (
            {"occurrences": [1, 5]},
            "5 occurrences of a search string of 3 letters do not fit into an input of 12",
        ),
        (
            {"held_out_occurrences": 5},
            "5 occurrences of a search string of 3 letters do not fit into an input of 12",
        ),
        ({"alphabet": ""}, "task.alphabet: needs two letters at least"),
        ({"alphabet": "a"}, "task.alphabet: needs two letters at least"),
        ({"alphabet": "abca"}, 'task.alphabet: "a" occurs twice'),
        ({"alphabet": "abcA"}, 'task.alphabet: "A" occurs twice; upper and lower case'),
        *(
            (
                {"alphabet": f"ab{sign}c"},
                f'task.alphabet: "{re.escape(sign)}" is no letter or digit',
            )
            for sign in ">:=, \n\tß"
        ),
        (
            {"search": [4, 1]},
            r"task.search: no number lies between them: write the smaller one first, not \[4, 1\]",
        ),
        ({"search": 0}, r"task.search\[0\]: should be greater than or equal to 1"),
        ({"search": "long"}, "task.search: should be a valid tuple"),
        ({"occurrences": []}, "task.occurrences: .*at least 1"),
        (
            {"families": "palindromes"},
            (
                r'task.families\[0\]: there is no "palindromes"; known: mirrored, none, periodic,'
                r" repeated"
            ),
        ),
        ({"unseen": "all"}, 'task.unseen: there is no "all"'),
        ({"no_op": 1.5}, "task.no_op: should be less than or equal to 1"),
        ({"power_law": 0}, "task.power_law: should be greater than 0"),
        ({"ordered_rules": 6}, "task.ordered_rules: should be less than or equal to 5"),
        ({"alphabt": "abc"}, 'unknown field "task.alphabt"; did you mean "alphabet"'),
    ],
    ids=str,
)
def test_wrong_settings_are_told(values, reason):
    with pytest.raises(UserError, match=reason) as told:
        parse_experiment({"task": {"type": "string_rewriting", **values}}, "defs/mine/defs.yaml")
    assert "\n" not in str(told.value).replace('"\n"', "")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {
                "alphabet": "abc",
                "search": 1,
                "replacement": 2,
                "unseen": "search",
                "rules": 6,
                "train": 6,
                "unseen_rules": 20,
            },
            (
                "of 6 seen instructions 0 are found, and no further one: lower task.rules or"
                " task.unseen_rules, or widen task.alphabet"
            ),
        ),
        (
            {"alphabet": "ab", "search": 1, "replacement": [1, 9], "ordered_rules": 2},
            "of 5 unseen instructions 0 are found, and no further one that ends within 50 steps",
        ),
        (
            {
                "alphabet": "ab",
                "search": 1,
                "replacement": 3,
                "length": 4,
                "rules": 4,
                "train": 8,
                "no_op": 1,
                "unseen": "rules",
            },
            (
                r'the split "\w+" needs more different inputs under the rule "\w>\w+" than are'
                r" found, that no rule applies to: lower task"
            ),
        ),
        (
            {"occurrences": 4, "train": 120},
            (
                r'the split "\w+" needs more .* with 4 occurrences: lower these, or lower'
                r" task\.\w+, or widen task.length"
            ),
        ),
    ],
    ids=["rules", "runs", "no-ops", "occurrences"],
)
def test_what_cannot_be_found_is_told(changes, reason):
    with pytest.raises(UserError, match=reason):
        made(**changes)


def test_the_last_rules_of_a_small_alphabet_are_found():
    problems = made(alphabet="ab", search=2, replacement=[1, 2], unseen="rules", rules=15, train=15)
    assert len(rules_of(problems, "train")) == 15
    assert len(rules_of(problems, "transfer")) == 5


# -- docs/tasks.md ---------------------------------------------------------------------------------

SECTION = (
    (Path(__file__).parents[2] / "docs" / "tasks.md")
    .read_text()
    .partition("## String rewriting\n")[2]
    .partition("\n## ")[0]
)


def test_the_documented_experiments_are_settings_that_there_are():
    found = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)
    assert len(found) >= 2
    for text in found:
        values = yaml.safe_load(text)
        config = parse_experiment(values, "docs/tasks.md")
        smaller = {name: min(value, 40) for name, value in values["task"].items() if name in SPLITS}
        rules = {"rules": 10, "unseen_rules": 10, "train": 40, "test": 40}
        assert (
            Counter(
                p.split
                for p in config.task.model_validate({**values["task"], **rules, **smaller}).load()
            )["train"]
            == 40
        )


def test_the_documentation_names_every_setting():
    assert all(f"`{name}`" in SECTION for name in StringRewriting.model_fields if name != "type")
