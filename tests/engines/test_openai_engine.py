"""The openai engine against a real local server that fails on demand."""

import shutil
import threading
import time
from dataclasses import replace
from itertools import islice

import pytest
from pydantic import ValidationError

from selftrain_assets.domain.errors import InfraError, ModelError, UserError
from selftrain_assets.domain.prompts import Frame
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.types import Request
from selftrain_assets.domain.weights import NOTES_FILE
from selftrain_assets.engines import OpenAISettings
from selftrain_assets.engines.openai_engine import _loses_first_space
from selftrain_assets.engines.transformers_engine import TransformersEngine
from selftrain_assets.models.loading import ModelRef, load_model
from selftrain_assets.models.tokenization import encode_prompt
from selftrain_assets.recipes.teachers import ServedTeacher
from selftrain_assets.testing.adapters import write_adapter
from tests.engines.openai_server import NAME, Fault, as_teacher, serving, status, without_tokens

GREEDY = DrawSettings(temperature=0, max_tokens=8)
DRAWN = DrawSettings(temperature=1, max_tokens=8)
KEY = "sk-0123456789-very-secret"


@pytest.fixture
def server(embedded):
    with serving(embedded) as started:
        yield started


@pytest.fixture
def opened(server, embedded):
    """Returns a function that opens the engine on the server; retries are few, so that tests end
    soon."""

    def open_engine(**settings):
        return OpenAISettings(
            **{"base_url": server.url, "retries": 2, "timeout_seconds": 20.0} | settings
        ).open(embedded)

    return open_engine


def wanted(count=6, prompt="Q: {} + 5 A:"):
    return [Request(f"k{i}", f"p{i}", prompt.format(i), 2**62 + i, 0) for i in range(count)]


def is_of(i):
    """Does a request's body ask for this prompt?"""
    return lambda body: body["prompt"] == f"Q: {i} + 5 A:"


def first(times, fault):
    """A fault of the first so many requests."""
    left = [fault] * times
    return lambda body: left.pop() if left else None


def drained(engine, requests, sampling=GREEDY):
    """The completions by key, and what was raised after the last."""
    found = {}
    try:
        for completion in engine.generate(requests, sampling):
            found[completion.key] = completion
    except (InfraError, ModelError, UserError) as error:
        return found, error
    return found, None


HANGS_UP = Fault(hangs_up=True)
HANGS = Fault(seconds=12, hangs_up=True)


# -- requests and answers --------------------------------------------------------------------------


def test_a_request_says_what_is_wanted_and_no_more(server, opened):
    request = Request("k", "p", "Q: 1 + 1 A:", 2**62 + 2**40 + 7, 3)
    list(opened().generate([request], DRAWN))
    assert server.asked == [
        {
            "model": NAME,
            "prompt": "Q: 1 + 1 A:",
            "max_tokens": 8,
            "temperature": 1.0,
            "top_p": 1.0,
            "seed": (2**62 + 2**40 + 7) % 2**31,
        }
    ]
    list(
        opened().generate(
            [request], DRAWN.model_copy(update={"top_k": 4, "top_p": 0.5, "stop": (";",)})
        )
    )
    assert {name: server.asked[1][name] for name in ("top_k", "top_p", "stop")} == {
        "top_k": 4,
        "top_p": 0.5,
        "stop": [";"],
    }


def test_answers_are_those_of_the_model(opened, model, tokenizer):
    requests = wanted()
    expected = without_tokens(TransformersEngine(model, tokenizer, 1).generate(requests, GREEDY))
    assert drained(opened(), requests) == (expected, None)


def test_any_text_comes_through(server, opened):
    def strange(body, answer):
        answer["choices"][0]["text"] = "Zoë \N{RED APPLE} 数 e\N{COMBINING ACUTE ACCENT}\0"
        return answer

    server.alter = strange
    prompt = "« 3 »\n\N{RED APPLE}?"
    (completion,) = opened().generate([Request("k", "p", prompt, 1, 0)], GREEDY)
    assert completion.text == "Zoë \N{RED APPLE} 数 e\N{COMBINING ACUTE ACCENT}\0"
    assert server.asked[0]["prompt"] == prompt


@pytest.mark.parametrize("prompt", ["", " \n", "<bos>", "<bos>Q: 1 + 1 A:"])
def test_a_prompt_that_is_or_has_the_begin_token_is_sent_as_tokens(
    server, opened, model, tokenizer, prompt
):
    requests = [Request("k", "p", prompt, 1, 0)]
    expected = without_tokens(TransformersEngine(model, tokenizer, 1).generate(requests, GREEDY))
    assert drained(opened(), requests) == (expected, None)
    assert server.asked[0]["prompt"] == encode_prompt(tokenizer, prompt)
    assert server.asked[0]["prompt"].count(tokenizer.bos_token_id) == 1


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "length"),
        ("tool_calls", "stop"),
        ("function_call", "stop"),
    ],
)
def test_every_way_to_end_is_a_stop_or_a_cut(server, opened, said, reason):
    def ends(body, answer):
        answer["choices"][0] |= {
            "finish_reason": said,
            "text": None if said == "tool_calls" else "3",
        }
        return answer

    server.alter = ends
    (completion,) = opened().generate(wanted(1), GREEDY)
    assert (completion.finish_reason, completion.text) == (
        reason,
        "" if said == "tool_calls" else "3",
    )


def test_a_stop_text_that_a_server_leaves_in_is_cut_off(server, opened):
    def kept(body, answer):
        answer["choices"][0] |= {"text": "3 ; 4", "finish_reason": "stop"}
        return answer

    server.alter = kept
    (completion,) = opened().generate(wanted(1), GREEDY.model_copy(update={"stop": (";",)}))
    assert (completion.text, completion.finish_reason) == ("3 ", "stop")


def test_a_completion_that_the_server_has_no_room_for_is_told_by_its_problem(server, opened):
    def shorter(body, answer):
        answer["choices"][0]["finish_reason"] = "length"
        return answer | {
            "usage": {"prompt_tokens": 9, "completion_tokens": 8 if is_of(0)(body) else 7}
        }

    server.alter = shorter
    found, error = drained(opened(concurrency=1), wanted(2))
    assert set(found) == {"k0"}
    assert "problem p1: its prompt is too long" in str(error)
    assert "room for 7 of 8 tokens after it; shorten it or lower max_tokens" in str(error)


def test_the_first_space_is_left_out_where_the_tokenizer_leaves_it_out(server, opened):
    server.alter = lambda body, answer: (
        answer | {"choices": [{"text": " 3", "finish_reason": "stop"}]}
    )
    (completion,) = opened().generate(wanted(1), GREEDY)
    assert completion.text == "3"
    with as_teacher(ServedTeacher(base_url=server.url, model=NAME, api="completions")) as engine:
        (completion,) = engine.generate(wanted(1), GREEDY)
    assert completion.text == " 3"


@pytest.mark.parametrize("whole", ["Metaspace", "ByteLevel"])
def test_a_tokenizer_whose_tokens_have_spaces_loses_none(whole, tokenizer):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {
        "[UNK]": 0,
        "=": 1,
        "\N{LOWER ONE EIGHTH BLOCK}=": 2,
        "\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}=": 3,
    }
    spaced = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    kinds = {"Metaspace": {}, "ByteLevel": {"add_prefix_space": False, "use_regex": True}}[whole]
    spaced.pre_tokenizer = getattr(pre_tokenizers, whole)(**kinds)
    spaced.decoder = getattr(decoders, whole)()
    assert not _loses_first_space(
        PreTrainedTokenizerFast(tokenizer_object=spaced, unk_token="[UNK]")
    )
    assert _loses_first_space(tokenizer)


def test_answers_without_token_counts_are_refused(server, opened):
    server.alter = lambda body, answer: {k: v for k, v in answer.items() if k != "usage"}
    found, error = drained(opened(), wanted(3))
    assert found == {}
    assert isinstance(error, ModelError)
    assert "does not count tokens" in str(error)


def test_no_more_than_concurrency_are_in_flight(server, opened):
    server.fault = lambda body: Fault(seconds=0.05)
    found, error = drained(opened(concurrency=3), wanted(12))
    assert (len(found), error, server.most_in_flight) == (12, None, 3)


def test_a_chat_teacher_is_sent_one_user_message(server):
    teacher = ServedTeacher(base_url=server.url, model=NAME)
    with as_teacher(teacher) as engine:
        (completion,) = engine.generate(
            [Request("k", "p", "12 + 5", 1, 0)], GREEDY.model_copy(update={"max_tokens": 40})
        )
    assert completion.text == "12 + 5 = 17 ; #### 17"
    with as_teacher(teacher, [Frame("<a>", "</a>"), Frame("<|user|>", "<|assistant|>")]) as engine:
        for n, prompt in enumerate(
            ("<|user|>9 - 4<|assistant|>", "<a>9 - 4</a>", "<a>9 - 4<|assistant|>", "9 - 4")
        ):
            list(engine.generate([Request(f"k{n}", "p", prompt, 1, 0)], GREEDY))
    sent = ["12 + 5", "9 - 4", "9 - 4", "<a>9 - 4<|assistant|>", "9 - 4"]
    assert [body["messages"] for body in server.asked] == [
        [{"role": "user", "content": content}] for content in sent
    ]


def test_a_chat_teacher_is_sent_few_shot_examples_as_turns(server):
    bare = Frame("<u>", "</u><a>")
    behind = Frame("<u>1 + 2</u><a>3</a><u>", "</u><a>", turns=(("1 + 2", "3"),))
    with as_teacher(ServedTeacher(base_url=server.url, model=NAME), [bare, behind]) as engine:
        for frame in (bare, behind):
            list(engine.generate([Request(str(frame), "p", frame.around("9 - 4"), 1, 0)], GREEDY))
    asked = {"role": "user", "content": "9 - 4"}
    turns = [{"role": "user", "content": "1 + 2"}, {"role": "assistant", "content": "3"}]
    assert [body["messages"] for body in server.asked] == [[asked], [*turns, asked]]


# -- failures that pass ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        status(429),
        status(429, retry_after="0.2"),
        status(408),
        status(500),
        status(503),
        status(529),
        HANGS_UP,
        HANGS,
    ],
    ids=["429", "429 with a time", "408", "500", "503", "529", "hangs up", "hangs"],
)
def test_what_fails_is_asked_again(server, opened, fault):
    engine = opened(concurrency=2, timeout_seconds=3.0 if fault is HANGS else 30.0)
    expected = drained(engine, wanted())
    server.asked.clear()
    server.fault = first(2, fault)
    assert drained(engine, wanted()) == expected
    assert len(server.asked) == 8


def test_the_time_that_a_server_asks_for_is_waited(server, opened):
    engine = opened()
    server.fault = first(1, status(429, "slow down", retry_after="1.5"))
    assert drained(engine, wanted(1))[1] is None
    assert server.times[1] - server.times[0] >= 1.5


BROKEN = {
    "503": (lambda body: status(503, "overloaded"), None, "status 503: overloaded"),
    "hangs": (lambda body: HANGS, None, "timed out"),
    "hangs up": (lambda body: HANGS_UP, None, "Connection error"),
    "a page": (lambda body: Fault(200, "<html>"), None, "no completion"),
    "no JSON": (
        lambda body: Fault(200, "{", {"Content-Type": "application/json"}),
        None,
        "no completion",
    ),
    "other JSON": (lambda body: Fault(200, {"choices": []}), None, "no completion"),
    "wrong counts": (
        None,
        {"usage": {"prompt_tokens": -1, "completion_tokens": "many"}},
        "no completion",
    ),
    "aborted": (
        None,
        {"choices": [{"text": "", "finish_reason": "abort"}]},
        'finish_reason "abort"',
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_fails_for_good_is_left_out_and_told_after_the_others(server, opened, kind):
    fault, changes, reason = BROKEN[kind]
    engine = opened(retries=0, concurrency=1, timeout_seconds=3.0 if kind == "hangs" else 30.0)
    expected, _ = drained(engine, wanted())
    bad = is_of(2)
    if fault:
        server.fault = lambda body: fault(body) if bad(body) else None
    else:
        server.alter = lambda body, answer: answer | changes if bad(body) else answer
    found, error = drained(engine, wanted())
    assert found == {key: completion for key, completion in expected.items() if key != "k2"}
    assert isinstance(error, InfraError)
    assert f"{server.url} left 1 of 6 requests unanswered (" in str(error)
    assert reason in str(error)
    assert str(error).endswith("; running again draws them")
    server.fault, server.alter = lambda body: None, lambda body, answer: answer
    assert drained(engine, wanted()) == (expected, None)


def test_a_server_that_goes_down_is_soon_left_alone(server, opened):
    engine = opened(retries=1, concurrency=2, give_up_after=4)
    completions = engine.generate(wanted(200), GREEDY)
    answered = [c.key for c in islice(completions, 3)]
    server.kill()
    begun = time.monotonic()
    with pytest.raises(
        InfraError,
        match=(
            r"left \d+ of 200 requests unanswered, the last \d in a row \(Connection error.*running"
            r" again"
        ),
    ):
        answered += [c.key for c in completions]
    assert time.monotonic() - begun < 10
    assert 3 <= len(answered) < 200
    assert len(server.asked) < 60


def test_one_success_starts_the_count_anew(server, opened):
    server.fault = lambda body: status(503) if not is_of(0)(body) and not is_of(3)(body) else None
    found, error = drained(opened(retries=0, concurrency=1, give_up_after=3), wanted(8))
    assert set(found) == {"k0", "k3"}
    assert "left 6 of 8 requests unanswered, the last 3 in a row (status 503: no)" in str(error)
    assert len(server.asked) == 7


def test_a_server_that_is_down_is_told_at_once(server, opened):
    server.kill()
    with pytest.raises(
        InfraError,
        match=(
            rf"{server.url} does not answer \(Connection error.*\); start the server, or correct"
            r" engine.base_url"
        ),
    ):
        opened(retries=1)


# -- failures that stay ----------------------------------------------------------------------------

PERMANENT = {
    "401": (
        status(401, f"wrong key {KEY}"),
        UserError,
        "engine.key_env: .* does not accept the key in OUR_KEY .status 401.",
    ),
    "403": (status(403), UserError, "engine.key_env"),
    "404": (
        status(404),
        UserError,
        r"engine.base_url: .* does not take what it is asked for arithmetic .*/v1",
    ),
    "400": (
        status(400, "seed is not supported"),
        ModelError,
        r"problem p\d: .* refuses .* \(status 400: seed is not supported\)",
    ),
    "422": (status(422, f"no {KEY}"), ModelError, r"problem p\d: .* \(status 422: no \[key\]\)"),
    "400 too long": (
        status(400, "This model's maximum context length is 9"),
        ModelError,
        r"problem p\d: its prompt .* too long .* shorten",
    ),
    "413": (status(413), ModelError, r"problem p\d: its prompt .* too long"),
    "402": (
        status(402, "pay first"),
        ModelError,
        "refuses what it is asked .status 402.: status 402: pay first",
    ),
}


@pytest.mark.parametrize("kind", PERMANENT)
def test_what_no_repetition_mends_ends_at_once(server, opened, monkeypatch, kind):
    fault, raised, sentence = PERMANENT[kind]
    monkeypatch.setenv("OUR_KEY", f" {KEY}\n")
    engine = opened(key_env="OUR_KEY", concurrency=2)
    server.fault = lambda body: fault
    with pytest.raises(raised, match=sentence) as caught:
        list(engine.generate(wanted(50), GREEDY))
    assert len(server.asked) <= 4
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert server.keys[-1] == f"Bearer {KEY}"


def test_a_missing_key_is_told_by_its_variable(embedded, monkeypatch):
    monkeypatch.delenv("OUR_KEY", raising=False)
    with serving(embedded, key=KEY) as server:
        settings = OpenAISettings(base_url=server.url, key_env="OUR_KEY")
        with pytest.raises(
            UserError, match=r"engine.key_env: .* wants a key, and OUR_KEY is not set"
        ):
            settings.open(embedded)
        monkeypatch.setenv("OUR_KEY", "wrong")
        with pytest.raises(UserError, match="does not accept the key in OUR_KEY"):
            settings.open(embedded)
        monkeypatch.setenv("OUR_KEY", KEY)
        assert drained(settings.open(embedded), wanted(1))[1] is None
        monkeypatch.setenv("OUR_KEY", "schlüssel")
        with pytest.raises(UserError, match="OUR_KEY holds characters that no key has"):
            settings.open(embedded)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("localhost:8000", "address of a server"),
        ("ftp://a/v1", "address of a server"),
        ("http://me:word@a/v1", "key_env names"),
    ],
)
def test_a_wrong_address_is_refused(url, sentence):
    with pytest.raises(ValidationError, match=sentence):
        OpenAISettings(base_url=url)


# -- which model -----------------------------------------------------------------------------------


def test_the_only_model_is_taken_and_of_several_one_must_be_named(server, opened):
    assert drained(opened(), wanted(1))[1] is None
    server.models["other"] = {"id": "other", "root": "owner/name"}
    with pytest.raises(
        UserError, match=r"engine.model: .* serves arithmetic, other; choose one of them"
    ):
        opened()
    with pytest.raises(
        ModelError, match=r'engine.model: .* serves no "arithmetics"; did you mean "arithmetic"'
    ):
        opened(model="arithmetics")
    assert drained(opened(model=NAME), wanted(1))[1] is None


def test_a_server_without_a_list_is_asked_by_name(server, opened):
    server.lists_models = False
    assert drained(opened(model=NAME), wanted(1))[1] is None
    with pytest.raises(
        UserError, match=r"engine.model: .* does not say what it serves; say what to ask for"
    ):
        opened()
    _, error = drained(opened(model="unknown"), wanted(1))
    assert "engine.base_url" in str(error)


def test_a_teacher_that_a_server_does_not_have_is_told_with_the_nearest(server):
    with as_teacher(ServedTeacher(base_url=server.url, model="arithmetik")) as engine:
        _, error = drained(engine, wanted(1))
    assert isinstance(error, ModelError)
    assert "recipe.teacher.model: " in str(error)
    assert 'did you mean "arithmetic"' in str(error)


def trained_copy(embedded, folder, factor=1.0):
    """The embedded model as a checkpoint of the store would be, its weights multiplied."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(embedded.directory, folder)
    (folder / NOTES_FILE).write_text("{}")
    path = folder / "model.safetensors"
    save_file(
        {name: weight * factor for name, weight in load_file(path).items()},
        path,
        metadata={"format": "pt"},
    )
    return ModelRef(folder, "1" * 32)


def test_weights_that_the_server_was_not_started_with_are_refused(
    server, opened, embedded, tmp_path
):
    engine = opened()
    other = trained_copy(embedded, tmp_path / "other", 1.01)
    with pytest.raises(
        ModelError,
        match=(
            r"has other weights than .*other, .*train adapters \(trainer.lora\), start it with that"
            r" folder"
        ),
    ):
        engine.use(other)
    server.models[NAME]["root"] = str(other.directory)
    engine.use(other)
    with pytest.raises(ModelError, match="has other weights"):
        engine.use(embedded)
    server.models[NAME]["root"] = "owner/name"  # which says nothing of its weights
    engine.use(embedded)
    with pytest.raises(ModelError, match="has other weights"):
        engine.use(other)


# -- adapters --------------------------------------------------------------------------------------


@pytest.fixture
def adapter(embedded, tmp_path):
    """The embedded model with an adapter that changes what it says."""
    return replace(write_adapter(embedded, tmp_path / "adapter", 0), digest="abcdef0123456789" * 2)


def test_an_adapter_is_loaded_once_and_asked_for_by_its_digest(
    server, opened, embedded, adapter, tokenizer
):
    engine, requests = opened(), wanted()
    plain, _ = drained(engine, requests)
    engine.use(adapter)
    tuned, _ = drained(engine, requests)
    alone = TransformersEngine(load_model(adapter, "cpu", "float32"), tokenizer, 1)
    assert tuned == without_tokens(alone.generate(requests, GREEDY))
    assert tuned != plain
    assert {body["model"] for body in server.asked} == {NAME, "abcdef0123456789"}
    engine.use(embedded)
    assert drained(engine, requests) == (plain, None)
    engine.use(adapter)
    # an adapter is not taken for a second model
    assert drained(opened(), requests) == (plain, None)


def test_an_adapter_that_another_process_has_loaded_is_used(server, opened, adapter, monkeypatch):
    engine, plain_load = opened(), server.load

    def slower(name, path):
        plain_load(name, path)
        return plain_load(name, path)

    monkeypatch.setattr(server, "load", slower)
    engine.use(adapter)
    assert drained(engine, wanted(1))[1] is None


def test_a_server_that_loads_no_adapters_is_told_with_what_to_do(server, opened, embedded, adapter):
    engine = opened(retries=0)
    with pytest.raises(
        ModelError,
        match=r"cannot put the adapter .*gone on arithmetic .*No adapter found.*--max-lora-rank",
    ):
        engine.use(ModelRef(embedded.directory, "2" * 32, adapter.adapter.with_name("gone")))
    server.adapters = False
    with pytest.raises(
        ModelError,
        match=(
            r"start it by VLLM_ALLOW_RUNTIME_LORA_UPDATING=True vllm serve \.\.\. --enable-lora, or"
            r" use engine vllm"
        ),
    ):
        engine.use(adapter)


def test_an_adapter_that_a_restarted_server_has_forgotten_is_loaded_again(server, opened, adapter):
    engine = opened()
    engine.use(adapter)
    expected, _ = drained(engine, wanted())
    server.kill()
    server.restart()
    _, error = drained(engine, wanted())
    assert isinstance(error, InfraError)
    assert "has lost the adapter abcdef0123456789; running again loads it once more" in str(error)
    engine.use(adapter)
    assert drained(engine, wanted()) == (expected, None)


# -- stopping --------------------------------------------------------------------------------------


def test_closing_early_cancels_what_is_in_flight(server, opened):
    engine = opened(concurrency=4)
    released = threading.Event()

    def slow(body):
        if not is_of(0)(body):
            released.wait(30)

    server.fault = slow
    completions = engine.generate(wanted(20), GREEDY)
    assert next(completions).key == "k0"
    begun = time.monotonic()
    completions.close()
    assert time.monotonic() - begun < 2
    released.set()
    deadline = time.monotonic() + 10
    while server.connections and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.connections == 0
    assert len(server.asked) <= 5
    server.fault = lambda body: None
    assert len(drained(engine, wanted(20))[0]) == 20
