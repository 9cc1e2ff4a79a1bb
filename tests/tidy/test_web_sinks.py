"""No page has a place where a text could become markup: templates escape, modules make text nodes only.

So every name is covered, whoever adds the next one; that escaping works is shown in a browser (`test_stored_names.py`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

WEB: Final = Path(__file__).parents[2] / "runtime" / "faces" / "web"
SINKS: Final = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|DOMParser|createContextualFragment|srcdoc|javascript:"
    r"|setHTMLUnsafe|parseHTMLUnsafe|\beval\(|new Function\(|setAttribute\(\s*[\"']on|\.on\w+\s*=\s*[\"'`]"
)
KNOWN: Final = {
    'judgement.js: const fresh = new DOMParser().parseFromString(await (await fetched(place)).text(), "text/html");',
    "judgement.js: if (here.innerHTML === part.innerHTML && here.className === part.className) return;",
}
"""A part of our own page, escaped by its template, is fetched again; what is parsed so runs no script. The other compares."""
MARKUP: Final = {"face.py": 1, "prove_pages.py": 1}
"""Drawings of our own: the mark, and the code of digits."""


def test_no_module_makes_markup_of_text() -> None:
    found = set()
    for path in sorted((WEB / "static").glob("*.js")):
        found |= {f"{path.name}: {line.strip()}" for line in path.read_text(encoding="utf-8").splitlines() if SINKS.search(line)}
    assert found <= KNOWN, found - KNOWN
    assert len(list((WEB / "static").glob("*.js"))) > 10


def test_every_template_escapes() -> None:
    assert "autoescape=True" in (WEB / "face.py").read_text(encoding="utf-8")
    templates = sorted((WEB / "templates").glob("*.html"))
    assert len(templates) > 10
    bent = re.compile(r"\|\s*safe\b|\bautoescape\b|<script(?![^>]*\bsrc=)|\son\w+=")
    assert [path.name for path in templates if bent.search(path.read_text(encoding="utf-8"))] == []
    counts = {path.name: len(re.findall(r"\bMarkup\(", path.read_text(encoding="utf-8"))) for path in WEB.glob("*.py")}
    assert {name: count for name, count in counts.items() if count} == MARKUP


def test_every_attribute_with_a_blank_is_quoted() -> None:
    """An unquoted attribute ends at a space: escaping would not help there."""
    bare = re.compile(r"\s[\w-]+=\{\{")
    assert [path.name for path in (WEB / "templates").glob("*.html") if bare.search(path.read_text(encoding="utf-8"))] == []
