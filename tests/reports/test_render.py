"""Pages and cards: whatever stands in a value, it is text on the page."""

import ast
import re

import pytest
from jinja2 import UndefinedError

from selftrain_assets.reports.render import Page, listed, markdown_table, markdown_templates
from selftrain_assets.reports.tables import Titled

HOSTILE = (
    "<script>x</script> ![p](http://x/y.png) [l](javascript:x) `c` | **b** < \x1b[2J \u202e \\| \n#"
    " head\n```"
)
ESCAPED = (
    r"&lt;script>x&lt;/script> ![p]\(http://x/y.png) [l]\(javascript:x) `c` \| **b** &lt; \\x1b[2J"
    r" \\u202e \\\| # head ```"
)
PAGE = Page(
    title=HOSTILE,
    findings=[HOSTILE],
    figures={'"><b>': b"\x89PNG"},
    table=([HOSTILE], [[HOSTILE]]),
    notes=[HOSTILE],
    sections=[Titled(HOSTILE, [HOSTILE], [[HOSTILE]])],
)


def test_no_value_is_markup_in_html():
    page = PAGE.html()
    tags = set(re.findall(r"<(/?\w+)", page))
    assert tags <= {
        "html",
        "/html",
        "meta",
        "title",
        "/title",
        "style",
        "/style",
        "h1",
        "/h1",
        "h2",
        "/h2",
        "p",
        "/p",
        "img",
    } | {f"{end}{tag}" for end in ("", "/") for tag in ("div", "table", "tr", "th", "td")}
    assert page.count("&lt;script&gt;") == 9  # in the title twice
    assert page.count('<img alt="&#34;&gt;&lt;b&gt;" src="data:image/png;base64,iVBORw==">') == 1
    assert not {"\x1b", "\u202e"} & set(page)


def test_no_value_is_markup_in_markdown():
    page = PAGE.markdown()
    assert page.count(ESCAPED) == 8
    assert not {"\x1b", "\u202e", "<"} & set(page)
    assert "](http" not in page
    assert [line for line in page.splitlines() if line.startswith(("#", "```"))] == [
        f"# {ESCAPED}",
        f"## {ESCAPED}",
    ]
    assert markdown_table(["c"], [[HOSTILE]]).splitlines()[-1] == f"| {ESCAPED} |"


@pytest.fixture
def rendered():
    """Returns a function that renders a template for Markdown with `text` as its value."""
    return lambda template, text=HOSTILE: (
        markdown_templates("selftrain_assets.reports").from_string(template).render(text=text)
    )


def test_code_is_shown_as_it_is_and_does_not_end_early(rendered):
    assert rendered("{{ text | code }}", "a < `b`\n| c") == "`` a < `b` | c ``"
    assert rendered("{{ text | code }}", "plain") == "`plain`"
    assert (
        rendered('{{ text | fenced("yaml") }}', "a: |\n  ```\n  b\x1b\n")
        == "````yaml\na: |\n  ```\n  b\\x1b\n````"
    )


@pytest.mark.parametrize(
    "value",
    [
        "Q: {question}",
        "it's",
        'say "so"',
        "both ' and \"",
        "a\n```\n\x1b \u202e <b>](x) \\",
        ["#", "\n\n"],
    ],
)
def test_literals_are_one_line_of_code_that_gives_the_value(rendered, value):
    code = rendered("{{ text | python }}", value)
    assert ast.literal_eval(code) == value
    assert not {"\n", "\x1b", "\u202e"} & set(code)


def test_macros_and_blocks_do_not_escape_twice(rendered):
    assert rendered("{% macro m(x) %}*{{ x }}*{% endmacro %}{{ m(text) }}", "a | b") == r"*a \| b*"
    assert rendered("{% set kept %}{{ text }}{% endset %}{{ kept }}", "<b>") == "&lt;b>"
    assert rendered("{{ text | thousands }}", 12345) == "12,345"


def test_a_template_of_the_same_name_takes_its_place(tmp_path):
    (tmp_path / "report.md.jinja").write_text("Of {{ page.title }}\n")
    package = "selftrain_assets.reports"
    template = markdown_templates(package, tmp_path).get_template("report.md.jinja")
    assert template.render(page=Page("a | b")) == "Of a \\| b\n"
    assert (
        markdown_templates(package).get_template("report.md.jinja").render(page=Page("a"))
        == "# a\n"
    )


def test_a_name_that_nobody_gave_is_an_error(rendered):
    with pytest.raises(UndefinedError, match="'other' is undefined"):
        rendered("{{ other }}")


@pytest.mark.parametrize(
    ("words", "text"),
    [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c"), ([], "")],
)
def test_words_are_listed(words, text):
    assert listed(words) == text
