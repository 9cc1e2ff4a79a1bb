"""The tree as the tidy tests see it: files of ours, and their syntax trees.

Room: tests. The other files of this folder import it by path through `tests.tidy.source`. It judges nothing itself.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PRODUCT: Final = ("runtime", "drivers", "models", "ledger_client", "boards", "anchor")
CODE: Final = (*PRODUCT, "tests", "benchmarks", "examples")
TEXT_SUFFIXES: Final = frozenset({".py", ".toml", ".md", ".sh", ".csv", ".html", ".js", ".css", ".in", ".lock", ".txt", ".json", ""})


def name_of(path: Path) -> str:
    """Return the path as it is written in this repository."""
    return path.relative_to(ROOT).as_posix()


def _ours(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return path.is_file() and "__pycache__" not in parts and "vendor" not in parts and not (parts[0] == "tests" and parts[1] == "out")


@cache
def python_files(rooms: tuple[str, ...]) -> tuple[Path, ...]:
    """Return the Python files of these top-level folders; what is vendored is not ours to judge."""
    return tuple(sorted(p for room in rooms for p in (ROOT / room).rglob("*.py") if _ours(p)))


@cache
def text_files() -> tuple[Path, ...]:
    """Return every text file of ours: the code folders, docs, locks and the top level."""
    found = [p for p in ROOT.iterdir() if p.is_file() and (not p.name.startswith(".") or p.name == ".gitignore")]
    for folder in (*CODE, "docs", "requirements", ".ci"):
        found += [p for p in (ROOT / folder).rglob("*") if _ours(p)]
    return tuple(sorted(p for p in found if p.suffix in TEXT_SUFFIXES))


@cache
def tree_of(path: Path) -> ast.Module:
    """Return the syntax tree of one file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


@cache
def _nodes_of(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree_of(path)))


def nodes(rooms: tuple[str, ...]) -> Iterator[tuple[Path, ast.AST]]:
    """Yield every syntax node of these rooms with the file that it stands in."""
    for path in python_files(rooms):
        for node in _nodes_of(path):
            yield path, node


def at(path: Path, node: ast.AST) -> str:
    """Return `file:line` of a node."""
    return f"{name_of(path)}:{getattr(node, 'lineno', 0)}"


def plain_text(path: Path) -> str:
    """Return a file's text; bytes that are no UTF-8 become marks."""
    return path.read_text(encoding="utf-8", errors="replace")
