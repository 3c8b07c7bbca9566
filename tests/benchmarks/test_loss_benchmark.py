"""The script that measures the loss, in a tiny size."""

import json
from types import SimpleNamespace

from benchmarks import loss


def test_both_ways_are_measured_in_turns(monkeypatch, tmp_path):
    ways = []

    def in_this_process(command, **_):
        way, length, vocabulary = (
            command[command.index(f"--{name}") + 1] for name in ("way", "length", "vocabulary")
        )
        ways.append(way)
        return SimpleNamespace(
            stdout=json.dumps(loss.measure(loss.WAYS[way], int(vocabulary), int(length)))
        )

    monkeypatch.setattr(loss.subprocess, "run", in_this_process)
    loss.main(
        ["--quick", "--vocabulary", "97", "--length", "16", "--json", str(tmp_path / "loss.json")]
    )
    found = json.loads((tmp_path / "loss.json").read_text())
    assert ways == ["plain", "chunked"] * 2
    assert found["losses"][0] == found["losses"][1] > 0
    assert found["seconds_over_plain"] > 0
    assert {"peak_gb", "peak_gb_plain"} < found.keys()
    assert (found["rows"], found["length"], found["vocabulary"]) == (8, 16, 97)
