"""Every code that the code can say is worded in both languages, with the same blanks.

Room: tests. Reads the catalogues and the syntax trees; imports none of ours.
"""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from typing import Any

from tests.tidy.source import PRODUCT, ROOT, at, nodes

CATALOGUES = ROOT / "runtime" / "messages"


@cache
def _catalogue(language: str) -> dict[str, str]:
    """`en.toml` and the file of each topic, `en_alarms.toml`: read as one."""
    pairs = [
        pair
        for path in sorted((CATALOGUES / f"{language}.toml", *CATALOGUES.glob(f"{language}_*.toml")))
        for pair in _flat(tomllib.loads(path.read_text(encoding="utf-8")))
    ]
    codes = [code for code, _ in pairs]
    assert sorted(codes) == sorted(set(codes)), f"{language}: a code is worded in two files"
    return dict(pairs)


def _flat(table: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in table.items():
        found += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return found


def _blanks(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)", text))


def test_both_languages_word_the_same_codes_with_the_same_blanks() -> None:
    english, chinese = _catalogue("en"), _catalogue("zh")
    assert english.keys() == chinese.keys()
    assert {k for k in english if set(_blanks(english[k])) != set(_blanks(chinese[k]))} == set()
    assert all(text.strip() for text in (*english.values(), *chinese.values()))


def test_every_code_used_is_worded() -> None:
    worded = {key.rpartition(".")[2] for key in _catalogue("en")} | set(_catalogue("en"))
    missing = sorted({f"{code}  ({where})" for code, where in _codes_used() if code not in worded})
    assert not missing


def _codes_used() -> list[tuple[str, str]]:
    """Return codes with where they stand: first arguments of coded errors, and `cause=` or `code=` given as text."""
    coded = _coded_errors()
    found = []
    for path, node in nodes(PRODUCT):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).rpartition(".")[2]
        given = [node.args[0]] if name in coded and node.args else []
        given += [k.value for k in node.keywords if k.arg in {"cause", "code"}]
        found += [(g.value, at(path, node)) for g in given if isinstance(g, ast.Constant) and isinstance(g.value, str) and g.value]
    return found


def _coded_errors() -> set[str]:
    """Return the error classes whose first parameter is a message code, and their subclasses."""
    classes = [node for _, node in nodes(PRODUCT) if isinstance(node, ast.ClassDef)]
    coded = set()
    for node in classes:
        for made in (f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"):
            given = [*made.args.posonlyargs, *made.args.args]
            if len(given) > 1 and given[1].arg in {"cause", "code"}:
                coded.add(node.name)
    while more := {c.name for c in classes if c.name not in coded and any(ast.unparse(b).rpartition(".")[2] in coded for b in c.bases)}:
        coded |= more
    return coded
