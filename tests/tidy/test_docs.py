"""The docs against the code: files they name exist, words and ports they promise are there, decisions say what they must.

Room: tests. Reads Markdown, CSV and the syntax trees; imports none of ours.
"""

from __future__ import annotations

import ast
import csv
import re
from pathlib import Path
from typing import Final

import pytest

from tests.tidy.source import PRODUCT, ROOT, at, name_of, nodes, plain_text

DOCS: Final = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "boards").rglob("*.md")))
FILE_NAME: Final = re.compile(r"`((?:[\w-]+/)+[\w.-]*\.?(?:py|toml|sh|md|csv|html|js|css|lock)?/?)(?:::\w+)?`")
PLACES: Final = (
    "runtime/",
    "drivers/",
    "models/",
    "ledger_client/",
    "boards/",
    "anchor/",
    "tests/",
    "docs/",
    "benchmarks/",
    "examples/",
    "requirements/",
)
WORDS: Final = (
    "asset|device|tag|reading|scan|quality|source time|read time|report rule|batch|entry|body|segment|checkpoint|witness|mirror|anchor"
    "|receipt|gap|epoch|policy|proof|window|score|threshold|coverage|manifest|event|alarm|order|operation|machine|recipe|parameter|lot|changeover"
    "|plan|dispatch|board|slot|bundle|R_D|D_P|A_S|R_S|sigma_S"
)
PORT_NAME: Final = re.compile(r"(^|_)port$", re.IGNORECASE)


@pytest.mark.parametrize("path", DOCS, ids=name_of)
def test_named_files_exist(path: Path) -> None:
    named = {m for m in FILE_NAME.findall(plain_text(path)) if m.startswith(PLACES)}
    assert not sorted(n for n in named if not (ROOT / n).exists())


@pytest.mark.parametrize("path", DOCS, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", plain_text(path))
    dead = [link for link in links if "://" not in link and not (path.parent / link).exists()]
    assert not dead


def test_every_threat_names_tests_that_exist() -> None:
    lines = [line for line in plain_text(ROOT / "docs" / "threat-model.md").splitlines() if line.startswith("| ")][1:]
    checked = {line.split("|")[1].strip(): FILE_NAME.findall(line.split("|")[-2]) for line in lines}
    assert len(lines) >= 14
    assert not [
        who for who, files in checked.items() if not files or not all(f.startswith("tests/") and (ROOT / f).exists() for f in files)
    ]


def test_every_word_is_in_the_glossary() -> None:
    text = plain_text(ROOT / "docs" / "glossary.md")
    assert not [w for w in WORDS.split("|") if f"**{w}**" not in text]


def test_every_port_is_in_the_list_of_flows() -> None:
    """A port that the code listens on or dials by default is documented with its peer."""
    with (ROOT / "docs" / "flows.csv").open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    assert all(row["who"] and row["direction"] in {"in", "out", "local"} and row["opened"] for row in rows)
    listed = {int(p) for row in rows for p in re.findall(r"\d+", row["port"])}
    defaults = {port: where for where, port in _default_ports() if port not in listed}
    assert not defaults


def _default_ports() -> list[tuple[str, int]]:
    found = []
    for path, node in nodes(PRODUCT):
        pairs: list[tuple[str, ast.expr | None]] = []
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            pairs = [(node.target.id, node.value)]
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            pairs = [(node.targets[0].id, node.value)]
        elif isinstance(node, ast.arguments):
            taken = (*node.posonlyargs, *node.args)
            pairs = [(a.arg, d) for a, d in zip(taken[len(taken) - len(node.defaults) :], node.defaults, strict=True)]
            pairs += [(a.arg, d) for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True)]
        if (
            isinstance(node, ast.Call)
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and str(node.args[0].value).endswith("-port")
        ):
            pairs += [("port", k.value) for k in node.keywords if k.arg == "default"]
        found += [(at(path, node), port) for name, value in pairs if PORT_NAME.search(name) for port in _first_number(value)]
    return found


def _first_number(value: ast.expr | None) -> list[int]:
    """Return the number that a default comes to: itself, or the first one in `Field(default=502, ...)` or `x or 443`."""
    if value is None or isinstance(value, ast.Subscript):
        return []
    if isinstance(value, ast.Call):  # of Field, only the default is one
        value = next((key.value for key in value.keywords if key.arg == "default"), value)
    return [n.value for n in ast.walk(value) if isinstance(n, ast.Constant) and type(n.value) is int and n.value > 0][:1]


def test_decisions_say_why_and_what_would_change_them() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [p.name[:4] for p in pages] == [f"{i:04d}" for i in range(1, len(pages) + 1)]
    for page in pages:
        text = plain_text(page)
        missing = [h for h in ("## Why", "## Oracle in the tests", "## What would make us drop it") if h not in text]
        assert not missing, page.name
