"""What can be told of Python source without running it.

For hostile text: sizes are bounded, and nothing raises.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

LONGEST = 100_000  # characters that are parsed; a longer source is judged by its words
READS = frozenset(
    {"input", "raw_input", "stdin", "fileinput", "open", "read", "readline", "readlines"}
)
WRITES = frozenset({"print", "pprint", "stdout", "write", "writelines", "open"})
BUILTINS = frozenset(dir(builtins))
IMPORTS = (ast.Import, ast.ImportFrom)
LITERAL = (
    ast.Constant,
    ast.Tuple,
    ast.List,
    ast.Set,
    ast.Dict,
    ast.UnaryOp,
    ast.unaryop,
    ast.expr_context,
)
FUTURE = re.compile(
    r"^from[ \t]+__future__[ \t]+import[ \t]+(?:\([^)]*\)|[^\n(]*)\n?", re.MULTILINE
)
SCOPES = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one source. Those of one that does not parse are a guess from its words."""

    parses: bool
    defined: frozenset[str] = frozenset()
    """Names that it binds at its top level."""
    used: frozenset[str] = frozenset()
    """Names that it reads, binds nowhere and has from no built-in."""
    imports: tuple[tuple[str, str], ...] = ()
    """Names that imports at its top level bind, each with its statement."""
    methods: frozenset[str] = frozenset()
    """`Class.method` of its classes."""
    stubs: frozenset[str] = frozenset()
    """Names that stand for a definition elsewhere: functions that do nothing yet, and what is
    imported from a module of nobody's."""
    reads: bool = False
    writes: bool = False
    acts: bool = False
    """It holds a statement that is more than an expression of names and constants."""
    runs: bool = False
    """It calls something when it is run, and does not only define."""
    valued: bool = False
    """Its last statement is an expression, and more than a literal, which would be an output."""

    def defines(self, entry: str) -> bool:
        """Whether it binds `entry`, a name or `Class.method`."""
        return entry in self.methods if "." in entry else entry in self.defined


def parsed(source: str) -> ast.Module | SyntaxError:
    """The tree, or what is wrong, with its line."""
    if len(source) > LONGEST:
        return SyntaxError("too long")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except SyntaxError as error:
            return error
        except (ValueError, MemoryError, RecursionError) as error:
            return SyntaxError(str(error))


# a completion is looked at twice: for the key of its verdict, and for the sandbox
@lru_cache(maxsize=128)
def facts(source: str) -> Facts:
    """What is known of a source."""
    tree = parsed(source)
    return _guess(source) if isinstance(tree, SyntaxError) else _facts(tree)


def _facts(tree: ast.Module) -> Facts:
    top = list(_top_level(tree))
    defined = {name for node in top for name in _bound(node)}
    everywhere = list(ast.walk(tree))
    bound = defined.union(
        *(_bound(node) for node in everywhere),
        (node.arg for node in everywhere if isinstance(node, ast.arg)),
    )
    loaded = {
        node.id
        for node in everywhere
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    words = loaded | {node.attr for node in everywhere if isinstance(node, ast.Attribute)}
    classes = [node for node in top if isinstance(node, ast.ClassDef)]
    functions = [node for node in top if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    last = tree.body[-1] if tree.body else None
    return Facts(
        parses=True,
        defined=frozenset(defined),
        used=frozenset(loaded - bound - BUILTINS),
        imports=tuple(
            (name, ast.unparse(node))
            for node in top
            if isinstance(node, IMPORTS)
            for alias in node.names
            for name in _bound(alias)
        ),
        methods=frozenset(
            f"{c.name}.{name}" for c in classes for node in _top_level(c) for name in _bound(node)
        ),
        stubs=frozenset(node.name for node in functions if all(map(_says_nothing, node.body)))
        | _foreign(top),
        reads=bool(words & READS),
        writes=bool(words & WRITES),
        acts=any(map(_acts, tree.body)),
        runs=any(isinstance(node, ast.Call) for node in top),
        valued=isinstance(last, ast.Expr)
        and any(not isinstance(node, LITERAL) for node in ast.walk(last.value)),
    )


def _acts(node: ast.stmt) -> bool:
    """`Answer: 42` and `Yes` are statements of Python as well."""
    if isinstance(node, ast.Expr):
        return any(isinstance(inner, ast.Call) for inner in ast.walk(node))
    return not (isinstance(node, ast.Pass) or _bare_annotation(node))


def _bare_annotation(node: ast.AST) -> bool:
    return isinstance(node, ast.AnnAssign) and node.value is None


def _top_level(tree: ast.Module | ast.ClassDef) -> Iterator[ast.AST]:
    """Nodes of this scope, those inside `if`, `try`, `with` and loops included.

    The insides of functions and classes are left out.
    """
    waiting: list[ast.AST] = list(reversed(tree.body))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, SCOPES) and not _bare_annotation(node):
            waiting.extend(ast.iter_child_nodes(node))


def _bound(node: ast.AST) -> Iterator[str]:
    """Names that a node binds itself.

    By def, class, import, assignment of any kind, a pattern or an exception.
    """
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
        case ast.Name(ctx=ast.Store()):
            yield node.id
        case ast.alias():
            yield (node.asname or node.name).partition(".")[0]
        case (
            ast.ExceptHandler(name=str(name))
            | ast.MatchAs(name=str(name))
            | ast.MatchStar(name=str(name))
        ):
            yield name


def _foreign(top: list[ast.AST]) -> frozenset[str]:
    """Names imported from outside the standard library and defined in no other way.

    An example is `from solution import add`.
    """
    own = {
        name
        for node in top
        if not isinstance(node, (ast.Import, ast.ImportFrom, ast.alias))
        for name in _bound(node)
    }
    modules = [(node.module or "", node) for node in top if isinstance(node, ast.ImportFrom)]
    return frozenset(
        name
        for module, node in modules
        if module.partition(".")[0] not in sys.stdlib_module_names
        for alias in node.names
        for name in _bound(alias)
        if name not in own
    )


def _says_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _guess(source: str) -> Facts:
    """For a source of another version of Python, one that was cut off, or no source at all."""
    text = source[:LONGEST]
    names = re.findall(
        r"^(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)|^(\w+)[ \t]*=(?!=)", text, re.MULTILINE
    )
    words = set(
        re.findall(
            r"\b(?:" + "|".join(READS | WRITES) + r")\b(?=[ \t]*[(.])|\bstdin\b|\bstdout\b", text
        )
    )
    methods: set[str] = set()
    owner = ""
    for name, method in re.findall(
        r"^class[ \t]+(\w+)|^[ \t]+(?:async[ \t]+)?def[ \t]+(\w+)", text, re.MULTILINE
    ):
        owner = name or owner
        methods |= {f"{owner}.{method}"} if method else set()
    return Facts(
        parses=False,
        defined=frozenset(a or b for a, b in names),
        methods=frozenset(methods),
        reads=bool(words & READS),
        writes=bool(words & WRITES),
        runs=bool(words & WRITES),
    )


def join_sources(*parts: str) -> str:
    """One source of several, in their order; `from __future__` comes first, as Python demands."""
    kept = [part for part in parts if part.strip()]
    if len(kept) < 2:
        return kept[0] if kept else ""
    future: list[str] = []
    rest = []
    for part in kept:
        future += (
            [line.strip() + "\n" for line in FUTURE.findall(part)] if "__future__" in part else []
        )
        rest.append(FUTURE.sub("", part) if "__future__" in part else part)
    return "".join(dict.fromkeys(future)) + "".join(part.rstrip("\n") + "\n" for part in rest)
