"""any_of and all_of: what they make of their members' verdicts, whom they ask, and what a
failure of one of them costs."""

from contextlib import contextmanager
from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.dagster.specs import asset_specs
from selftrain_assets.domain.errors import InfraError, UserError
from selftrain_assets.domain.types import Exchange, Outcome, Problem, Verdict
from selftrain_assets.operations.export.cards import not_covered
from selftrain_assets.verifiers import (
    AllOf,
    AnyOf,
    CodeVerifier,
    FirstOf,
    MathVerifier,
    NumericVerifier,
    SandboxSettings,
    TextVerifier,
    VerifierContext,
    verifier_fingerprint,
    with_members,
)
from selftrain_assets.verifiers.combined import _Shared
from selftrain_assets.verifiers.sandboxed import sandbox_errors
from tests.judging import verdicts

PASS, WRONG, MALFORMED, TIMEOUT, RESOURCE, UNSCORABLE, INFRA = Outcome
NOWHERE = SandboxSettings(hosts=("unix:///nowhere",))
PROBLEM = Problem("p", "What?", "12")


def said(*outcomes, rewards=()):
    """Verdicts of members in their order."""
    pay = rewards or [float(outcome == PASS) for outcome in outcomes]
    return {
        n: Verdict(o, r, f"answer {n}", f"reason {n}")
        for n, (o, r) in enumerate(zip(outcomes, pay, strict=True))
    }


def members(count):
    return [{"type": "numeric"}] * count


@pytest.mark.parametrize(
    ("outcomes", "of_any", "of_all"),
    [
        ((PASS,), PASS, PASS),
        ((PASS, PASS), PASS, PASS),
        ((PASS, WRONG), PASS, WRONG),
        ((PASS, MALFORMED), PASS, MALFORMED),
        ((PASS, INFRA), PASS, INFRA),
        ((WRONG, INFRA), INFRA, WRONG),
        ((MALFORMED, INFRA), INFRA, MALFORMED),
        ((TIMEOUT, INFRA), INFRA, TIMEOUT),
        ((PASS, WRONG, INFRA), PASS, WRONG),
        ((WRONG, MALFORMED), WRONG, WRONG),
        ((MALFORMED, MALFORMED), MALFORMED, MALFORMED),
        ((WRONG, TIMEOUT), TIMEOUT, WRONG),
        ((WRONG, UNSCORABLE), UNSCORABLE, WRONG),
        ((TIMEOUT, RESOURCE, UNSCORABLE), UNSCORABLE, TIMEOUT),
        ((RESOURCE, TIMEOUT, MALFORMED), TIMEOUT, RESOURCE),
        ((PASS, UNSCORABLE), PASS, UNSCORABLE),
    ],
)
def test_how_outcomes_combine(outcomes, of_any, of_all):
    for kind, expected in ((AnyOf, of_any), (AllOf, of_all)):
        found = kind(of=members(len(outcomes))).verdict(said(*outcomes))
        assert (found.outcome, found.reward) == (expected, float(expected == PASS)), kind
        assert all(f"reason {n}" in found.reason for n in range(len(outcomes)))


@given(st.lists(st.sampled_from(list(Outcome)), min_size=1, max_size=4))
def test_what_is_settled_stays_as_it_is_whatever_the_others_say(outcomes):
    for kind in (AnyOf, AllOf):
        combined = kind(of=members(len(outcomes)))
        for asked in range(1, len(outcomes) + 1):
            early = said(*outcomes[:asked])
            if combined.is_decided(early):
                whole = combined.verdict(said(*outcomes))
                assert (combined.verdict(early).outcome, combined.verdict(early).reward) == (
                    whole.outcome,
                    whole.reward,
                )
                assert (whole.outcome == PASS) == (kind is AnyOf)


@given(st.lists(st.sampled_from(list(Outcome)), min_size=1, max_size=4))
def test_whether_one_passes_or_all_do_is_all_that_earns_reward_in_any_order(outcomes):
    for order in permutations(outcomes):
        any_of, all_of = (
            kind(of=members(len(order))).verdict(said(*order)).outcome for kind in (AnyOf, AllOf)
        )
        assert (any_of == PASS) == (PASS in outcomes)
        assert (all_of == PASS) == (set(outcomes) == {PASS})
        assert (any_of == INFRA) == (INFRA in outcomes and PASS not in outcomes)
        assert (all_of == INFRA) == (INFRA in outcomes and set(outcomes) <= {INFRA, PASS})


@pytest.mark.parametrize(
    ("outcomes", "deciding"),
    [
        ((PASS, WRONG), 0),
        ((WRONG, PASS), 0),
        ((MALFORMED, PASS), 1),
        ((TIMEOUT, UNSCORABLE, WRONG), 2),
        ((MALFORMED, INFRA, PASS), 1),
        ((MALFORMED, MALFORMED), 0),
        ((MALFORMED, TIMEOUT), 1),
    ],
)
def test_the_first_that_can_say_something_decides(outcomes, deciding):
    verifier = FirstOf(of=members(len(outcomes)))
    found = verifier.verdict(said(*outcomes))
    assert (found.outcome, found.parsed) == (outcomes[deciding], f"answer {deciding}")
    is_known = outcomes[deciding] in (PASS, WRONG)
    assert verifier.is_decided(said(*outcomes[: deciding + 1])) == is_known
    assert not verifier.is_decided(said(*outcomes[:deciding]))


def test_first_of_asks_in_the_order_of_the_file():
    verifier = FirstOf(of=[{"type": "code"}, {"type": "math"}, {"type": "numeric"}])
    assert verifier.order == [0, 1, 2]
    strict = {"type": "numeric", "require_mark": True}
    lenient = FirstOf(of=[strict, {"type": "text"}])
    assert outcomes(lenient, "#### 12", "#### 13", "12", "13") == [PASS, WRONG, PASS, WRONG]


def test_rewards_are_the_most_and_the_least():
    for rewards in product((0.5, 0.75, 1.0), repeat=2):
        verdict = said(PASS, PASS, rewards=rewards)
        assert AnyOf(of=members(2)).verdict(verdict).reward == max(rewards)
        assert AllOf(of=members(2)).verdict(verdict).reward == min(rewards)
    partial = said(WRONG, WRONG, rewards=(0.25, 0.5))
    assert AnyOf(of=members(2)).verdict(partial).reward == 0.5
    assert AllOf(of=members(2)).verdict(partial).reward == 0.25
    assert not AllOf(of=members(2)).is_decided(said(WRONG, rewards=(0.25,))), (
        "another member may give it less"
    )
    assert not AnyOf(of=members(2)).is_decided(said(PASS, rewards=(0.25,))), (
        "another member may give it more"
    )


def test_the_answer_is_that_of_the_deciding_member():
    assert AnyOf(of=members(3)).verdict(said(WRONG, PASS, PASS)).parsed == "answer 1"
    assert AnyOf(of=members(3)).verdict(said(MALFORMED, WRONG, WRONG)).parsed == "answer 1"
    assert AllOf(of=members(3)).verdict(said(PASS, WRONG, WRONG)).parsed == "answer 1"
    assert AllOf(of=members(2)).verdict(said(PASS, PASS)).parsed == "answer 0"


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        ([TextVerifier(), NumericVerifier()], "text: reason 0; numeric: reason 1"),
        (
            [NumericVerifier(), NumericVerifier(tolerance=0.1)],
            "of[0], numeric: reason 0; of[1], numeric: reason 1",
        ),
    ],
)
def test_the_reason_names_its_members(of, reason):
    assert AnyOf(of=of).verdict(said(WRONG, WRONG)).reason == reason


# -- whom they ask ---------------------------------------------------------------------------------


class Watched:
    """What members were opened, and asked, in place of a sandbox: a program is right if it says
    so."""

    def __init__(self, monkeypatch, fails_after=None):
        self.opened, self.asked = 0, []
        watched = self

        class Judge:
            name = "code 0 (watched)"

            def stream(self, exchanges):
                for position, exchange in enumerate(exchanges):
                    completion = exchange.completion
                    if fails_after is not None and position >= fails_after:
                        raise InfraError("the engine is gone")
                    watched.asked.append(completion)
                    right = "right" in completion
                    yield (
                        position,
                        Verdict(PASS if right else WRONG, float(right), completion, "ran"),
                    )

        @contextmanager
        def opened(verifier, context):
            watched.opened += 1
            yield Judge()

        monkeypatch.setattr(CodeVerifier, "open", opened)
        monkeypatch.setattr(
            CodeVerifier, "content", lambda self, problem, completion: completion.split("#")[0]
        )


def outcomes(verifier, *completions, problem=PROBLEM):
    return [
        v.outcome
        for v in verdicts(verifier, NOWHERE, [(problem, completion) for completion in completions])
    ]


def test_any_of_runs_only_what_no_cheap_member_passes(monkeypatch):
    watched = Watched(monkeypatch)
    verifier = AnyOf(of=[CodeVerifier(), NumericVerifier()])
    assert outcomes(verifier, "12", "the answer is 12") == [PASS, PASS]
    assert (watched.opened, watched.asked) == (0, []), "nothing is opened for what needs no program"
    assert outcomes(verifier, "12", "11", "a right program", "") == [PASS, WRONG, PASS, WRONG]
    assert watched.asked == ["11", "a right program", ""]


def test_all_of_runs_only_what_every_cheap_member_passes(monkeypatch):
    watched = Watched(monkeypatch)
    verifier = AllOf(of=[CodeVerifier(), NumericVerifier()])
    assert outcomes(verifier, "11", "none") == [WRONG, MALFORMED]
    assert watched.opened == 0
    assert outcomes(verifier, "11", "12", "right 12", "none") == [WRONG, WRONG, PASS, MALFORMED]
    assert watched.asked == ["12", "right 12"]


def test_equal_programs_run_once_and_equal_ones_share_their_verdict(monkeypatch):
    watched = Watched(monkeypatch)
    verifier = AnyOf(of=[NumericVerifier(require_mark=True), CodeVerifier()])
    assert outcomes(verifier, "right # one", "right # two", "wrong # one", "right # three") == [
        PASS,
        PASS,
        WRONG,
        PASS,
    ]
    assert watched.asked == ["right # one", "wrong # one"]


def test_a_member_that_cannot_verify_a_reference_is_not_asked():
    twelve = Problem("p", "What?", "twelve")
    verifier = AnyOf(of=[NumericVerifier(), TextVerifier()])
    assert verifier.check_problem(twelve) is None
    assert outcomes(verifier, "12", "Twelve!", problem=twelve) == [WRONG, PASS]
    [verdict] = verdicts(verifier, NOWHERE, [(twelve, "12")])
    assert verdict.reason.startswith("text: ")
    assert 'answer "twelve" holds no number' in AllOf(of=verifier.of).check_problem(twelve)
    fault = AnyOf(
        of=[NumericVerifier(), NumericVerifier(tolerance=1), TextVerifier()]
    ).check_problem(Problem("p", "What?", "..."))
    assert "(numeric), and " in fault
    assert fault.endswith("(text)")
    assert fault.count("numeric") == 1
    assert outcomes(AnyOf(of=[NumericVerifier()]), "12", problem=twelve) == [UNSCORABLE], (
        "asked all the same"
    )


# -- failures --------------------------------------------------------------------------------------


def told(verifier, *completions):
    """Verdicts by position up to the error, and the error."""
    found, error = {}, None
    with verifier.open(VerifierContext(NOWHERE)) as judge:
        try:
            for position, verdict in judge.stream(
                [Exchange(PROBLEM, completion) for completion in completions]
            ):
                found[position] = verdict.outcome
        except InfraError as failed:
            error = str(failed)
    return found, error


@pytest.mark.parametrize("nested", [False, True])
def test_a_failure_of_a_member_owes_only_what_it_could_decide(monkeypatch, nested):
    Watched(monkeypatch, fails_after=1)
    code = AnyOf(of=[CodeVerifier()]) if nested else CodeVerifier()
    completions = ("12", "a wrong program", "another program", "a right program", "right 12")
    assert told(AnyOf(of=[code, NumericVerifier()]), *completions) == (
        {0: PASS, 1: WRONG, 4: PASS},
        "the engine is gone",
    )
    found, error = told(AllOf(of=[code, NumericVerifier()]), *completions)
    assert (found, error) == (
        {0: WRONG, 1: MALFORMED, 2: MALFORMED, 3: MALFORMED},
        "the engine is gone",
    )


def test_without_docker_what_needs_no_program_is_judged_and_the_rest_owed():
    found, error = told(AnyOf(of=[NumericVerifier(), CodeVerifier(program="fenced")]), "12", "11")
    assert found == {0: PASS}
    assert "docker" in error.lower() or "nowhere" in error
    assert told(AnyOf(of=[NumericVerifier(), CodeVerifier()]), "12") == ({0: PASS}, None)


def test_a_member_that_a_sample_breaks_leaves_it_to_the_others(monkeypatch):
    def broken(self, problem, completion):
        raise RecursionError("too deep")

    monkeypatch.setattr(NumericVerifier, "verify", broken)
    found = verdicts(
        AnyOf(of=[NumericVerifier(), TextVerifier()]), NOWHERE, [(PROBLEM, "12"), (PROBLEM, "11")]
    )
    assert [v.outcome for v in found] == [PASS, UNSCORABLE]
    assert "RecursionError: too deep" in found[1].reason


def test_a_member_that_says_nothing_owes_the_verdict(monkeypatch):
    monkeypatch.setattr(NumericVerifier, "stream", lambda self, pairs: iter(()))
    assert told(AnyOf(of=[NumericVerifier()]), "12") == ({0: INFRA}, None)


# -- real members ----------------------------------------------------------------------------------


def test_all_programs_share_one_sandbox(programs, monkeypatch):
    opened, pool = [], SandboxSettings.pool

    @contextmanager
    def counted(self, languages=()):
        opened.append(self)
        with sandbox_errors(), pool(self, languages) as made:
            yield made

    monkeypatch.setattr(SandboxSettings, "pool", counted)
    inner = AllOf(of=[CodeVerifier(cpu_seconds=1.0), NumericVerifier()])
    verifier = AnyOf(of=[CodeVerifier(program="fenced"), inner, MathVerifier(), TextVerifier()])
    completions = (
        "```\nprint(6 + 6)\n```",
        "print(12)",
        "print(11)",
        "\\boxed{\\frac{24}{2}}",
        "12",
    )
    with verifier.open(VerifierContext(programs)) as judge:
        found = dict(judge.stream([Exchange(PROBLEM, completion) for completion in completions]))
        name = judge.name
    assert [found[n].outcome for n in range(len(completions))] == [PASS, PASS, WRONG, PASS, PASS]
    assert len(opened) == 1
    assert isinstance(opened[0], _Shared)
    assert found[0].execution is not None
    assert name.startswith(f"any_of {verifier.version}; code {CodeVerifier.version} (")
    assert "Python" in name


# -- identity and settings -------------------------------------------------------------------------


def test_a_members_version_and_settings_are_part_of_the_identity(monkeypatch):
    def nested(**settings):
        return AnyOf(of=[AllOf(of=[NumericVerifier(**settings), TextVerifier()]), MathVerifier()])

    before = verifier_fingerprint(nested())
    assert verifier_fingerprint(nested(tolerance=0.1)) != before
    assert verifier_fingerprint(AllOf(of=nested().of)) != before
    monkeypatch.setattr(TextVerifier, "version", "next")
    assert verifier_fingerprint(nested()) != before
    assert "text next" in nested().version


def test_those_that_a_verifier_is_made_of_are_found():
    verifier = AnyOf(of=[AllOf(of=[CodeVerifier()]), NumericVerifier()])
    assert [v.type for v in with_members([verifier, TextVerifier()])] == [
        "any_of",
        "all_of",
        "code",
        "numeric",
        "text",
    ]


@pytest.mark.parametrize(
    ("verifier", "message"),
    [
        (
            {"type": "any_of", "of": [{"type": "text"}, {"type": "numeric", "tolerance": -1}]},
            "verifier.of[1].tolerance: should be greater",
        ),
        (
            {"type": "any_of", "of": [{"tolrance": 1}]},
            'unknown field "verifier.of[0].tolrance"; did you mean "tolerance"?',
        ),
        (
            {"type": "any_of", "of": [{"type": "nmeric"}]},
            'verifier.of[0].type: there is no "nmeric"; did you mean "numeric"?',
        ),
        (
            {"type": "all_of", "of": [{"type": "any_of", "of": [{"type": "text", "cas": 1}]}]},
            'unknown field "verifier.of[0].of[0].cas"',
        ),
        (
            {"type": "all_of", "of": []},
            "verifier: list its members under `of`, each as {type: ...}",
        ),
        (
            {"type": "all_of", "of": "text"},
            "verifier: list its members under `of`, each as {type: ...}",
        ),
        ({"type": "all_of"}, "verifier.of: Field required"),
        ({"type": "anyof", "of": []}, 'verifier.type: there is no "anyof"; did you mean "any_of"?'),
    ],
)
def test_a_fault_in_a_member_is_named_where_it_stands(verifier, message):
    with pytest.raises(UserError) as raised:
        parse_experiment({"verifier": verifier}, "defs.yaml")
    assert str(raised.value).startswith(f"defs.yaml: {message}")


def test_a_member_takes_what_the_task_says_of_its_type():
    code = {"type": "code", "cpu_seconds": 9}
    settings = {
        "task": {"type": "humaneval"},
        "verifier": {"type": "any_of", "of": [{"type": "all_of", "of": [code]}, {"type": "text"}]},
    }
    verifier = parse_experiment(settings, "defs.yaml").verifier
    [found] = [v for v in with_members([verifier]) if isinstance(v, CodeVerifier)]
    assert (found.continues, found.cpu_seconds) == (True, 9)


def test_the_graph_and_the_cards_know_of_members():
    config = parse_experiment(
        {"verifier": {"type": "any_of", "of": [{"type": "numeric"}, {"type": "code"}]}}, "defs.yaml"
    )
    [verifications] = [spec for spec in asset_specs(config) if spec.name == "verifications"]
    assert "docker" in verifications.kinds
    assert verifications.pool == config.verifier.resource == "sandbox"
    told = not_covered(config)
    assert [
        any(f"verifier `{kind}`" in text for text in told)
        for kind in ("any_of", "numeric", "code", "math")
    ] == [
        True,
        True,
        True,
        False,
    ]
