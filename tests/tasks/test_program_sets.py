"""Gold programs of the published sets pass by the verifier that each set brings; others do not."""

import pytest

from selftrain_assets.config import parse_experiment
from selftrain_assets.verifiers import verdicts
from tests.tasks.published_sets import gold, settings


@pytest.mark.parametrize("name", ["apps", "apps_folders", "humaneval", "mbpp", "livecodebench"])
def test_gold_programs_pass_and_others_do_not(programs, name):
    config = parse_experiment({"task": settings(name)}, name)
    problems = config.task.read().problems
    found = verdicts(config.verifier, programs, [(p, completion) for p in problems for completion in (gold(p), "pass")])
    assert [(p.id, v.reason) for p, v in zip(problems, found[::2], strict=True) if v.outcome != "pass"] == []
    assert [(p.id, v.outcome) for p, v in zip(problems, found[1::2], strict=True) if v.outcome not in ("wrong", "malformed")] == []
