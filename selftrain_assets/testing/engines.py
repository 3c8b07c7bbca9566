"""What holds of every engine."""

from __future__ import annotations

import random
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import ClassVar

import pytest

from selftrain_assets.domain.errors import ModelError
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.seeds import derive_seed
from selftrain_assets.domain.thinking import Marks, Thinking
from selftrain_assets.domain.types import Completion, Request
from selftrain_assets.engines import EngineSettings
from selftrain_assets.engines.protocol import Engine
from selftrain_assets.engines.thinking import within_budget
from selftrain_assets.models.loading import ModelRef, resolve_model
from selftrain_assets.models.tokenization import decode, load_tokenizer, tokenizer_digest
from selftrain_assets.testing.adapters import write_adapter

GREEDY = DrawSettings(temperature=0, max_tokens=40)
DRAWN = DrawSettings(temperature=1, max_tokens=40)
SOLVED = "12 + 5 = 17 ; #### 17"
PROMPTS = {  # the answer to "sum" is sure, and "story" leaves much to chance
    "sum": "Q: 12 + 5 A:",
    "difference": "Q: 9 - 4 A:",
    "product": "Q: ( 3 + 4 ) * 2 A:",
    "story": "Q: Tom has 3 apples A:",
}


def requests_for(
    prompts: Mapping[str, str] = PROMPTS, draws: int = 1, start: int = 0
) -> list[Request]:
    """`draws` requests for each prompt, by problem id; `start` shifts the seeds."""
    return [
        Request(f"{problem}/{i}", problem, prompt, derive_seed(start, problem, i), i)
        for problem, prompt in prompts.items()
        for i in range(draws)
    ]


def draw(
    engine: Engine, requests: Sequence[Request], sampling: DrawSettings
) -> dict[str, Completion]:
    """Completions by the keys of their requests."""
    return {completion.key: completion for completion in engine.generate(requests, sampling)}


def texts(engine: Engine, requests: Sequence[Request], sampling: DrawSettings) -> list[str]:
    """The texts of completions, in the order of the requests."""
    drawn = draw(engine, requests, sampling)
    return [drawn[request.key].text for request in requests]


class EngineConformance:
    """The suite of an engine, on the model that ships with selftrain.

    That model answers the prompt "Q: 12 + 5 A:" with "12 + 5 = 17 ; #### 17", and "Q: Tom has 3
    apples A:" with whatever its seed gives. An engine that loads no weights has to be given such
    answers.

    Attributes:
        settings: Its settings. Where they need a server or a file, override the fixture `engine`.
        adapters: Whether the open engine changes to an adapter on its model.
        limited: Whether a prompt can be too long for it.
    """

    settings: ClassVar[EngineSettings]
    adapters: ClassVar[bool] = True
    limited: ClassVar[bool] = True

    @pytest.fixture(scope="session")
    @classmethod
    def embedded(cls) -> ModelRef:
        return resolve_model("embedded")

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls, embedded: ModelRef) -> Iterator[Engine]:
        """The engine, opened once for all of these tests."""
        with cls.settings.open(embedded) as engine:
            yield engine

    def test_each_request_is_answered_once_in_whatever_order_it_comes(self, engine: Engine) -> None:
        requests = requests_for(draws=3)
        random.Random(0).shuffle(requests)
        keys = [completion.key for completion in engine.generate(requests, DRAWN)]
        assert sorted(keys) == sorted(r.key for r in requests)

    def test_requests_with_equal_keys_are_one(self, engine: Engine) -> None:
        requests = requests_for(draws=2)
        again = random.Random(1).sample(
            [*requests, *requests, requests[0]], k=2 * len(requests) + 1
        )
        assert sorted(c.key for c in engine.generate(again, DRAWN)) == sorted(
            r.key for r in requests
        )
        assert draw(engine, again, DRAWN) == draw(engine, requests, DRAWN)

    def test_what_is_asked_in_parts_is_what_is_asked_at_once(self, engine: Engine) -> None:
        requests = requests_for(draws=2)
        random.Random(2).shuffle(requests)
        assert draw(engine, requests[:3], GREEDY) | draw(engine, requests[3:], GREEDY) == draw(
            engine, requests, GREEDY
        )

    def test_no_request_gives_nothing(self, engine: Engine) -> None:
        assert list(engine.generate([], DRAWN)) == []

    def test_equal_seeds_give_equal_completions(self, engine: Engine) -> None:
        requests = requests_for(draws=3)
        assert draw(engine, requests, DRAWN) == draw(engine, requests, DRAWN)

    def test_different_seeds_give_different_completions(self, engine: Engine) -> None:
        story = {"story": PROMPTS["story"]}
        assert len(set(texts(engine, requests_for(story, draws=8), DRAWN))) > 1
        assert texts(engine, requests_for(story, draws=8), DRAWN) != texts(
            engine, requests_for(story, draws=8, start=1), DRAWN
        )

    def test_greedy_decoding_ignores_the_seed(self, engine: Engine) -> None:
        assert (
            len(set(texts(engine, requests_for({"story": PROMPTS["story"]}, draws=8), GREEDY))) == 1
        )

    @pytest.mark.parametrize("stop", [(), (";",)], ids=["no stop text", "stop text"])
    def test_every_request_gets_its_own_answer_and_counts(
        self, engine: Engine, stop: tuple[str, ...]
    ) -> None:
        sampling, requests = GREEDY.model_copy(update={"stop": stop}), requests_for()
        together = draw(engine, requests, sampling)
        assert together == {r.key: draw(engine, [r], sampling)[r.key] for r in requests}
        assert together["sum/0"].text.startswith("12 + 5 = 17")
        assert together["product/0"].text.startswith("3 + 4 = 7")

    def test_a_natural_end_is_a_stop(self, engine: Engine) -> None:
        completion = draw(engine, requests_for(), GREEDY)["sum/0"]
        assert (completion.text, completion.finish_reason) == (SOLVED, "stop")

    @pytest.mark.parametrize("stop", [(), (";",), ("5 = 1", "17")], ids=str)
    def test_tokens_and_endings_say_what_was_drawn(
        self, engine: Engine, embedded: ModelRef, stop: tuple[str, ...]
    ) -> None:
        tokenizer, digest = load_tokenizer(embedded), engine.describe().tokenizer
        assert digest in (None, tokenizer_digest(tokenizer))
        completions = list(
            engine.generate(
                requests_for(draws=3), DRAWN.model_copy(update={"max_tokens": 12, "stop": stop})
            )
        )
        assert {c.finish_reason for c in completions} >= {"stop"}
        for completion in completions:
            if completion.finish_reason == "length":
                assert completion.ended_by is None
            elif stop:
                assert completion.ended_by in (*stop, tokenizer.eos_token, None)
            if digest is None:
                assert completion.tokens is None
                continue
            tokens = list(completion.tokens or ())
            assert len(tokens) == completion.completion_tokens
            if completion.ended_by == tokenizer.eos_token:
                assert tokens.pop() == tokenizer.eos_token_id
            elif completion.finish_reason == "stop":
                assert completion.ended_by is not None
                assert completion.ended_by in stop
                assert decode(tokenizer, tokens).startswith(completion.text + completion.ended_by)
                assert completion.ended_by not in decode(tokenizer, tokens[:-1])
                continue
            assert decode(tokenizer, tokens) == completion.text

    def test_a_completion_goes_on_from_tokens_as_if_it_had_not_been_interrupted(
        self, engine: Engine, embedded: ModelRef
    ) -> None:
        """Greedily: the whole is the same, whether drawn at once or in two parts."""
        if engine.describe().tokenizer is None:
            pytest.skip("it gives no token ids, so that there is nothing to go on from")
        first = GREEDY.model_copy(update={"max_tokens": 4})
        begun = draw(engine, requests_for(), first)
        going_on = [replace(r, continues=tuple(begun[r.key].tokens or ())) for r in requests_for()]
        assert draw(engine, going_on, GREEDY.model_copy(update={"max_tokens": 36})) == draw(
            engine, requests_for(), GREEDY
        )

    def test_thoughts_are_ended_at_their_budget_by_their_mark(
        self, engine: Engine, embedded: ModelRef
    ) -> None:
        """The model knows no thoughts: "A:" stands for the start of one, ";" for its end."""
        marks, tokenizer = Marks("A:", ";"), load_tokenizer(embedded)
        thinking = Thinking(start=marks.start, end=marks.end, budget=3)
        sampling = DRAWN.model_copy(update={"thinking": thinking})
        if engine.describe().tokenizer is None:
            with pytest.raises(ModelError, match="does not return the ids"):
                list(within_budget(engine, requests_for(), sampling, marks, tokenizer))
            return
        requests = requests_for(draws=2)
        found = {c.key: c for c in within_budget(engine, requests, sampling, marks, tokenizer)}
        assert sorted(found) == sorted(r.key for r in requests)
        unbounded = draw(engine, requests, DRAWN.model_copy(update={"max_tokens": 3}))
        for completion in found.values():
            assert completion.forced is not None
            assert completion.tokens is not None
            start, stop = completion.forced
            begun = unbounded[completion.key]
            assert completion.tokens[:4] == [
                *(begun.tokens or ()),
                *tokenizer(";", add_special_tokens=False).input_ids,
            ]
            assert completion.text[:start] == begun.text
            assert completion.text[start:stop].strip() == ";"
            assert completion.completion_tokens == len(completion.tokens) <= DRAWN.max_tokens
            assert completion.prompt_tokens == begun.prompt_tokens
            ended = decode(
                tokenizer, completion.tokens[:-1] if completion.ended_by else completion.tokens
            )
            assert ended == completion.text
        # and again
        assert found == {
            c.key: c for c in within_budget(engine, requests, sampling, marks, tokenizer)
        }
        longer = sampling.model_copy(
            update={"thinking": thinking.model_copy(update={"budget": 30})}
        )
        assert {
            c.forced
            for c in within_budget(
                engine, requests_for({"sum": PROMPTS["sum"]}), longer, marks, tokenizer
            )
        } == {None}

    def test_max_tokens_cuts_a_completion_off(self, engine: Engine) -> None:
        for completion in engine.generate(
            requests_for(), GREEDY.model_copy(update={"max_tokens": 3})
        ):
            assert (completion.finish_reason, completion.completion_tokens) == ("length", 3)
            assert 0 < len(completion.text) < 12

    def test_counts_of_tokens_agree_with_how_a_completion_ended(self, engine: Engine) -> None:
        limit = 9
        completions = list(
            engine.generate(requests_for(draws=10), DRAWN.model_copy(update={"max_tokens": limit}))
        )
        assert {c.finish_reason for c in completions} == {"stop", "length"}
        for completion in completions:
            assert completion.prompt_tokens > 0
            assert (
                completion.completion_tokens == limit
                if completion.finish_reason == "length"
                else completion.completion_tokens <= limit
            )

    @pytest.mark.parametrize(
        ("stop", "kept"),
        [((";",), "12 + 5 = 17 "), (("17", "="), "12 + 5 "), (("5 = 1",), "12 + ")],
    )
    def test_a_stop_text_ends_the_completion_and_is_not_part_of_it(
        self, engine: Engine, stop: tuple[str, ...], kept: str
    ) -> None:
        whole = draw(engine, requests_for(), GREEDY)["sum/0"]
        cut = draw(engine, requests_for(), GREEDY.model_copy(update={"stop": stop}))["sum/0"]
        assert (cut.text, cut.finish_reason) == (kept, "stop")
        assert 0 < cut.completion_tokens < whole.completion_tokens

    @pytest.mark.parametrize("stop", ["zebra", "Q:", ": 12", ":12"])
    def test_a_stop_text_that_is_not_in_the_completion_changes_nothing(
        self, engine: Engine, stop: str
    ) -> None:
        assert draw(engine, requests_for(), GREEDY.model_copy(update={"stop": (stop,)})) == draw(
            engine, requests_for(), GREEDY
        )

    @pytest.mark.parametrize(
        "prompt",
        [
            "",
            " ",
            "\n\t",
            "日本語 😀 e\N{COMBINING ACUTE ACCENT}",
            "\N{RIGHT-TO-LEFT OVERRIDE}12\0",
        ],
    )
    def test_strange_prompts_are_answered(self, engine: Engine, prompt: str) -> None:
        completions = list(
            engine.generate(requests_for({"strange": prompt, "sum": PROMPTS["sum"]}), GREEDY)
        )
        assert {c.key for c in completions} == {"strange/0", "sum/0"}
        assert SOLVED in {c.text for c in completions}

    def test_a_prompt_that_does_not_fit_is_told_by_its_problem(self, engine: Engine) -> None:
        if not self.limited:
            pytest.skip("it says that it answers prompts of any length")
        requests = requests_for({"sum": PROMPTS["sum"], "endless": "Q: " + "1 + " * 3000})
        with pytest.raises(
            ModelError,
            match=r"problem endless: its prompt .*too long|problem endless: its prompt has",
        ):
            list(engine.generate(requests, GREEDY))
        assert draw(engine, requests_for(), GREEDY)["sum/0"].text == SOLVED

    def test_stopping_early_leaves_the_engine_usable(self, engine: Engine) -> None:
        requests = requests_for(draws=3)
        first = next(engine.generate(requests, DRAWN))
        assert draw(engine, requests, DRAWN)[first.key] == first

    @pytest.mark.parametrize("answers", [0, 1, 5])
    def test_stopping_early_leaves_nothing_behind(self, engine: Engine, answers: int) -> None:
        before = set(threading.enumerate())
        completions = engine.generate(requests_for(draws=5), DRAWN)
        assert len(list(islice(completions, answers))) == answers
        if isinstance(completions, Generator):
            completions.close()
            assert list(completions) == []
        new = {thread.name for thread in set(threading.enumerate()) - before}
        # of a server that runs in this process
        assert {name for name in new if "process_request_thread" not in name} == set()

    def test_an_adapter_changes_what_is_said_and_goes_again(
        self, engine: Engine, embedded: ModelRef, tmp_path: Path
    ) -> None:
        if not self.adapters:
            pytest.skip("it says that it takes no other weights while it is open")
        adapter = replace(
            write_adapter(embedded, tmp_path / "adapter", 1), digest="fedcba9876543210" * 2
        )
        plain = draw(engine, requests_for(), GREEDY)
        engine.use(adapter)
        changed = draw(engine, requests_for(), GREEDY)
        assert {key: c.text for key, c in changed.items()} != {
            key: c.text for key, c in plain.items()
        }
        engine.use(embedded)
        assert draw(engine, requests_for(), GREEDY) == plain

    def test_the_description_says_what_drew_a_sample(self, engine: Engine) -> None:
        description = engine.describe()
        assert description.name
        assert description.version
        assert description.device
        assert isinstance(description.batch_invariant, bool)

    def test_a_claim_of_batch_invariance_holds(self, engine: Engine) -> None:
        requests = requests_for(draws=4)
        assert not engine.describe().batch_invariant or draw(engine, requests, DRAWN) == {
            r.key: draw(engine, [r], DRAWN)[r.key] for r in requests
        }
