"""What a config text would mean in force: every fault with its line, what is advised, the lines' time, and what changes. Pure.

Room: hall, commissioning. `desk` calls it in the executor for the configuration page and for drafts. It is the same judgement as of a file
and of the door's edit (`bus_budget.accept_config`), and changes nothing.
"""

from __future__ import annotations

import difflib
import tomllib
from typing import Any, Final

from runtime.bus_budget import accept_config
from runtime.config_faults import ConfigError, Fault

DIFF_LINES_MAX: Final = 2000
CONTEXT: Final = 3
FAULTS_MAX: Final = 200
EXACT_LINES: Final = 1000
"""In longer texts lines that occur often are not matched one by one: it would take seconds."""


def judged(text: str, before: str) -> dict[str, Any]:
    """Return {faults, fault_count, advice, lines, diff, changed, devices}.

    `lines` are budgets as `LineBudget.plain`, empty while there are faults; `devices` says which are new, gone or other than `before`.
    """
    said: dict[str, Any] = {"diff": diff_rows(before, text), "changed": text != before, "devices": device_changes(before, text)}
    try:
        accepted = accept_config(text)
    except ConfigError as error:
        faults = [_plain(fault) for fault in error.faults[:FAULTS_MAX]]
        return {**said, "faults": faults, "fault_count": len(error.faults), "advice": [], "lines": []}
    lines = [line.plain() for line in accepted.lines]
    return {**said, "faults": [], "fault_count": 0, "advice": [_plain(each) for each in accepted.advice], "lines": lines}


def diff_rows(before: str, after: str) -> list[list[Any]]:
    """Return [sign, line before, line after, text] of what changes with some lines around it.

    Signs are ` `, `-`, `+`, and `@` where lines are left out. Lines count from 1, 0 where there is none. A longer diff ends with an `@`
    whose text says how many lines more there are.
    """
    old, new = before.splitlines(), after.splitlines()
    rows: list[list[Any]] = []
    for group in difflib.SequenceMatcher(None, old, new, autojunk=len(old) > EXACT_LINES).get_grouped_opcodes(CONTEXT):
        if rows or group[0][1] > 0:
            rows.append(["@", 0, 0, ""])
        for kind, i1, i2, j1, j2 in group:
            if kind == "equal":
                rows += [[" ", i1 + at + 1, j1 + at + 1, line] for at, line in enumerate(old[i1:i2])]
            else:
                rows += [["-", i1 + at + 1, 0, line] for at, line in enumerate(old[i1:i2])]
                rows += [["+", 0, j1 + at + 1, line] for at, line in enumerate(new[j1:j2])]
    if len(rows) > DIFF_LINES_MAX:
        rows = [*rows[:DIFF_LINES_MAX], ["@", 0, 0, f"+{len(rows) - DIFF_LINES_MAX}"]]
    return rows


def device_changes(before: str, after: str) -> dict[str, list[str]]:
    """Return which devices are added, removed, changed; nothing for a text that is no TOML."""
    try:
        old, new = (tomllib.loads(text).get("devices", {}) for text in (before, after))
    except (ValueError, RecursionError):  # also of Python itself, for which a number has too many digits
        old, new = {}, {}
    if not isinstance(old, dict) or not isinstance(new, dict):
        return {}
    return {
        "added": [name for name in new if name not in old],
        "removed": [name for name in old if name not in new],
        "changed": [name for name in new if name in old and new[name] != old[name]],
    }


def _plain(fault: Fault) -> dict[str, Any]:
    return {"line": fault.line, "where": fault.where, "code": fault.code, "params": dict(fault.params)}
