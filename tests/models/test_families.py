"""Endings and tokens of well-known families of models: what ends a sample, what is learnt to end
a row, and texts as ids and back."""

import json
import random

import pytest

from selftrain_assets.domain.errors import ModelError
from selftrain_assets.domain.random_init import ScratchModel
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.types import Request
from selftrain_assets.engines import TransformersSettings
from selftrain_assets.models.loading import load_model, resolve_model
from selftrain_assets.models.tokenization import (
    check_tokenizer,
    decode,
    encode_completion,
    encode_ended,
    encode_prompt,
    end_tokens,
    learnt_end,
    load_tokenizer,
    tokenless,
)
from tests.models import families

FAMILIES = (
    families.qwen,
    families.llama_3,
    families.gemma,
    families.gpt_2,
    families.llama_2,
    families.mistral,
    families.gpt_oss,
)


@pytest.fixture(scope="module")
def family(tmp_path_factory):
    """Returns a function that gives the tiny model of a family, made once."""
    made = {}

    def of(make):
        if make not in made:
            made[make] = make(tmp_path_factory.mktemp(make.__name__))
        return made[make]

    return of


def names(ref):
    return load_tokenizer(ref).convert_ids_to_tokens(end_tokens(ref))


# -- what ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "ends", "of_text", "of_turn"),
    [
        (families.qwen, ["<|im_end|>", "<|endoftext|>"], None, None),
        (families.llama_3, ["<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"], None, None),
        (families.gemma, ["<eos>", "<end_of_turn>"], None, "<end_of_turn>"),
        (families.gpt_2, ["<|endoftext|>"], None, None),
        (families.llama_2, ["</s>"], None, None),
        (families.mistral, ["</s>"], None, None),
        (families.gpt_oss, ["<|return|>", "<|endoftext|>", "<|call|>"], None, None),
    ],
)
def test_each_family_ends_at_its_end_tokens_and_learns_its_own(
    family, make, ends, of_text, of_turn
):
    ref = family(make)
    check_tokenizer(ref)
    assert names(ref) == ends
    assert (learnt_end(ref), learnt_end(ref, chat=True)) == (of_text, of_turn)
    assert set(load_model(ref, "cpu").generation_config.eos_token_id) == set(end_tokens(ref))


def test_a_base_model_with_a_chat_template_ends_a_text_by_one_token_and_a_turn_by_another(tmp_path):
    ends = {"config_ends": ("<|endoftext|>",), "generation_ends": ("<|endoftext|>",)}
    ref = families.qwen(tmp_path, eos_token="<|endoftext|>", **ends)
    assert names(ref) == ["<|endoftext|>", "<|im_end|>"]
    assert (learnt_end(ref), learnt_end(ref, chat=True)) == (None, "<|im_end|>")


def test_sampling_ends_at_both_where_tokenizer_and_model_differ_and_a_text_learns_the_models(
    tmp_path,
):
    ref = families.gpt_2(tmp_path, config_ends=(5,))
    assert end_tokens(ref)[0] == 5
    assert len(end_tokens(ref)) == 2
    assert encode_ended(load_tokenizer(ref), "", learnt_end(ref)) == [5]


def test_ids_that_can_never_be_drawn_are_no_ends(tmp_path):
    ref = families.gpt_2(tmp_path, config_ends=(-1,), generation_ends=(10**6, "<|endoftext|>"))
    assert names(ref) == ["<|endoftext|>"]
    check_tokenizer(ref)


@pytest.mark.parametrize("opens", ["<|im_start|>", "<|im_end|>\n<|im_start|>"])
def test_a_template_that_always_opens_the_next_turn_ends_this_one_by_what_closes_it(
    tmp_path, opens
):
    always = (
        "{% for m in messages %}{{ m.role + ':' + m.content + '\n' }}{% if loop.last %}OPENS{%"
        " endif %}{% endfor %}"
    )
    ref = families.qwen(
        tmp_path,
        template=always.replace("OPENS", opens),
        eos_token="<|endoftext|>",
        generation_ends=(),
        config_ends=(),
    )
    assert names(ref) == ["<|endoftext|>", *(["<|im_end|>"] if "im_end" in opens else [])]


def test_a_tokenizer_without_end_token_takes_the_models(tmp_path):
    made = families.byte_level()
    ref = families.model(tmp_path, made, ("<end>",), config_ends=("<end>",))
    check_tokenizer(ref)
    tokenizer = load_tokenizer(ref)
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<end>", "<end>")
    assert encode_ended(tokenizer, "", None) == end_tokens(ref)


def test_without_any_end_token_a_model_is_refused(tmp_path):
    ref = families.model(tmp_path, families.byte_level())
    with pytest.raises(
        ModelError,
        match=(
            r"knows no end token, so that no sample would end before max_tokens; name one,"
            r" eos_token in"
        ),
    ):
        check_tokenizer(ref)


def test_an_end_token_that_its_tokenizer_splits_is_learnt_whole(tmp_path):
    ref = families.model(tmp_path, families.words(), config_ends=(1,))
    tokenizer = load_tokenizer(ref)
    assert tokenizer("</s>", add_special_tokens=False).input_ids == [4, 5, 6, 7]
    assert end_tokens(ref) == [1]
    assert encode_ended(tokenizer, "two", "</s>") == [3, 1]
    assert encode_ended(tokenizer, "two", "") == [3]
    assert encode_ended(tokenizer, "two", " one") == [3, 2]


@pytest.mark.parametrize(
    ("file", "value", "sentence"),
    [
        (
            "config.json",
            {"eos_token_id": "<|endoftext|>"},
            r"config\.json of .* cannot be used: Validation error for field 'eos_token_id'",
        ),
        (
            "config.json",
            {"eos_token_id": [[1], 2]},
            r"config\.json of .* cannot be used: .*eos_token_id",
        ),
        (
            "generation_config.json",
            {"eos_token_id": "<|im_end|>"},
            r"generation_config\.json of .* names the end token '<\|im_end\|>'; eos_tok",
        ),
        (
            "generation_config.json",
            [],
            r"generation_config\.json of .* cannot be used: 'list' object",
        ),
    ],
)
def test_an_end_token_that_is_no_number_is_one_sentence(tmp_path, file, value, sentence):
    ref = families.qwen(tmp_path)
    written = json.loads((tmp_path / file).read_text())
    (tmp_path / file).write_text(json.dumps(written | value if value else value))
    with pytest.raises(ModelError, match=f"^model: {sentence}"):
        check_tokenizer(ref)


# -- what fits -------------------------------------------------------------------------------------


def test_more_tokens_than_the_embedding_has_rows_are_refused(tmp_path):
    ref = families.qwen(tmp_path, spare=-2)
    with pytest.raises(
        ModelError,
        match=(
            r'has 2 tokens more than the model \(the first is "<think>", id 343; vocab_size .* is'
            r" 343\)"
        ),
    ):
        check_tokenizer(ref)


def drawn(ref, count=8, **settings):
    requests = [Request(str(n), "p", "Tom has" + " 3" * (n % 7), n, 0) for n in range(count)]
    with TransformersSettings(device="cpu", batch_size=count).open(ref) as engine:
        return list(
            engine.generate(
                requests, DrawSettings(**{"temperature": 3.0, "max_tokens": 24} | settings)
            )
        )


@pytest.mark.parametrize("make", FAMILIES)
def test_a_drawn_end_token_is_named_and_learnt_again(family, make):
    """Also where it is the padding, begin and unknown token too."""
    ref = family(make)
    tokenizer, ends = load_tokenizer(ref), set(end_tokens(ref))
    found = drawn(ref, 200, temperature=5.0, max_tokens=40)
    ended = [completion for completion in found if completion.finish_reason == "stop"]
    assert {completion.tokens[-1] for completion in ended} <= ends
    assert len(ended) > 5
    for completion in found:
        assert not ends & set(completion.tokens[:-1])
        if completion.ended_by is not None:
            assert encode_ended(tokenizer, "", completion.ended_by) == completion.tokens[-1:]
        assert (
            (completion.ended_by is None)
            == (completion.finish_reason == "length")
            == (completion.tokens[-1] not in ends)
        )


def test_a_padding_token_beyond_the_embedding_is_never_looked_up(tmp_path):
    ref = families.llama_2(tmp_path, pad_token="[PAD]", spare=-1)
    check_tokenizer(ref)
    assert load_tokenizer(ref).pad_token == "</s>"
    assert len(drawn(ref)) == 8


def test_ids_without_a_token_are_never_drawn(family):
    import torch

    ref = family(families.qwen)
    assert tokenless(ref) == list(range(345, 358))
    prompt = torch.tensor([encode_prompt(load_tokenizer(ref), "Tom")])
    torch.manual_seed(0)
    ids = load_model(ref, "cpu").generate(
        prompt, do_sample=True, max_new_tokens=32, num_return_sequences=64, pad_token_id=0
    )
    seen = set(ids.flatten().tolist())
    assert len(seen) > 150
    assert not seen & set(tokenless(ref))


# -- prompts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["Tom has 3", "", " ", "Tom </s>"])
@pytest.mark.parametrize("begins", [True, False])
def test_an_end_token_that_the_tokenizer_appends_is_no_part_of_a_prompt(tmp_path, text, begins):
    plain, appending = (
        families.llama_2(tmp_path / str(n), appends=bool(n), begins=begins) for n in range(2)
    )
    tokenizer = load_tokenizer(appending)
    assert tokenizer("Tom").input_ids[-1] == tokenizer.eos_token_id
    assert encode_prompt(tokenizer, text) == encode_prompt(load_tokenizer(plain), text)


@pytest.mark.parametrize("make", FAMILIES)
def test_a_prompt_begins_once(family, make):
    tokenizer = load_tokenizer(family(make))
    begin = tokenizer.eos_token_id if tokenizer.bos_token is None else tokenizer.bos_token_id
    assert encode_prompt(tokenizer, "") == [begin]
    if tokenizer.chat_template:
        asked = [{"role": "user", "content": "Tom has 3"}]
        chat = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=False)
        assert encode_prompt(tokenizer, chat) == ids


@pytest.mark.parametrize("opens", ["<|start_header_id|>", "### "])
def test_nothing_is_put_before_a_chat_that_its_template_does_not_bring(tmp_path, opens):
    """As transformers has it, and so a server's chat; other texts begin as the tokenizer begins
    them."""
    template = (
        "{% for m in messages %}{{ 'OPENS' + m.role + '\n' + m.content + '\n' }}{% endfor %}{{"
        " 'OPENSassistant\n' }}"
    )
    tokenizer = load_tokenizer(
        families.llama_3(tmp_path, template=template.replace("OPENS", opens))
    )
    said = {"role": "user", "content": "Tom has 3"}
    for chat in (
        [said],
        [{"role": "system", "content": "Be brief."}, said],
        [said, {"role": "assistant", "content": "Yes."}, said],
    ):
        text = tokenizer.apply_chat_template(chat, tokenize=False)
        assert encode_prompt(tokenizer, text) == tokenizer.apply_chat_template(
            chat, return_dict=False
        )
    assert encode_prompt(tokenizer, "Tom has 3")[0] == tokenizer.bos_token_id


# -- completions -----------------------------------------------------------------------------------

PROMPT = "Q: Tom has 3 apples A:"
TEXTS = [
    " 42",
    "42",
    " Tom has 3 + 4 = 7 apples . #### 7",
    "apples",
    "\nprint(add(1, 2))\n    return a",
    "\n\nThe answer is 18.",
    " It's \\boxed{42}, {a: b} x < y",
    "  two spaces",
    " żółw 🐢",
    "= =",
]


KINDS = [*FAMILIES, "unigram", "prefix space", "bytes"]


@pytest.fixture(scope="module")
def tokenizer_of(family, tmp_path_factory):
    def of(kind):
        if callable(kind):
            return load_tokenizer(family(kind))
        if kind == "bytes":
            return load_tokenizer(resolve_model(ScratchModel(layers=1, width=8, heads=1)))
        made = families.unigram() if kind == "unigram" else families.byte_level(prefix_space=True)
        named = {"eos_token": "</s>", **({"unk_token": "<unk>"} if kind == "unigram" else {})}
        return load_tokenizer(
            families.model(
                tmp_path_factory.mktemp("other"), made, ("</s>",), config_ends=("</s>",), **named
            )
        )

    return of


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def continuation(tokenizer, text):
    """The ids of a text as a model draws them behind a prompt; None where it grows together with
    the prompt, as tokens or, where a pattern finds words first, as a word."""
    split = tokenizer.backend_tokenizer.pre_tokenizer
    if getattr(split, "use_regex", False) and all(
        start != len(PROMPT) for _, (start, _) in split.pre_tokenize_str(PROMPT + text)
    ):
        return None
    prompt, both = (
        tokenizer(each, add_special_tokens=False).input_ids for each in (PROMPT, PROMPT + text)
    )
    return both[len(prompt) :] if both[: len(prompt)] == prompt else None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: getattr(kind, "__name__", kind))
def test_what_was_drawn_is_a_text_and_the_same_ids_again(tokenizer_of, kind):
    tokenizer = tokenizer_of(kind)
    tried = 0
    for text in TEXTS:
        ids = continuation(tokenizer, text)
        if ids is None or tokenizer.unk_token_id in ids:
            continue
        tried += 1
        assert decode(tokenizer, ids) == text
        assert encode_completion(tokenizer, text) == ids
    assert tried >= 6


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: getattr(kind, "__name__", kind))
def test_it_holds_for_any_text_of_many(tokenizer_of, kind):
    tokenizer, rng = tokenizer_of(kind), random.Random(0)
    pieces = [
        "Tom",
        " has",
        " 3",
        "4",
        "\n",
        " ",
        "# ",
        ".",
        "'s",
        "apples",
        "print",
        "    ",
        "{",
        "+ ",
        "$",
    ]
    tried = 0
    for _ in range(300):
        text = "".join(rng.choices(pieces, k=rng.randint(1, 8)))
        ids = continuation(tokenizer, text)
        if ids and tokenizer.unk_token_id not in ids:
            tried += 1
            assert encode_completion(tokenizer, decode(tokenizer, ids)) == ids, text
    assert tried > 100


def test_the_embedded_models_texts_have_no_space_that_its_tokens_do_not_have(embedded):
    tokenizer = load_tokenizer(embedded)
    ids = encode_completion(tokenizer, "3 + 4 = 17 ; #### 17")
    assert decode(tokenizer, ids) == "3 + 4 = 17 ; #### 17"
    silent = [tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.unk_token_id]
    assert decode(tokenizer, [*silent, *ids, *silent]) == "3 + 4 = 17 ; #### 17"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            families.gpt_oss,
            (
                "<|channel|>analysis<|message|>Tom has"
                " 3<|end|><|start|>assistant<|channel|>final<|message|>3"
            ),
        ),
        (families.qwen, "<think>\nTom has 3\n</think>\n\n3"),
        (families.mistral, "[THINK]Tom has 3[/THINK]3 apples"),
        (families.mistral, "[THINK] Tom has 3[/THINK] 3 apples"),
        (families.llama_2, " Tom<s>has"),
    ],
)
def test_marks_of_thoughts_and_channels_stay_and_begin_and_padding_go(family, make, text):
    tokenizer = load_tokenizer(family(make))
    ids = encode_completion(tokenizer, text)
    shown = text.replace("<s>", "")
    assert decode(tokenizer, ids) == shown
    assert decode(tokenizer, [*ids, tokenizer.pad_token_id]) == shown
    if "<s>" not in text:
        assert encode_completion(tokenizer, decode(tokenizer, ids)) == ids
