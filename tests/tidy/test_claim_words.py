"""Every reason that the verifier can give is worded in both languages, with blanks that the verifier fills.

Room: tests. Reads the syntax trees and the catalogues.
"""

from __future__ import annotations

import ast
import re
import tomllib

from ledger_client import verify_ledger, verify_proof, verify_range
from ledger_client.claims import CLAIMS
from tests.tidy.source import ROOT, at, nodes


def catalogue(language: str) -> dict[str, str]:
    return tomllib.loads((ROOT / "runtime" / "messages" / f"{language}.toml").read_text(encoding="utf-8"))


def reasons() -> dict[str, tuple[str, set[str]]]:
    """Code -> where it is given, and which blanks are filled there."""
    found: dict[str, tuple[str, set[str]]] = {}
    for path, node in nodes(("ledger_client",)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in {"fails", "unknown"}:
            code = node.args[1] if len(node.args) > 1 else None
            if isinstance(code, ast.Constant) and isinstance(code.value, str):
                filled = {k.arg for k in node.keywords if k.arg} | ({"seq"} if len(node.args) > 2 else set())
                found[code.value] = (at(path, node), filled)
    return found


def test_every_reason_is_worded_and_its_blanks_are_filled() -> None:
    given = reasons()
    assert len(given) > 40
    for language in ("en", "zh"):
        words = catalogue(language)
        assert {f"{code} ({where})" for code, (where, _) in given.items() if code not in words} == set()
        empty = {code: set(re.findall(r"\{(\w+)\}", words[code])) - filled for code, (_, filled) in given.items()}
        assert {code: blanks for code, blanks in empty.items() if blanks} == {}


def test_every_claim_and_every_good_outcome_is_worded() -> None:
    codes = {f"claim.{name}" for name in CLAIMS} | {f"independent.{word}" for word in ("yes", "no", "unknown")}
    codes |= {f"verdict.{word}" for word in ("holds", "fails", "cannot_tell")}
    codes |= {code for module in (verify_ledger, verify_proof, verify_range) for code in module.HOLDS.values()}
    for language in ("en", "zh"):
        assert codes - catalogue(language).keys() == set()
