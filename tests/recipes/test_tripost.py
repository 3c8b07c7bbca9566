"""TriPosT: settings and presets, and both of its loops, driven by hand without a model."""

from itertools import count, pairwise

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.attempts import COMPACT, Attempt, Feedback
from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.prompts import PromptSettings, build_prompt
from selftrain_assets.domain.types import Improvement, Outcome, Problem, Score
from selftrain_assets.recipes.tripost.conversations import (
    CompletionRequest,
    Conversations,
    Response,
    fault_of_update,
    is_progress,
)
from selftrain_assets.recipes.tripost.self_improvement import measure, with_final_answers
from selftrain_assets.recipes.tripost.settings import FILTERS, SectionWeights, TriPosT
from selftrain_assets.tasks.multistep_script import MultistepScript

TEACHER = {"base_url": "http://localhost:1/v1", "model": "teacher"}


def recipe(**settings):
    return parse_experiment({"recipe": {"type": "tripost", **settings}}, "defs.yaml").recipe


# -- presets and settings --------------------------------------------------------------------------


def test_tripost_is_as_in_the_paper():
    """Yu et al. 2024, section 3 and the settings of its code."""
    chosen = recipe(preset="tripost")
    assert chosen == recipe()
    assert (
        chosen.sampling.temperature,
        chosen.init_from,
        chosen.max_updates,
        chosen.max_words,
    ) == (
        1.0,
        "previous",
        5,
        512,
    )
    assert chosen.ratio.model_dump() == {"correct": 1.0, "improved": 1.5, "gold": 1.0}
    assert chosen.section_weights.model_dump() == {
        "attempt": 1.0,
        "wrong_attempt": 0.0,
        "feedback": 1.5,
        "update": 1.5,
    }
    assert (chosen.feedback.by, chosen.feedback.sampling.temperature) == ("script", 0.0)
    assert (chosen.improver.by, chosen.improver.sampling.temperature) == ("script", 0.7)
    assert chosen.filters == FILTERS
    assert [chosen.own(i) for i in (1, 2, 3)] == [False, True, True]
    assert [chosen.sample_rounds(i) for i in (1, 2, 3)] == [[1], [2], [3]]


def test_the_ablations_differ_in_one_thing_each():
    whole = recipe(preset="tripost")
    assert recipe(preset="tripost_unbalanced") == whole.model_copy(update={"ratio": None})
    flat = SectionWeights(attempt=1.0, feedback=1.0, update=1.0)
    assert recipe(preset="tripost_unweighted") == whole.model_copy(update={"section_weights": flat})
    unmasked = whole.section_weights.model_copy(update={"wrong_attempt": 1.0})
    assert recipe(preset="tripost_unmasked") == whole.model_copy(
        update={"section_weights": unmasked}
    )


def test_si_demo_learns_from_the_corrected_attempts_of_a_teacher():
    chosen = recipe(preset="si_demo", teacher=TEACHER)
    assert chosen == recipe(preset="tripost").model_copy(
        update={"teacher": chosen.teacher, "self_feedback_from_round": 0}
    )
    assert not any(chosen.own(i) for i in (1, 2, 3))
    with pytest.raises(
        UserError, match="preset si_demo needs the field teacher; set it beside the preset"
    ):
        recipe(preset="si_demo")


def test_gold_learns_from_the_reference_solutions_alone():
    chosen = recipe(preset="gold")
    assert chosen.ratio.model_dump() == {"correct": 0.0, "improved": 0.0, "gold": 1.0}
    assert not chosen.own(3)


def test_own_fields_override_a_preset():
    assert recipe(preset="tripost_unbalanced", max_updates=2) == recipe(
        preset="tripost_unbalanced"
    ).model_copy(update={"max_updates": 2})


def test_the_task_says_how_attempts_are_written_unless_the_recipe_does():
    task = {"type": "multistep_arithmetic"}
    assert (
        parse_experiment(
            {"task": task, "recipe": {"type": "tripost"}}, "defs.yaml"
        ).recipe.wording.model_dump()
        == COMPACT
    )
    own = parse_experiment(
        {"task": task, "recipe": {"type": "tripost", "wording": {"answer": "= {text}"}}},
        "defs.yaml",
    ).recipe.wording
    assert own.model_dump() == COMPACT | {"answer": "= {text}"}


def test_every_draw_ends_where_the_next_section_begins():
    chosen = recipe(sampling={"stop": ["\n\n\n"], "temperature": 0.9, "top_k": 5})
    assert chosen.drawn.stop == ("\n\n\n", "Feedback:")
    assert chosen.own_feedback().stop == ("\n\n\n", "Update:")
    assert chosen.own_update().stop == chosen.drawn.stop
    assert {chosen.own_feedback().temperature, chosen.own_update().temperature} == {0.9}
    assert {
        chosen.own_feedback(greedy=True).temperature,
        chosen.own_update(greedy=True).temperature,
    } == {0.0}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"feedback": {"by": "model"}},
            "feedback.by: model needs feedback.model: a directory, a hub name",
        ),
        (
            {"improver": {"by": "model"}},
            "improver.by: model needs improver.model, or a feedback.model",
        ),
        (
            {"feedback": {"by": "model", "model": TEACHER}},
            (
                "improver.by: script needs feedback.by: script, not model; set improver.by: model,"
                " or self"
            ),
        ),
        ({"feedback": {"by": "self"}}, "improver.by: script needs feedback.by: script, not self"),
        ({"feedback": {"by": "modle"}}, r'feedback.by: there is no "modle"; did you mean "model"'),
        (
            {"feedback": {"scrip": "a:b"}},
            'unknown field "recipe.feedback.scrip"; did you mean "script"',
        ),
        (
            {"improver": {"by": "model", "model": {"base_ur": "http://a/v1", "model": "x"}}},
            'field "recipe.improver.model.base_ur"; did you',
        ),
        (
            {"ratio": {"correct": 0, "improved": 0, "gold": 0}},
            "every part is 0, so that nothing would be trained on",
        ),
        (
            {"ratio": {"improved": -1}},
            "ratio.improved: should be greater than or equal to 0, not -1",
        ),
        ({"ratio": {"p": 2}}, 'unknown field "recipe.ratio.p"'),
        ({"filters": ["to_long"]}, 'filters.*there is no "to_long"; did you mean "too_long"'),
        ({"max_updates": 0}, "max_updates: should be greater than or equal to 1, not 0"),
        (
            {"self_feedback_from_round": -1},
            "self_feedback_from_round: should be greater than or equal to 0, not -1",
        ),
        (
            {"section_weights": {"update": -1}},
            "section_weights.update: should be greater than or equal to 0",
        ),
        ({"preset": "tripos"}, 'there is no preset "tripos"; did you mean "tripost"'),
        ({"preset": "star"}, 'there is no preset "star"; it is one of recipe rest_em'),
    ],
)
def test_what_is_wrong_is_one_sentence(settings, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        recipe(**settings)
    assert "\n" not in str(caught.value)


# -- editing ---------------------------------------------------------------------------------------

PROBLEM = Problem("p1", "2 + 3 * 4", "14", group="length 3")
PROMPT = build_prompt(PromptSettings(), [])
RIGHT = "3 * 4 = 12 ; 2 + 12 = 14 ; #### 14"
SUM, PRODUCT, ANSWER = (
    "3 * 4 = 12 ; 2 + 12 = 15 ; #### 15",
    "3 * 4 = 13 ; 2 + 13 = 15 ; #### 15",
    "3 * 4 = 12 ; 2 + 12 = 14 ; #### 12",
)


def judged(problem, text):
    return Outcome.PASS if text.split()[-1] == problem.answer else Outcome.WRONG


CUT = "✂"  # ends what was cut off


def hold(conversation, *said, judge=judged):
    """What a conversation returns, and what it asked, where these are the completions that it
    gets."""
    response, requests, answers, number = None, [], iter(said), count()
    try:
        while True:
            request = conversation.send(response)
            if isinstance(request, CompletionRequest):
                requests.append(request)
                text = next(answers)
                response = Response(
                    text.removesuffix(CUT), f"drawn{next(number)}", cut_off=text.endswith(CUT)
                )
            else:
                response = Response(outcome=judge(request.problem, request.text))
    except StopIteration as end:
        assert not [*answers], "some were not asked for"
        return *end.value, requests


def edit(text, *said, own=False, script=None, outcome=None, judge=judged, **settings):
    """The trajectory that begins with a text, its turns, and what was asked."""
    chosen = TriPosT.model_validate({"wording": COMPACT, **settings})
    conversations = Conversations(chosen, PROMPT, script or MultistepScript(), own)
    whole = text.removesuffix(CUT)
    attempt = whole, outcome or judged(PROBLEM, whole), text != whole
    return hold(conversations.trajectory(PROBLEM, "first", *attempt), *said, judge=judge)


BY_MODEL = {"feedback": {"by": "model", "model": TEACHER}, "improver": {"by": "model"}}
IMPROVED_BY_MODEL = {"improver": {"by": "model", "model": TEACHER}}


def report(step, segment="", reason="no"):
    return f"Earliest error step: {step}\nError segment: {segment}\nError reason: {reason}"


def test_what_is_right_at_once_is_one_turn():
    trajectory, turns, asked = edit(RIGHT)
    assert (
        trajectory.ending,
        trajectory.kept,
        trajectory.turns,
        trajectory.sample_key,
        trajectory.group,
    ) == (
        *("correct", 1, 1, "first"),
        PROBLEM.group,
    )
    [turn] = turns
    assert (turn.turn, turn.attempt, turn.feedback, turn.step, turn.update, turn.own) == (
        1,
        RIGHT,
        "all",
        None,
        None,
        None,
    )
    assert asked == []


@pytest.mark.parametrize(
    ("text", "step", "kind", "feedback"),
    [
        (PRODUCT, 1, "calculate", "in 1 is = 13"),
        (SUM, 2, "calculate", "in 2 is = 15"),
        (ANSWER, 3, "final", "in 3 is 12"),
        ("2 + 3 = 5 ; #### 5", 1, "partition", "in 1 is 2 + 3"),
    ],
)
def test_the_script_finds_the_first_error_and_rewrites_from_there_on(text, step, kind, feedback):
    trajectory, (first, last), asked = edit(text)
    assert (trajectory.ending, trajectory.turns, trajectory.kept) == ("improved", 2, 1)
    assert (first.step, first.kind, first.feedback, first.feedback_by, first.update_by) == (
        step,
        kind,
        feedback,
        "script",
        "script",
    )
    assert (first.update, first.outcome) == (RIGHT, "pass")
    assert (last.turn, last.attempt, last.feedback, last.step, last.update) == (
        2,
        RIGHT,
        "all",
        None,
        None,
    )
    assert asked == []


@pytest.mark.parametrize(
    ("ending", "text", "said", "settings"),
    [
        ("infra_error", RIGHT, [], {"outcome": Outcome.INFRA_ERROR}),
        ("infra_error", SUM, [], {"judge": lambda *_: Outcome.INFRA_ERROR}),
        ("unparsable", "no idea", [], {}),
        ("too_long", RIGHT, [], {"max_words": 10}),
        ("cut_off", RIGHT + CUT, [], {}),
        ("feedback_unreadable", SUM, [report(2, "= 15") + CUT], BY_MODEL),
        ("update_cut_off", SUM, ["2 + 12 = 14 ; #### 14" + CUT], IMPROVED_BY_MODEL),
        (
            "update_cut_off",
            SUM,
            ["3 * 4 = 12 ; 2 + 12 = 14 ; #### 14" + CUT],
            {"improver": {"by": "self"}},
        ),
        ("contradiction", RIGHT, [], {"outcome": Outcome.WRONG}),
        ("feedback_unreadable", SUM, ["I do not know"], BY_MODEL),
        ("no_such_step", SUM, [report(9, "= 15")], BY_MODEL),
        ("no_such_step", SUM, [report(0, "= 15")], BY_MODEL),
        ("contradiction", SUM, [report("none")], BY_MODEL),
        ("update_unparsable", SUM, ["no idea"], IMPROVED_BY_MODEL),
        ("step_unchanged", SUM, ["3 * 4 = 12 ; 2 + 12 = 15 ; #### 14"], IMPROVED_BY_MODEL),
        ("segment_kept", SUM, ["3 * 4 = 12 ; 12 + 2 = 15 ; #### 14"], IMPROVED_BY_MODEL),
        (
            "prefix_changed",
            SUM,
            ["4 * 3 = 12 ; 2 + 12 = 14 ; #### 14"],
            {"improver": {"by": "self"}},
        ),
        (
            "no_progress",
            SUM,
            [report(2, "= 15"), "2 + 12 = 16 ; #### 16", report(1, "= 12")],
            BY_MODEL,
        ),
        ("not_successful", SUM, ["2 + 12 = 16 ; #### 16"], {**IMPROVED_BY_MODEL, "max_updates": 1}),
        ("improved", SUM, ["2 + 12 = 14 ; #### 14"], IMPROVED_BY_MODEL),
        ("improved", SUM, ["3 * 4 = 12 ; 2 + 12 = 14 ; #### 14"], IMPROVED_BY_MODEL),
        ("improved", SUM, ["2 + 12 = 16 ; #### 16", "2 + 12 = 14 ; #### 14"], IMPROVED_BY_MODEL),
        ("improved", SUM, [report(2, "= 15"), "2 + 12 = 14 ; #### 14"], BY_MODEL),
        ("correct", RIGHT, [], BY_MODEL),
    ],
)
def test_every_ending_has_its_name(ending, text, said, settings):
    trajectory, turns, _ = edit(text, *said, **settings)
    assert (trajectory.ending, trajectory.kept) == (ending, int(ending in ("correct", "improved")))
    assert trajectory.turns == len(turns)
    assert [turn.turn for turn in turns] == list(range(1, len(turns) + 1))
    assert all(before.update == after.attempt for before, after in pairwise(turns))


@pytest.mark.parametrize(
    ("left_out", "text", "said", "settings", "ending"),
    [
        ("too_long", RIGHT, [], {"max_words": 10}, "correct"),
        (
            "prefix_changed",
            SUM,
            ["4 * 3 = 12 ; 2 + 12 = 14 ; #### 14"],
            {"improver": {"by": "self"}},
            "improved",
        ),
        (
            "step_unchanged",
            SUM,
            [report(2, "x"), "3 * 4 = 12 ; 2 + 12 = 15 ; #### 14"],
            BY_MODEL,
            "improved",
        ),
        ("segment_kept", SUM, [report(2, "2"), "2 + 12 = 14 ; #### 14"], BY_MODEL, "improved"),
        (
            "no_progress",
            SUM,
            [
                report(2, "= 15"),
                "2 + 12 = 16 ; #### 16",
                report(1, "12"),
                "4 * 3 = 13 ; 2 + 13 = 14 ; #### 14",
            ],
            BY_MODEL,
            "improved",
        ),
    ],
)
def test_a_filter_that_is_left_out_drops_nothing(left_out, text, said, settings, ending):
    whole = hold_until_dropped(text, said, settings)
    assert whole == left_out
    assert (
        edit(text, *said, **settings, filters=[name for name in FILTERS if name != left_out])[
            0
        ].ending
        == ending
    )


def hold_until_dropped(text, said, settings):
    """The ending with all filters, which may come before everything is said."""
    chosen = TriPosT.model_validate({"wording": COMPACT, **settings})
    conversation = Conversations(chosen, PROMPT, MultistepScript(), False).trajectory(
        PROBLEM, "first", text, judged(PROBLEM, text)
    )
    response, answers = None, iter(said)
    try:
        while True:
            request = conversation.send(response)
            response = (
                Response(next(answers), "key")
                if isinstance(request, CompletionRequest)
                else Response(outcome=judged(PROBLEM, request.text))
            )
    except StopIteration as end:
        return end.value[0].ending


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("2 + 12 = 15", True),
        ("12 + 2= 15", True),
        ("2 + 12 = 150", False),
        ("= 1 5", False),
        ("2 + 12 = 14", False),
    ],
)
def test_a_segment_is_kept_as_words_of_their_own(text, kept):
    fault = fault_of_update(
        Attempt(("3 * 4 = 12", "so = 15"), "15"),
        Feedback(2, "= 15"),
        Attempt(("3 * 4 = 12", text), "0"),
        FILTERS,
    )
    assert fault == ("segment_kept" if kept else None)


@pytest.mark.parametrize(
    ("before", "after", "progress"),
    [
        (Feedback(2, "a"), Feedback(None), True),
        (Feedback(2, "a"), Feedback(3, "a"), True),
        (Feedback(2, "a"), Feedback(2, "b"), True),
        (Feedback(2, "a"), Feedback(2, "a"), False),
        (Feedback(2, "a"), Feedback(1, "b"), False),
    ],
)
def test_progress_is_a_later_error_or_another(before, after, progress):
    assert is_progress(before, after) == progress


def test_what_models_are_asked():
    prompts = (
        {"prompt": "{question} | {attempt} | {answer}"},
        {"prompt": "{question} | {attempt} | {feedback} | {step} | {prefix} | {answer}"},
    )
    settings = {
        "feedback": BY_MODEL["feedback"] | prompts[0],
        "improver": BY_MODEL["improver"] | prompts[1],
    }
    _, turns, asked = edit(SUM, report(2, "= 15"), "2 + 12 = 14 ; #### 14", **settings)
    assert [(each.role, each.prompt) for each in asked] == [
        ("feedback", f"2 + 3 * 4 | {SUM} | 14"),
        ("improver", f"2 + 3 * 4 | {SUM} | in 2 is = 15 | 2 | 3 * 4 = 12 | 14"),
    ]
    assert [each.sampling.temperature for each in asked] == [0.0, 0.7]
    assert (turns[0].feedback_by, turns[0].update_by, turns[0].update_sample, turns[0].update) == (
        "model",
        "model",
        "drawn1",
        RIGHT,
    )


def test_numbered_steps_that_a_model_goes_on_with_are_put_behind_the_right_ones():
    conversations = Conversations(
        TriPosT.model_validate(IMPROVED_BY_MODEL), PROMPT, MultistepScript(), False
    )
    text = "(1) 3 * 4 = 12\n(2) 2 + 12 = 15\nFinal answer: 15"
    for said in (
        "(2) 2 + 12 = 14\nFinal answer: 14",
        "(1) 3 * 4 = 12\n(2) 2 + 12 = 14\nFinal answer: 14\n",
    ):
        trajectory, turns, _ = hold(
            conversations.trajectory(PROBLEM, "first", text, Outcome.WRONG), said
        )
        assert trajectory.ending == "improved"
        assert turns[0].update.strip() == "(1) 3 * 4 = 12\n(2) 2 + 12 = 14\nFinal answer: 14"
    said = "(1) 4 * 3 = 12\n(2) 2 + 12 = 14\nFinal answer: 14"
    assert (
        hold(conversations.trajectory(PROBLEM, "first", text, Outcome.WRONG), said)[0].ending
        == "prefix_changed"
    )


# -- the policy's own feedback and updates ---------------------------------------------------------


def test_right_feedback_and_a_good_update_of_the_policy_are_kept():
    trajectory, (first, last), asked = edit(SUM, " in 2 is = 15", RIGHT, "all", own=True)
    assert trajectory.ending == "improved"
    assert (first.own, first.feedback, first.feedback_by, first.feedback_sample) == (
        "right",
        "in 2 is = 15",
        "self",
        "drawn0",
    )
    assert (first.update, first.update_by, first.update_sample) == (RIGHT, "self", "drawn1")
    assert (last.own, last.feedback, last.feedback_by, last.feedback_sample) == (
        "right",
        "all",
        "self",
        "drawn2",
    )
    assert [each.role for each in asked] == ["policy"] * 3
    assert asked[0].prompt == f"Q: 2 + 3 * 4 A:{SUM} ? "
    assert asked[1].prompt == f"Q: 2 + 3 * 4 A:{SUM} ? in 2 is = 15 : "
    assert asked[2].prompt == f"Q: 2 + 3 * 4 A:{RIGHT} ? "


@pytest.mark.parametrize(
    ("said", "own"), [("in 1 is = 12", "wrong"), ("all", "wrong"), ("well", "unreadable")]
)
def test_wrong_feedback_of_the_policy_is_replaced(said, own):
    _, (first, last), _ = edit(SUM, said, "all", own=True)
    assert (first.own, first.feedback, first.feedback_by, first.update_by) == (
        own,
        "in 2 is = 15",
        "script",
        "script",
    )
    assert first.feedback_sample == "drawn0"
    assert (last.own, last.feedback_by) == ("right", "self")


@pytest.mark.parametrize("update", ["no idea", SUM, "4 * 3 = 12 ; 2 + 12 = 14 ; #### 14"])
def test_a_bad_update_of_the_policy_is_replaced_by_the_improver(update):
    trajectory, (first, _), _ = edit(SUM, "in 2 is = 15", update, "all", own=True)
    assert trajectory.ending == "improved"
    assert (first.feedback_by, first.update, first.update_by, first.update_sample) == (
        "self",
        RIGHT,
        "script",
        None,
    )


def test_a_right_attempt_that_the_policy_calls_wrong_is_told_to_be_right():
    trajectory, [turn], _ = edit(RIGHT, "in 1 is = 12", own=True)
    assert (trajectory.ending, turn.feedback, turn.feedback_by, turn.own) == (
        "correct",
        "all",
        "script",
        "wrong",
    )


def test_the_policy_alone_is_asked_where_it_corrects_itself():
    settings = {"feedback": {"by": "self"}, "improver": {"by": "self"}}
    trajectory, turns, asked = edit(
        SUM, "in 2 is = 15", "in 2 is = 15", RIGHT, "all", own=True, **settings
    )
    assert trajectory.ending == "improved"
    assert {each.role for each in asked} == {"policy"}
    assert asked[0] == asked[1]  # drawn once
    assert [turn.feedback_by for turn in turns] == ["self", "self"]


# -- scripts that fail -----------------------------------------------------------------------------


class Broken(MultistepScript):
    """Says, or corrects, what it is given."""

    def __init__(self, feedback=None, improve=None):
        self._feedback, self._improve = feedback, improve

    def feedback(self, problem, attempt):
        return self._feedback() if self._feedback else super().feedback(problem, attempt)

    def improve(self, problem, steps):
        return self._improve() if self._improve else super().improve(problem, steps)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (
            {"feedback": lambda: 1 / 0},
            "`feedback` of Broken on problem p1 failed: ZeroDivisionError: division by zero",
        ),
        (
            {"feedback": lambda: "step 2"},
            "`feedback` of Broken on problem p1 returned 'step 2'; it has to return a Feedback",
        ),
        ({"feedback": lambda: None}, "on problem p1 returned None"),
        (
            {"feedback": lambda: Feedback(4)},
            "on problem p1 names step 4 of an attempt with 2 steps; steps count from 1, and 3 is",
        ),
        (
            {"feedback": lambda: Feedback(0)},
            "on problem p1 names step 0 of an attempt with 2 steps",
        ),
        ({"improve": lambda: {}["x"]}, "`improve` of Broken on problem p1 failed: KeyError: 'x'"),
        (
            {"improve": lambda: RIGHT},
            (
                "`improve` of Broken on problem p1 returned '3 .*; it has to return an Attempt that"
                " begins with"
            ),
        ),
        (
            {"improve": lambda: Attempt(("4 * 3 = 12",), "14")},
            "has to return an Attempt that begins with",
        ),
    ],
)
def test_a_script_that_fails_is_blamed_with_the_problem(broken, sentence):
    with pytest.raises(UserError, match=f"recipe.feedback.script: .*{sentence}") as caught:
        edit(SUM, script=Broken(**broken))
    assert "\n" not in str(caught.value)


# -- self-improvement ------------------------------------------------------------------------------


def answer(text, *said, script=True, **settings):
    chosen = TriPosT.model_validate({"wording": COMPACT, **settings})
    conversations = Conversations(chosen, PROMPT, MultistepScript() if script else None, True)
    requests, response, answers = [], None, iter(said)
    conversation = conversations.answer(PROBLEM, text)
    try:
        while True:
            request = conversation.send(response)
            requests += [request] if isinstance(request, CompletionRequest) else []
            response = (
                Response(next(answers), "key")
                if isinstance(request, CompletionRequest)
                else Response(outcome=judged(PROBLEM, request.text))
            )
    except StopIteration as end:
        assert not [*answers], "some were not asked for"
        assert {request.sampling.temperature for request in requests} <= {0.0}
        return end.value


def counts(found):
    return found.flagged, found.flagged_wrong, found.wrong, found.judged


@pytest.mark.parametrize(
    ("text", "said", "ended", "outcomes", "updates", "flags"),
    [
        (RIGHT, ["all"], "declared_right", ("pass", "pass"), 0, (0, 0, 0, 1)),
        (SUM, ["all"], "declared_right", ("wrong", "wrong"), 0, (0, 0, 1, 1)),
        (SUM, ["in 2 is = 15", RIGHT, "all"], "declared_right", ("wrong", "pass"), 1, (1, 1, 1, 2)),
        (RIGHT, ["in 2 is = 14", SUM, "all"], "declared_right", ("pass", "wrong"), 1, (1, 0, 1, 2)),
        (
            SUM,
            ["in 2 is = 15", SUM.replace(" ", "  ")],
            "repeated",
            ("wrong", "wrong"),
            0,
            (1, 1, 1, 1),
        ),
        (
            SUM,
            ["in 2 is = 15", RIGHT, "in 1 is = 12", SUM],
            "repeated",
            ("wrong", "pass"),
            1,
            (2, 1, 1, 2),
        ),
        (SUM, ["well"], "unreadable", ("wrong", "wrong"), 0, (0, 0, 0, 0)),
        (
            SUM,
            ["in 2 is = 15", PRODUCT, "in 1 is = 13", RIGHT],
            "limit",
            ("wrong", "pass"),
            2,
            (2, 2, 2, 2),
        ),
        (
            "no idea",
            ["in 1 is no", "none", "all"],
            "declared_right",
            ("wrong", "wrong"),
            1,
            (1, 1, 2, 2),
        ),
    ],
)
def test_the_policy_goes_on_until_it_is_content_repeats_itself_or_may_no_more(
    text, said, ended, outcomes, updates, flags
):
    found = answer(text, *said, updates_at_test=2)
    assert (found.ended, (found.direct, found.final), found.updates, counts(found)) == (
        ended,
        outcomes,
        updates,
        flags,
    )
    assert (found.problem_id, found.split, found.group) == (
        PROBLEM.id,
        PROBLEM.split,
        PROBLEM.group,
    )


def test_the_script_also_sees_a_wrong_step_below_a_right_answer():
    lucky = "3 * 4 = 13 ; 2 + 13 = 14 ; #### 14"
    assert counts(answer(lucky, "all")) == (0, 0, 1, 1)
    assert counts(answer(lucky, "all", script=False)) == (0, 0, 0, 1)


def improvement(
    id,
    direct,
    final,
    updates=0,
    ended="declared_right",
    flags=(0, 0, 0, 1),
    split="test",
    group="short",
):
    return Improvement(id, split, group, direct, final, updates, ended, *flags)


def test_figures_of_self_improvement():
    found = measure(
        [
            improvement("a", "pass", "pass"),
            improvement("b", "wrong", "pass", 1, flags=(1, 1, 1, 2)),
            improvement("c", "pass", "wrong", 2, "limit", (2, 1, 1, 2), group="long"),
            improvement("d", "malformed", "wrong", 1, "repeated", (1, 1, 2, 2), group="long"),
            improvement("e", "wrong", "wrong", flags=(0, 0, 1, 1), split="transfer", group="deep"),
        ]
    )
    assert found["test"] == {
        "problems": 4,
        "direct": 0.5,
        "final": 0.5,
        "wrong_to_right": 1,
        "right_to_wrong": 1,
        "updates": 1.0,
        "ended": {"declared_right": 2, "limit": 1, "repeated": 1},
        "feedback_precision": 3 / 4,
        "feedback_recall": 3 / 4,
        "groups": {
            "long": {"problems": 2, "direct": 0.5, "final": 0.0},
            "short": {"problems": 2, "direct": 0.5, "final": 1.0},
        },
    }
    assert (found["transfer"]["feedback_precision"], found["transfer"]["feedback_recall"]) == (
        None,
        0.0,
    )


def test_the_last_attempt_is_what_scores():
    scores = [Score(id, "test", "", greedy, 2, 1) for id, greedy in (("a", 1), ("b", 0), ("c", 1))]
    scores.append(Score("b", "suite", "", 0, 0, 0, "other"))
    final = with_final_answers(
        scores, [improvement("a", "pass", "wrong"), improvement("b", "wrong", "pass")]
    )
    assert [(s.problem_id, s.greedy) for s in final] == [("a", 0), ("b", 1), ("c", 1), ("b", 0)]
