"""Every cause that a built-in driver can give is in the list, and every one in the list has words in each language."""

from __future__ import annotations

import ast
from pathlib import Path

import drivers
from drivers.causes import cause_codes
from runtime.messages.catalogue import LANGUAGES, catalogue


def test_drivers_raise_listed_causes_only() -> None:
    raised = set()
    for path in Path(drivers.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "DriverError" and isinstance(node.args[0], ast.Constant):
                raised.add(node.args[0].value)
    assert raised == set(cause_codes)


def test_every_cause_has_words() -> None:
    for language in LANGUAGES:
        assert set(cause_codes) <= set(catalogue(language))
