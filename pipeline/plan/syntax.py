"""A hash of what a Python file does: the same whatever its comments, docstrings and layout.

`ast.dump` and `ast.unparse` differ between versions of Python; what is written here does not.
Imports and annotations are left out too, for where something lies decides no result, and so are the
words of refusals: where one is raised, nothing is measured.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
_NOT_RUN = frozenset(
    {"annotation", "returns", "type_comment", "type_ignores", "type_params", "ctx"}
)


def hash_syntax(path: Path) -> str:
    """The hash of a file.

    Raises:
        SyntaxError: it is no Python.
    """
    return _hash_source(path.read_bytes(), str(path))


def runs_something(path: Path) -> bool:
    """Whether a file has more than a docstring, as those of most packages have not."""
    return hash_syntax(path) != _hash_source(b"", "")


@cache
def _hash_source(source: bytes, name: str) -> str:
    tree = ast.parse(source, filename=name)
    return hashlib.sha256("\n".join(_write(tree)).encode()).hexdigest()


def _write(node: ast.AST) -> Iterator[str]:
    """A line for each part of a tree, from the root down; what is empty is not there."""
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        node = ast.Raise(exc=node.exc.func)
    yield f"({type(node).__name__}"
    for field, value in ast.iter_fields(node):
        if field in _NOT_RUN:
            continue
        parts = value if isinstance(value, list) else [value]
        if field == "body" and isinstance(node, _DOCUMENTED):
            parts = [part for part in parts if not _is_text(part)]
        parts = [part for part in parts if not isinstance(part, ast.Import | ast.ImportFrom)]
        if any(part is not None for part in parts):
            yield field
        for part in parts:
            if isinstance(part, ast.AST):
                yield from _write(part)
            elif part is not None:
                yield f"{type(part).__name__} {part!r}"
    yield ")"


def _is_text(node: ast.AST) -> bool:
    """Whether a statement is a text by itself, as docstrings are, of attributes too."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
