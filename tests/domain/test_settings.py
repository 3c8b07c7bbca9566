"""How settings are laid over one another."""

from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.domain.settings import merged

names = st.sampled_from(["a", "b", "c"])
sections = st.dictionaries(
    names,
    st.recursive(
        st.integers() | st.none(), lambda inner: st.dictionaries(names, inner, max_size=3)
    ),
    max_size=3,
)


def leaves(section, above=()):
    """Values by their path; an empty section is one."""
    for name, value in section.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*above, name))
        else:
            yield (*above, name), value


@given(sections, sections)
def test_what_is_above_holds_and_what_it_does_not_touch_stays(below, above):
    both = dict(leaves(merged(below, above)))
    for path, value in leaves(above):
        # an empty section changes nothing in one that is there
        assert both.get(path) == value or value == {}
    for path, value in leaves(below):
        touched = any(
            path[: len(other)] == other or other[: len(path)] == path for other, _ in leaves(above)
        )
        assert touched or both[path] == value


@given(sections, sections, sections)
def test_nothing_over_it_changes_nothing_and_order_alone_counts(first, second, third):
    assert merged(first, {}) == first == merged({}, first)
    assert merged(first, first) == first
    before = repr(first)
    assert merged(merged(first, second), second) == merged(first, second)
    merged(first, third)
    assert repr(first) == before
