"""What the cards of a model and of its rows say of held-out text."""

from types import SimpleNamespace

from selftrain_assets.core.health import held_out_apart
from selftrain_assets.core.waivers import Waiver
from selftrain_assets.export import cards


def test_what_is_allowed_stands_in_both_cards_with_its_reason(monkeypatch):
    allowed = [(Waiver(problem="eggs", reason="asked by everybody"), 2)]
    monkeypatch.setattr(cards, "check", lambda *_: [held_out_apart([], "10 rows", allowed)])
    run = SimpleNamespace(need=lambda *_: None)
    [told] = cards.split_facts(SimpleNamespace(rows=SimpleNamespace(splits=[("train", 10)]), run=run, iteration=1))
    assert told.endswith("10 rows: none with a whole held-out question; allowed: 2 of eggs (asked by everybody).")
