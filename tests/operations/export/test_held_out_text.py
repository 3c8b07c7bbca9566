"""What the cards of a model and of its rows say of held-out text."""

from types import SimpleNamespace

from selftrain_assets.domain.quality_checks import held_out_apart
from selftrain_assets.domain.waivers import Waiver
from selftrain_assets.operations.export import cards
from selftrain_assets.reports.render import markdown_templates


def test_what_is_allowed_stands_in_both_cards_with_its_reason(monkeypatch):
    allowed = [(Waiver(problem="eggs", reason="asked by everybody"), 2)]
    monkeypatch.setattr(cards, "check", lambda *_: [held_out_apart([], "10 rows", allowed)])
    run = SimpleNamespace(need=lambda *_: None)
    exported = SimpleNamespace(rows=SimpleNamespace(splits=[("train", 10)]), run=run, iteration=1)
    shared = markdown_templates("selftrain_assets.operations.export").get_template(
        "shared.md.jinja"
    )
    values = cards.held_out(exported) | {
        "exported": exported,
        "not_covered": ["Not covered: | units"],
    }
    text = shared.make_module(values).held_out()
    assert (
        "10 rows: none with a whole held-out question; allowed: 2 of eggs (asked by everybody).\n"
        in text
    )
    assert text.startswith(
        "- By the split of their problem, the training rows are of `train` (10), and none of"
        " validation, test, "
    )
    assert text.endswith("\n- Not covered: \\| units\n")
