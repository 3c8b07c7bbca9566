"""What mode rpc carries between the tests and the program: identity, content, and nothing that
is not asked for."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.runner.codec import loads
from sandbox.runner.exchange import Exchange

nested = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.integers(0, 3), inner, max_size=3)
        | st.sets(st.integers(0, 3), max_size=2)
    ),
    max_leaves=8,
)


def sent(tree):
    return loads(json.dumps(tree))


def containers(value):
    """Every list, dict and set in it, itself included."""
    if isinstance(value, (list, dict, set)):
        yield value
    for item in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from containers(item)


def alter(value):
    """As a program may: every container is changed, from the inside out."""
    for container in reversed(list(containers(value))):
        if isinstance(container, list):
            container.append(7)
        elif isinstance(container, dict):
            container[7] = [8]
        else:
            container.add(9)


@given(nested, st.booleans())
def test_what_the_program_does_to_its_arguments_is_done_to_the_tests_own(value, twice):
    here, there = Exchange(None), Exchange(None)
    argument = [value, value] if twice else [value]
    expected = json.loads(json.dumps(argument, default=sorted))
    identities = [id(container) for container in containers(argument)]
    received = there.decode(sent(here.encode(argument)))
    assert json.loads(json.dumps(received, default=sorted)) == expected
    if twice and isinstance(value, (list, dict, set)):
        assert received[0] is received[1]
    alter(received)
    altered = json.loads(json.dumps(received, default=sorted))
    there.numbering = False
    reply = sent({"v": there.encode(received), "m": there.contents()})
    assert here.decode(reply["v"]) is argument
    here.restore(reply["m"])
    assert json.loads(json.dumps(argument, default=sorted)) == altered
    assert set(identities) <= {id(container) for container in containers(argument)}


@pytest.mark.parametrize(
    "reply",
    [{"r": 5}, {"r": -1}, {"r": "0"}, {"R": [1, 2]}, {"R": ["a", 2, 3]}, {"S": [1]}, {"Q": [1, None]}, {"Q": [[], "x"]},  # noqa: E501
     {"M": ["dict", []]}, {"M": ["Counter", 1]},
     {"D": ["date", [0, 0, 0]]}, {"D": ["datetime", ["x"]]}, {"D": ["object", []]}, {"k": "nothing"}, {"k": "eval"},  # noqa: E501
     {"y": "zz"}, {"m": [0, "x"]}, {"m": [5, []]}, {"m": [2, {}]}],
)  # fmt: skip
def test_what_is_outside_the_protocol_is_refused(reply):
    exchange = Exchange(None)
    exchange.encode([[]])
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        exchange.decode(reply)


@pytest.mark.parametrize("contents", [None, [], [[]], [[], {"d": []}], [[], [], []]])
def test_contents_have_to_be_of_the_same_containers(contents):
    exchange = Exchange(None)
    mine = [[1]]
    exchange.encode(mine)
    with pytest.raises((ValueError, TypeError)):
        exchange.restore(contents)
    assert mine == [[1]]
