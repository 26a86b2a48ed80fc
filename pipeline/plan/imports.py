"""Which files of ours a stage runs, found in its imports."""

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from pipeline.plan.syntax import runs_something

PACKAGES = ("nndl_jax", "pipeline")

_NO_RESULT = frozenset(
    # Where files are, how a process starts and ends, and what notebooks show decides no result.
    {
        Path("pipeline/machine/paths.py"),
        Path("pipeline/machine/process.py"),
        Path("nndl_jax/data/summary.py"),
        Path("nndl_jax/reading/html.py"),
        Path("nndl_jax/reading/schema.py"),
    }
)
_READING = frozenset(
    # They turn texts into documents: what they let through stands in resolved/.
    {
        *(Path(f"nndl_jax/reading/{n}.py") for n in ("faults", "located_yaml", "validation")),
        Path("nndl_jax/documents/memory.py"),
    }
)
_CALCULATIONS = Path("nndl_jax/calculations")
_DOCUMENTS = Path("nndl_jax/documents")
_WITH_CALCULATIONS = ("resolve", "calculate", "evaluate", "report", "site", "models")
"""Stages that read what is calculated; the documents of the others are of other kinds."""
_WITHOUT_DOCUMENTS = "download"
"""The stage that reads none, and takes a table of data sets from their package."""


def list_code(stage: str, root: Path = Path()) -> Sequence[Path]:
    """Files of ours that a stage imports, when it starts or later, in order of their names.

    Args:
        stage: its name.
        root: the folder that our packages are in.
    """
    homes = _homes(root)
    left_out = _NO_RESULT if stage == "resolve" else _NO_RESULT | _READING
    found, waiting = set(), [Path(f"pipeline/{stage}.py")]
    while waiting:
        path = waiting.pop()
        if path in found or path in left_out:
            continue
        found.add(path)
        imported = [file for name in _imports(root / path, homes) for file in _files(name, root)]
        if stage == _WITHOUT_DOCUMENTS:
            imported = [file for file in imported if file != _DOCUMENTS / "__init__.py"]
        if stage not in _WITH_CALCULATIONS and path.parent == _DOCUMENTS:
            imported = [file for file in imported if file.parent != _CALCULATIONS]
        waiting += imported
    return sorted(path for path in found if runs_something(root / path))


def _imports(path: Path, homes: dict[str, str]) -> Iterator[str]:
    """Names of the modules that a file imports, or takes from the package by attribute."""
    for node in _nodes(path.read_bytes()):
        match node:
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in PACKAGES:
                for alias in node.names:
                    is_lazy = module == "nndl_jax" and alias.name in homes
                    yield homes[alias.name] if is_lazy else module
                    yield f"{module}.{alias.name}"
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.Attribute(value=ast.Name(id="nndl_jax"), attr=attribute):
                yield homes.get(attribute, "")


@cache
def _nodes(source: bytes) -> Sequence[ast.AST]:
    """The nodes of a file that say what it imports, for every stage the same."""
    kinds = ast.Import | ast.ImportFrom | ast.Attribute
    return [node for node in _run_nodes(ast.parse(source)) if isinstance(node, kinds)]


def _run_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only type checkers read."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        match child:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                for other in child.orelse:
                    yield from _run_nodes(other)
            case _:
                yield from _run_nodes(child)


def _homes(root: Path) -> dict[str, str]:
    """The module of each name that the package itself has, which it imports when it is used."""
    tree = ast.parse((root / "nndl_jax/__init__.py").read_text(encoding="utf-8"))
    return {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


def _files(module: str, root: Path) -> list[Path]:
    """The file of a module of ours, with those of the packages around it; nothing for others."""
    parts = module.split(".")
    if parts[0] not in PACKAGES or len(parts) == 1:
        return []
    file, package = Path(*parts).with_suffix(".py"), Path(*parts) / "__init__.py"
    found = [path for path in (file, package) if (root / path).exists()]
    return found + (_files(".".join(parts[:-1]), root) if len(parts) > 2 else [])
