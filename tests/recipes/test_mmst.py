"""Settings of MMST: the pairs that are on, and what is refused."""

import pytest

from selftrain_assets.config.experiment import parse_experiment
from selftrain_assets.domain.errors import UserError

METHODS = [
    {"name": "text"},
    {"name": "code", "prompt": {"template": "Q: {question} ="}, "verifier": {"type": "code"}},
    {"name": "table", "prompt": {"template": "Q: {question} |"}, "verifier": {"tolerance": 0.5}},
]


def recipe(**settings):
    return parse_experiment({"recipe": {"type": "mmst", **settings}}, "defs.yaml").recipe


def test_without_a_matrix_every_method_teaches_every_other():
    assert recipe().pairs() == {("text", "code"): 1.0, ("code", "text"): 1.0}
    assert len(recipe(methods=METHODS).pairs()) == 6


def test_a_matrix_says_what_is_on_and_with_which_weight():
    chosen = recipe(
        methods=METHODS, cross_training={"text": {"code": 0.5, "table": 0}, "table": {"text": 1}}
    )
    assert chosen.pairs() == {("text", "code"): 0.5, ("table", "text"): 1.0}
    assert chosen.own_stages == ("translations",)
    assert recipe(cross_training={}).own_stages == ()


def test_what_is_not_sampled_teaches_nothing_and_can_be_taught():
    assert recipe(methods=[METHODS[0], METHODS[1] | {"sampled": False}]).pairs() == {
        ("text", "code"): 1.0
    }


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"recipe": {"methods": [METHODS[0], METHODS[0]]}},
            'methods: "text" is there twice; each method needs a name of its own',
        ),
        (
            {
                "recipe": {
                    "methods": [
                        METHODS[0] | {"translation": "{question} {solution}"},
                        METHODS[1] | {"translation": "{question} {solution}"},
                    ]
                }
            },
            'methods: "text" and "code" have the same translation .*or put {method} into it',
        ),
        ({"recipe": {"methods": METHODS[:1]}}, "recipe.methods: .*at least 2"),
        (
            {"recipe": {"methods": [METHODS[0], {"name": "code", "verifier": {"type": "code"}}]}},
            (
                'methods: "text" and "code" have the same prompt .*give "code" a prompt.template of'
                " its own"
            ),
        ),
        (
            {"recipe": {"cross_training": {"text": {"cod": 1}}}},
            'cross_training: there is no method "cod"; did you mean "code"',
        ),
        (
            {"recipe": {"cross_training": {"txt": {}}}},
            'cross_training: there is no method "txt"; did you mean "text"',
        ),
        (
            {"recipe": {"cross_training": {"text": {"text": 1}}}},
            '"text" to "text" is no translation; leave it out',
        ),
        (
            {"recipe": {"cross_training": {"text": {"code": -1}}}},
            'the weight from "text" to "code" is below 0; 0 is off',
        ),
        (
            {"recipe": {"methods": [m | {"sampled": False} for m in METHODS]}},
            "at least one must be sampled",
        ),
        (
            {"recipe": {"methods": [METHODS[0], METHODS[1] | {"translation": "{question}"}]}},
            r"recipe.methods\[1\].translation: must contain \{solution\}",
        ),
        (
            {"recipe": {"methods": [METHODS[0], METHODS[1] | {"name": "Code!"}]}},
            r"recipe.methods\[1\].name: String should match pattern",
        ),
        ({"recipe": {"method": METHODS}}, 'unknown field "recipe.method"; did you mean "methods"'),
        ({"recipe": {"sampling": {}}}, 'unknown field "recipe.sampling"'),
        (
            {"prompt": {"few_shot": 1}},
            r"prompt: recipe mmst has one for each of its methods; set it there \(recipe.methods\)",
        ),
        (
            {"verifier": {"type": "numeric"}},
            "verifier: recipe mmst has one for each of its methods",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence(settings, sentence):
    with pytest.raises(UserError, match=sentence) as error:
        parse_experiment(
            settings | {"recipe": {"type": "mmst", **settings.get("recipe", {})}}, "defs.yaml"
        )
    assert "\n" not in str(error.value)


# -- presets ---------------------------------------------------------------------------------------


def test_st_draws_from_one_method_as_much_as_mmst_from_both_and_its_translations():
    mmst = recipe()
    per_problem = sum(m.sampling.samples_per_problem for m in mmst.methods)
    for name, drawn in (("st_text", "text"), ("st_code", "code")):
        alone = recipe(preset=name)
        assert [m.name for m in alone.methods] == ["text", "code"]
        assert [m.name for m in alone.methods if m.sampled] == [drawn]
        assert alone.own_stages == ()
        [of] = [m.sampling.samples_per_problem for m in alone.methods if m.sampled]
        assert of == per_problem + 2
        assert [(m.prompt, m.verifier, m.translation) for m in alone.methods] == [
            (m.prompt, m.verifier, m.translation) for m in mmst.methods
        ]


def test_mmst_at_the_size_of_st_differs_in_nothing_else():
    assert recipe(preset="mmst_st_size") == recipe().model_copy(update={"size_match": "per_method"})


def test_mixed_distillation_learns_both_methods_from_a_teacher_and_translates_nothing():
    """Arm of arXiv 2312.10730: the student starts from the pretrained model."""
    chosen = recipe(preset="mixed_distillation", teacher="./teacher")
    assert (chosen.teacher, chosen.init_from, chosen.own_stages) == ("./teacher", "pretrained", ())
    assert all(m.sampled for m in chosen.methods)
    with pytest.raises(
        UserError,
        match="preset mixed_distillation needs the field teacher; set it beside the preset",
    ):
        recipe(preset="mixed_distillation")


@pytest.mark.parametrize(
    ("teacher", "sentence"),
    [
        (
            {"experimen": "x", "iteration": 1},
            'unknown field "recipe.teacher.experimen"; did you mean "experiment"',
        ),
        ({"experiment": "x"}, "recipe.teacher.iteration: Field required"),
        (
            {"experiment": "x", "iteration": 0},
            "recipe.teacher.iteration: should be greater than or equal to 1, not 0",
        ),
        (3, "recipe.teacher: should be a valid string, not 3"),
    ],
)
def test_a_wrong_teacher_is_told_by_its_field(teacher, sentence):
    with pytest.raises(UserError, match=sentence):
        recipe(teacher=teacher)


def test_own_fields_override_a_preset():
    assert recipe(preset="st_text", cap=2) == recipe(preset="st_text").model_copy(update={"cap": 2})
