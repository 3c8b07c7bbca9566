"""Which part of a completion is the program. Cases after public reports of lost rollouts and
after what evaluators read."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selftrain_assets.verifiers.code_blocks import code_blocks
from selftrain_assets.verifiers.program_text import Sought, entry_of, find_program
from selftrain_assets.verifiers.python_source import facts, join_sources

ADD = "def add(a, b):\n    return a + b\n"
READ = "a, b = map(int, input().split())\nprint(a + b)\n"
DRAFT = "a, b = map(int, input().split())\nprint(a - b)\n"
SOLVE = "def solve(a, b):\n    return a + b\n"
MAIN = "print(solve(*map(int, input().split())))\n"
DOCSTRING = (
    'def add(a, b):\n    """Adds.\n\n    ```python\n    add(1, 2)\n    ```\n    """\n    return a'
    " + b\n"
)
STRING = "fence = '```'\nprint(input() + fence)\n"
PYTHON_314 = "def add(a, b):\n    return t'{a!' + b\n"  # no Python that these tests run on


def indented(text, by="    "):
    return "".join(by + line + "\n" if line else "\n" for line in text.splitlines())


IN_ITEM = indented(f"```python\n{READ}```")
FENCED = {
    "tagged": f"```python\n{READ}```",
    "text around": f"Here it is:\n\n```python\n{READ}```\nIt reads two numbers.",
    "no tag": f"```\n{READ}```",
    "tildes": f"~~~python\n{READ}~~~",
    "longer fence": f"`````python\n{READ}`````",
    "longer than its end": f"````python\n{READ}```\nDone.",
    "closing fence of more": f"```python\n{READ}````\nDone.",
    "cut off": f"```python\n{READ}",
    "CRLF": f"Here:\r\n```python\r\n{READ}```\r\nDone.".replace("\n", "\r\n").replace("\r\r", "\r"),
    "behind text": f"The program is: ```python\n{READ}```",
    "behind bold text": f"**Solution:** ```python\n{READ}```",
    "behind a number": f"1. ```python\n{READ}```\n",
    "in an item": f"1. So:\n{IN_ITEM}2. Done.",
    "in an item, deeper than its fence": f"- So:\n  ```python\n{indented(READ)}  ```\n",
    "in a quote": "".join(f"> {line}\n" for line in f"```python\n{READ}```".splitlines()),
    "closed at the end of a line": f"```python\n{READ[:-1]}```\nDone.",
    "closed before text": f"```python\n{READ}``` This reads two numbers.",
    "closing fence indented": f"```python\n{READ}   ```\nDone.",
    "output after": f"```python\n{READ}```\n\nExample output:\n\n```\n3\n```\n",
    "output in words after": f"```python\n{READ}```\nOutput:\n```\nYes\n```",
    "output that is an annotation": f"```python\n{READ}```\n```\nAnswer: 42\n```",
    "sample run after": f"```python\n{READ}```\nSample:\n```\n$ python a.py\n1 2\n3\n```\n",
    "sample run before": f"```\n1 2\n```\nThe program:\n```python\n{READ}```",
    "complexity after": f"```python\n{READ}```\nComplexity:\n```\nO(1)\n```",
    "session after": f"```python\n{READ}```\nFor example:\n```python\n>>> 1 + 2\n3\n```",
    "comments after": f"```python\n{READ}```\n```python\n# Input: 1 2\n# Output: 3\n```",
    "shell after": f"```python\n{READ}```\n```bash\npython a.py < in.txt\n```",
    "installation first": f"```\npip install numpy\n```\n```python\n{READ}```",
    "other languages": (
        f"```cpp\nint main() {{ return 0; }}\n```\n```python\n{READ}```\n```java\nclass A {{}}\n```"
    ),
    "tagged before untagged": f"```python\n{READ}```\n```\n{DRAFT}```",
    "corrected": f"```python\n{DRAFT}```\nNo, wait:\n```python\n{READ}```",
    "corrected, the correction cut off": (
        f"```python\n{READ}```\nBetter:\n```python\na, b = map(int, inp"
    ),
    "opened again instead of closed": f"```python\n{DRAFT}```python\n{READ}```",
    "thought": f"<think>\n```python\n{DRAFT}```\n</think>\n\n```python\n{READ}```",
    "thought that the prompt began": (
        f"Let me see:\n```python\n{DRAFT}```\n</think>\n```python\n{READ}```"
    ),
    "one line": "```python print(sum(map(int, input().split())))```",
    "answer tags": f"```python\n{DRAFT}```\n<answer>\n```python\n{READ}```\n</answer>",
    "answer tags alone": f"I think so.\n<answer>\n{READ}</answer>",
    "code tags": f"Here:\n<code>\n{READ}</code>\nDone.",
    "code tags of HTML": (
        "<pre><code class='language-python'>a, b = map(int, input().split())\nprint(a &lt;"
        " b)</code></pre>"
    ),
    "Code Llama": f"[PYTHON]\n{READ}[/PYTHON]\n[TESTS]\nassert True\n[/TESTS]",
    "MBPP's own": f"[BEGIN]\n{READ}[DONE]\n",
    "inline code around": f"Use ```input()``` and ```print```.\n```python\n{READ}```",
    "test snippet after": (
        f"```python\n{SOLVE}if __name__ == '__main__':\n    {MAIN}```\n```python\nassert solve(1,"
        " 2) == 3\n```"
    ),
    "usage printed after": f"```python\n{SOLVE}{MAIN}```\nTry:\n```python\nprint(solve(1, 2))\n```",
    "backticks in a string": f"```python\n{STRING}```\nDone.",
    "explained piece by piece": (
        f"```python\n{READ}```\n- ```python\na, b = map(int, input().split())\n```\nreads\n-"
        " ```python\nprint(a + b)\n```\nprints"
    ),
    "a box around": f"\\boxed{{```python\n{READ}```}}",
    "a point behind the fence": f"```python\nx = 1\n```.\nThen:\n```\n{READ}```",
    "a text of Markdown": f"```markdown\nHere:\n```python\n{READ}```\n```",
    "Python in tags": f"<python>\n{READ}</python>",
    "a solution in tags": (
        f"<reasoning>Sum.</reasoning>\n<solution>\n```python\n{READ}```\n</solution>"
    ),
    "end tokens": f"```python\n{READ}```<|im_end|>",
    "a language on its own line": f"```\npython\n{READ}```",
    "a language on the first line": f"python\n{READ}",
    "first block unclosed string": "```python\nprint(input()) # it's\n```\nwhich isn't '''all'''.",
}
ENDS = {
    "one line": "print(sum(map(int, input().split())))",
    "backticks in a string": STRING,
    "first block unclosed string": "print(input()) # it's\n",
}
STARTS = {
    "test snippet after": SOLVE,
    "usage printed after": SOLVE,
    "code tags of HTML": "a, b = map(int, input().split())\nprint(a < b)",
}


@pytest.mark.parametrize("name", FENCED)
def test_a_program_that_reads_and_prints_is_found(name):
    found = find_program(FENCED[name], Sought(reads=True))
    wanted = STARTS.get(name) or ENDS.get(name, READ)
    assert (found or "").rstrip().startswith(wanted.rstrip())
    if name not in STARTS:
        assert found.rstrip() == wanted.rstrip()


PYTHON_TAGS = """python py Python Python3 python3 py3 python3.11 python-3 ipython ipython3 cpython pypy pypy3 pycon python2 {.python}
{python} .python lang-python language-python python:main.py python,linenos python{1,3} code"""  # noqa: E501


@pytest.mark.parametrize(
    "tag",
    [
        *PYTHON_TAGS.split(),
        "Python 3",
        'python title="main.py"',
        "python {.line-numbers}",
        "{.python .numberLines}",
        " python",
    ],
)
def test_the_ways_to_say_python(tag):
    decoy = f"```\n{DRAFT}```\n" if tag != "code" else ""
    assert find_program(f"{decoy}```{tag}\n{READ}```\n{decoy}", Sought(reads=True)) == READ


@pytest.mark.parametrize(
    "tag",
    [
        "bash",
        "sh",
        "cpp",
        "c++",
        "c",
        "java",
        "javascript",
        "js",
        "text",
        "output",
        "console",
        "json",
        "pythonic",
        "pyx",
        "go",
    ],
)
def test_a_block_of_another_language_is_no_program(tag):
    assert find_program(f"```{tag}\n{READ}```", Sought(reads=True)) is None
    assert find_program(f"```{tag}\n{DRAFT}```\n```\n{READ}```", Sought(reads=True)) == READ


def test_tags_are_those_of_the_wanted_language():
    text = f"```python\n{READ}```\n```c++17\nint main() {{}}\n```\n```\nplain\n```"
    assert [(b.text, b.tagged) for b in code_blocks(text, ("c++", "cpp"))[0]] == [
        ("int main() {}\n", True),
        ("plain\n", False),
    ]


@pytest.mark.parametrize(
    "definition",
    [
        ADD,
        "async def add(a, b):\n    return a + b\n",
        "class add:\n    pass\n",
        "add = lambda a, b: a + b\n",
        "add: object = lambda a, b: a + b\n",
        "from operator import add\n",
        "from operator import iadd as add\n",
        "import operator as add\n",
        "import functools\n@functools.cache\ndef add(a, b):\n    return a + b\n",
        "import functools\nadd = functools.lru_cache(None)(lambda a, b: a + b)\n",
        "sub, add = 1, lambda a, b: a + b\n",
        "try:\n    from operator import add\nexcept ImportError:\n    add = None\n",
        "if True:\n    def add(a, b):\n        return a + b\n",
        "for add in [max]:\n    pass\n",
        "with open('/dev/null') as add:\n    pass\n",
        "print(add := 3)\n",
    ],
)
def test_the_last_block_that_defines_the_entry_by_any_statement(definition):
    use = "```python\nprint(add(1, 2))\n```\n"
    assert (
        find_program(f"```python\n{definition}```\nUse it:\n{use}```\n3\n```", Sought("add"))
        == definition
    )
    assert (
        find_program(f"{use}```python\nadd = None\n```\n```python\n{definition}```", Sought("add"))
        == definition
    )


@pytest.mark.parametrize(
    ("completion", "program"),
    [
        (
            (
                f"```python\ndef adder(): pass\n```\n```python\n{ADD}```\n```python\nadd.x = 1\nx:"
                " add\n```"
            ),
            ADD,
        ),
        (
            (
                f"```python\n{ADD}```\nTests:\n```python\nfrom solution import add\nprint(add(1,"
                " 2))\n```"
            ),
            ADD,
        ),
        (
            (
                f"```python\n{ADD}```\n1. ```python\n   def add(a, b):\n   ```\n2. ```python\n     "
                "  return a + b\n   ```\n"
            ),
            ADD,
        ),
        (f"```python\n{ADD}```\nwhere\n```python\ndef add(a, b): ...\n```\nis asked for", ADD),
        (f"```python\n{ADD}```\nor, on newer versions\n```python\n{PYTHON_314}```", ADD),
        (f"```python\n{PYTHON_314}```\nUse:\n```python\nprint(add(1, 2))\n```", PYTHON_314),
        (f"```python\n{ADD}```\n```pycon\n>>> def add(a, b): return 0\n>>> add(1, 2)\n3\n```", ADD),
        (
            "```pycon\n>>> def add(a, b):\n...     return a + b\n...\n>>> add(1, 2)\n3\n```",
            ADD + "\nadd(1, 2)\n",
        ),
        (f"```python\n{DOCSTRING}```", DOCSTRING),
        (f"{DOCSTRING}```\nThis adds.", DOCSTRING),
        (DOCSTRING, DOCSTRING),
        (f"```python\n{DOCSTRING}", DOCSTRING),
        (f"```python\n# ```\n{DOCSTRING}# ```\n", f"# ```\n{DOCSTRING}# ```\n"),
        (f"```python\n{ADD}# It adds.```\nIt's right.", f"{ADD}# It adds."),
        (f"```python\n{ADD}text = '''it\n```\nIt's right.", f"{ADD}text = '''it\n"),
        (f"{ADD}```\nThis adds.\n```python\nadd(1, 2)\n```", ADD),
        (f"{ADD}[/PYTHON]\nThis adds.", ADD),
        (f"{ADD}[DONE]\nNext", ADD),
        (f"Use this function:\n\n{ADD}\nIt returns the sum.\n\nDone", ADD),
        (f"Here:\n\n{indented(ADD)}\nIt's the sum of a and b.", ADD),
        (f"I define the function add.\n{ADD}\nfor example: 1, 2\n```\n3\n```", ADD),
        (f"```python\n{ADD}```\n<answer>It is above.</answer>", ADD),
        (f"```\n{ADD}```\nIn Python you can say\n```python\nadd(1, 2)\n```", ADD),
    ],
)
def test_the_program_of_a_function(completion, program):
    found = find_program(completion, Sought("add"))
    assert found.rstrip("\n") == program.rstrip("\n")


@pytest.mark.parametrize(
    ("completion", "program"),
    [
        (f"```python\n{SOLVE}```\nThen:\n```python\n{MAIN}```", SOLVE + MAIN),
        ("```python\nimport sys\n```\n```python\nprint(sys.stdin.read())\n```", "import sys\nprint(sys.stdin.read())\n"),  # noqa: E501
        ("```python\nn = int(input())\n```\nStep 2:\n```python\nprint(n)\n```", "n = int(input())\nprint(n)\n"),  # noqa: E501
        (
            f"```python\nimport sys\ninput = sys.stdin.readline\n{DRAFT}```\nWithout the fault:\n```python\nprint(sys.stdin.read())\n```",  # noqa: E501
            "import sys\nprint(sys.stdin.read())\n",
        ),
        (f"```python\n{SOLVE}```\n```python\nfrom __future__ import annotations\nprint(solve(input(), ''))\n```",  # noqa: E501
         f"from __future__ import annotations\n{SOLVE}print(solve(input(), ''))\n"),
        (
            "```python\ndef main():\n    print(input())\n```\n```python\nif __name__ == '__main__':\n    main()\n```",  # noqa: E501
            "def main():\n    print(input())\nif __name__ == '__main__':\n    main()\n",
        ),
        (f"```python\ninput = open(0).readline\n{DRAFT}```\n```python\n{READ}```", READ),
    ],
)  # fmt: skip
def test_blocks_that_belong_together_are_joined(completion, program):
    assert find_program(completion, Sought(reads=True)) == program


def test_what_the_entry_needs_of_an_earlier_block_stands_before_it():
    helper, main = "def twice(x):\n    return 2 * x\n", "def f(x):\n    return twice(x) + 1\n"
    text = f"```python\n{helper}```\n```python\n{main}```\n```python\nprint(f(1))\n```"
    assert find_program(text, Sought("f")) == helper + main


def test_for_a_result_the_last_computation_counts_and_may_use_what_came_before():
    assert (
        find_program("```python\nx = 6\nprint(x)\n```\n```python\nx * 7\n```", Sought(result=True))
        == "x = 6\nprint(x)\nx * 7\n"
    )
    assert (
        find_program(
            "```python\nx = 6\n```\n```python\nx + 1\n```\n```\n8\n```", Sought(result=True)
        )
        == "x = 6\nx + 1\n"
    )
    assert find_program("```\n6 * 7\n```\n```\n[42, -1]\n```", Sought(result=True)) == "6 * 7\n"
    assert (
        find_program(
            "```\n6 * 7\n```\nIs that so?\n```\nYes\n```\nIn\n```\nO(1)\n```", Sought(result=True)
        )
        == "6 * 7\n"
    )
    assert (
        find_program("```python\n6 * 7 + abs(0)\n```\nso:\n```\n42\n```", Sought(result=True))
        == "6 * 7 + abs(0)\n"
    )


@pytest.mark.parametrize(
    ("completion", "program"),
    [
        ("    return a + b\n", "    return a + b\n"),
        ("    return a + b\n```\nThis adds.", "    return a + b\n"),
        ("    return a + b\n\nThis adds two numbers.\n", "    return a + b\n"),
        (
            '    """Also ```python\n    ``` this."""\n    return a + b\n',
            '    """Also ```python\n    ``` this."""\n    return a + b\n',
        ),
        ("```python\n    return a + b\n```", "    return a + b\n"),
        (f"```python\n{ADD}```", ADD),
        (f"The function:\n\n{ADD}\nIt adds.", ADD),
    ],
)
def test_a_completion_that_goes_on_with_the_question(completion, program):
    question = 'def add(a, b):\n    """Adds."""\n'
    found = find_program(completion, Sought("add", question=question))
    assert found.rstrip("\n") == program.rstrip("\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "<think>\n```python\nx = 1\n```",
        "```python\n```",
        "x</think>\n",
        "```bash\nls\n```",
    ],
)
def test_where_there_is_none(text):
    assert find_program(text, Sought()) is None


def test_a_method_may_be_written_as_a_function_and_a_function_as_a_method_of_solution():
    assert entry_of("class Solution:\n    def f(self): pass\n", "f") == "Solution.f"
    assert entry_of("def f(): pass\n", "Solution.f") == "f"
    assert (
        entry_of("class Solution:\n    def f(self): pass\ndef f(): pass\n", "Solution.f")
        == "Solution.f"
    )
    assert entry_of("def f(): pass\nclass Solution:\n    def f(self): pass\n", "f") == "f"
    assert entry_of("class Solution(Base): pass\n", "Solution.f") == "Solution.f"


def test_facts_of_a_source():
    known = facts(
        "import sys\nclass A:\n    def f(self): return helper(sys.stdin)\n    x = 1\nx = [y for y"
        " in z]\nprint(x)"
    )
    assert (known.parses, known.reads, known.writes, known.valued) == (True, True, True, True)
    assert known.defined == {"sys", "A", "x"}
    assert known.methods == {"A.f", "A.x"}
    assert known.used == {"helper", "z"}
    assert facts("class A:\n    def f(self:\n        return input(").methods == {"A.f"}


def test_imports_from_the_future_come_first():
    assert (
        join_sources("import re", "from __future__ import annotations\nx = 1\n")
        == "from __future__ import annotations\nimport re\nx = 1\n"
    )
    assert join_sources("", "x = 1") == "x = 1"


PARTS = st.sampled_from(
    ["```", "````", "~~~", "```python\n", "\n", "'''", '"""', "'", "\\", "#", "<answer>", "</answer>", "<code>", "[PYTHON]", "<think>",  # noqa: E501
     "</think>", "def add(a):\n", "    return a\n", ">>> ", "x = 1\n", "1. ", "> ", "é", "\ud800", "\0", "(", "print(input())\n", "\t"]  # noqa: E501
)  # fmt: skip


SOUGHT = [
    Sought(),
    Sought("add"),
    Sought("S.f", question="def f():\n"),
    Sought(reads=True),
    Sought(result=True),
]


@given(st.lists(PARTS, max_size=30).map("".join), st.sampled_from(SOUGHT))
def test_no_text_raises(text, sought):
    for fenced in (False, True):
        found = find_program(text, sought, fenced)
        assert found is None or isinstance(found, str)


@pytest.mark.parametrize(
    "piece",
    ["`", "```", "```a", "``` ", "```python\n", "```python\n'''\n```\n", '"""\n```\n', "~~~\n", "<code>", "<answer>", "[PYTHON]", "'",  # noqa: E501
     "x = (\n", "x = 1\n", "def f():\n", "1+", "-", "(", "f(", "# ```\n", "</think>", ">>> x\n", "\n", " ", "a\n```\n",  # noqa: E501
     "if x:\n pass\nel", "````\n```\n",
     "print(\n\n", "add = add\nx y\n"],
)  # fmt: skip
def test_the_work_is_bounded(piece):
    text = piece * (100_000 // len(piece))
    began = time.process_time()
    find_program(text, Sought("add", reads=True))
    assert time.process_time() - began < 4
