"""The transformers engine draws from exactly the declared distribution."""

from collections import Counter

import pytest

from selftrain_assets.domain.errors import ModelError
from selftrain_assets.domain.sampling import DrawSettings
from selftrain_assets.domain.types import Request
from selftrain_assets.engines.transformers_engine import TransformersEngine

STORY = "Q: Tom has 3 apples A:"  # what follows is far from sure
DRAWS = 2000


@pytest.fixture
def draw(model, tokenizer):
    """Returns a function that draws one text for each seed."""

    def draw_texts(seeds, batch_size=500, prompts=(STORY,), **sampling) -> list[str]:
        requests = [
            Request(f"{n}/{seed}", "story", p, seed, 0)
            for n, p in enumerate(prompts)
            for seed in seeds
        ]
        drawn = {
            c.key: c.text
            for c in TransformersEngine(model, tokenizer, batch_size).generate(
                requests, DrawSettings(**sampling)
            )
        }
        return [drawn[r.key] for r in requests]

    return draw_texts


@pytest.fixture
def likely(model, tokenizer):
    """Returns a function that gives the probability of each text of one more token, likeliest
    first."""
    import torch

    def shares(temperature, drawn=()) -> Counter[str]:
        ids = torch.tensor([[*tokenizer(STORY).input_ids, *drawn]])
        with torch.inference_mode():
            probabilities = (model(ids).logits[0, -1].double() / temperature).softmax(-1)
        counter: Counter[str] = Counter()
        for token, share in enumerate(probabilities.tolist()):
            counter[tokenizer.decode([*drawn, token], skip_special_tokens=True)] += share
        return Counter(dict(counter.most_common()))

    return shares


def distance(texts, shares):
    """Total variation between drawn texts and shares, which are scaled to sum to one."""
    drawn, total = Counter(texts), sum(shares.values())
    return (
        sum(
            abs(drawn[text] / len(texts) - shares.get(text, 0) / total)
            for text in {*drawn, *shares}
        )
        / 2
    )


@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.5])
def test_first_tokens_come_as_often_as_the_model_says(draw, likely, temperature):
    texts = draw(range(DRAWS), temperature=temperature, max_tokens=1)
    assert distance(texts, likely(temperature)) < 0.04
    assert distance(texts, likely(1.5 * temperature)) > 0.08


def test_a_token_is_drawn_afresh_given_those_before_it(draw, likely, tokenizer):
    first = next(iter(likely(4.0)))
    begun = [
        t for t in draw(range(DRAWS), temperature=4.0, top_k=4, max_tokens=2) if t.startswith(first)
    ]
    assert len(begun) > DRAWS / 4
    assert distance(begun, dict(likely(4.0, tokenizer(first).input_ids).most_common(4))) < 0.05


def test_top_k_draws_among_the_likeliest_tokens_alone(draw, likely):
    shares = dict(likely(1.0).most_common(2))
    texts = draw(range(500), temperature=1.0, max_tokens=1, top_k=2)
    assert set(texts) == set(shares)
    assert distance(texts, shares) < 0.04


def test_top_p_draws_among_the_smallest_set_that_reaches_it(draw, likely):
    ordered = likely(2.0).most_common()
    likeliest = dict(ordered[:3])
    top_p = sum(likeliest.values()) - ordered[2][1] / 2  # within the share of the third
    texts = draw(range(500), temperature=2.0, max_tokens=1, top_p=top_p)
    assert set(texts) == set(likeliest)
    assert distance(texts, likeliest) < 0.05


def test_completions_hardly_depend_on_the_batch(draw):
    prompts = (STORY, "Q: 12 + 5 A:", "Q: ( 3 + 4 ) * 2 A:")
    alone, together = (
        draw(range(12), size, prompts, temperature=2.0, max_tokens=24) for size in (1, 36)
    )
    assert len(set(alone)) > 20
    # of 36; rounding may turn a near tie
    assert sum(a == b for a, b in zip(alone, together, strict=True)) >= 35


def test_a_completion_counts_its_tokens_and_its_end(model, tokenizer):
    request = Request("k", "sum", "Q: 12 + 5 A:", 0, 0)
    (completion,) = TransformersEngine(model, tokenizer, 1).generate(
        [request], DrawSettings(temperature=0, max_tokens=40)
    )
    assert completion.prompt_tokens == len(tokenizer(request.prompt).input_ids)
    assert completion.completion_tokens == len(tokenizer(completion.text).input_ids) + 1


def test_a_prompt_that_does_not_fit_is_refused_before_anything_is_drawn(model, tokenizer):
    engine, limit = TransformersEngine(model, tokenizer, 1), model.config.max_position_embeddings
    short, long = (
        Request("a", "short-one", "Q: 1 + 1 A:", 0, 0),
        Request("b", "long-one", "1 " * (limit - 3), 0, 0),
    )
    assert len(list(engine.generate([short, long], DrawSettings(max_tokens=3)))) == 2
    with pytest.raises(ModelError, match="long-one"):
        next(engine.generate([short, long], DrawSettings(max_tokens=4)))
