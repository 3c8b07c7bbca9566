"""Settings of MMST: the pairs that are on, and what is refused."""

import pytest

from selftrain_assets.config import parse_experiment
from selftrain_assets.core.errors import UserError

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
    chosen = recipe(methods=METHODS, cross_training={"text": {"code": 0.5, "table": 0}, "table": {"text": 1}})
    assert chosen.pairs() == {("text", "code"): 0.5, ("table", "text"): 1.0}
    assert chosen.own_stages == ("translations",)
    assert recipe(cross_training={}).own_stages == ()


def test_what_is_not_sampled_teaches_nothing_and_can_be_taught():
    assert recipe(methods=[METHODS[0], METHODS[1] | {"sampled": False}]).pairs() == {("text", "code"): 1.0}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"recipe": {"methods": [METHODS[0], METHODS[0]]}}, 'methods: "text" is there twice; each method needs a name of its own'),
        ({"recipe": {"methods": METHODS[:1]}}, "recipe.methods: .*at least 2"),
        (
            {"recipe": {"methods": [METHODS[0], {"name": "code", "verifier": {"type": "code"}}]}},
            'methods: "text" and "code" have the same prompt .*give "code" a prompt.template of its own',
        ),
        ({"recipe": {"cross_training": {"text": {"cod": 1}}}}, 'cross_training: there is no method "cod"; did you mean "code"'),
        ({"recipe": {"cross_training": {"txt": {}}}}, 'cross_training: there is no method "txt"; did you mean "text"'),
        ({"recipe": {"cross_training": {"text": {"text": 1}}}}, '"text" to "text" is no translation; leave it out'),
        ({"recipe": {"cross_training": {"text": {"code": -1}}}}, 'the weight from "text" to "code" is below 0; 0 is off'),
        ({"recipe": {"methods": [m | {"sampled": False} for m in METHODS]}}, "at least one must be sampled"),
        (
            {"recipe": {"methods": [METHODS[0], METHODS[1] | {"translation": "{question}"}]}},
            r"recipe.methods\[1\].translation: must contain \{solution\}",
        ),
        ({"recipe": {"methods": [METHODS[0], METHODS[1] | {"name": "Code!"}]}}, r"recipe.methods\[1\].name: String should match pattern"),
        ({"recipe": {"method": METHODS}}, 'unknown field "recipe.method"; did you mean "methods"'),
        ({"recipe": {"sampling": {}}}, 'unknown field "recipe.sampling"'),
        ({"prompt": {"few_shot": 1}}, r"prompt: recipe mmst has one for each of its methods; set it there \(recipe.methods\)"),
        ({"verifier": {"type": "numeric"}}, "verifier: recipe mmst has one for each of its methods"),
    ],
)
def test_what_is_wrong_is_one_sentence(settings, sentence):
    with pytest.raises(UserError, match=sentence) as error:
        parse_experiment(settings | {"recipe": {"type": "mmst", **settings.get("recipe", {})}}, "defs.yaml")
    assert "\n" not in str(error.value)
