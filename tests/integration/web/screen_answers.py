"""What the core answers to the screens that ask it for more than values: a page of commands and one of stations, full and empty."""

from __future__ import annotations

from typing import Any


def answers(*, is_empty: bool) -> dict[str, Any]:
    """Return method -> answer."""
    off = {"cause": "read_only_device", "params": {"device": "d", "by": "Bo"}, "read_only": [{"device": "d", "by": "Bo", "since_ms": 9}]}
    state = {"now_ms": 10, "writes": {"cause": None, "params": {}, "read_only": []}, "points": [], "waiting": [], "unsure": []}
    if is_empty:
        return {"tag": _tag(), "commands": state | {"self_approval": False}, "command.history": {"acts": []}, "stations": {"stations": []}}
    points, waiting = [_point("t0"), _point("t3")], [_waiting()]
    acts = [_act("done", {"old": 1, "read_back": 2}), _act("interlocked", {"tag": "d/t1", "value": "1", "wanted": "= 0"}), _act(None, {})]
    entries = [_entry("float64", 5), _entry("bool", None), _entry("text", 10**12)]
    return {
        "tag": _tag(),
        "commands": state | {"self_approval": False, "writes": off, "points": points, "waiting": waiting, "unsure": ["d/t3"]},
        "command.history": {"acts": acts},
        "stations": {"stations": [{"name": "lab", "asset": "a/lab", "people": ["Ana"], "gauge": True, "tags": entries}]},
    }


def _tag() -> dict[str, Any]:
    instrument = {
        "serial": "PT-100 4711", "certificate": "DKD 2026-0815", "calibrated": "2025-11-02", "due": "2026-05-02", "overdue_ms": 1,
        "uncertainty": 0.2, "uncertainty_percent": None, "coverage": 2.0, "text": "serial=PT-100 4711",
    }  # fmt: skip
    report = {"on_change": True, "deadband": 0.1, "deadband_share": 0.01, "deadband_integral": 3.0, "heartbeat_ms": 60_000}
    return {
        "uid": 2, "tag": "d/t2", "group": "g", "period_ms": 1_000, "mode": "poll", "source": "holding:0", "report": report,
        "range": {"low": 0.0, "high": 60.0, "outside": "bad"}, "instrument": instrument, "write": {"low": 1.0, "high": None},
        "bands": [["line", "armed", 21.2, 25.6], ["night", "shadow", 19.0, 24.0]],
    }  # fmt: skip


def _point(name: str) -> dict[str, Any]:
    return {
        "target": f"d/{name}", "device": "d", "asset": "a", "uid": int(name[1:]), "type": "float64", "unit": "1/min", "exponent": None,
        "arguments": [], "risk": "high", "approvers": [], "min": 1.0, "max": 160.0, "max_step": 60.0, "max_rate": 90.0, "cause": None,
        "value": 1.0, "good": True, "age_ms": 5,
        "conditions": [{"tag": "d/t1", "wanted": "= 0", "value": 0.0, "age_ms": 5, "state": "holds"}],
    }  # fmt: skip


def _waiting() -> dict[str, Any]:
    return {
        "id": "7f" * 16, "by": "Ada (session 3f2a90c1)", "target": "d/t0", "value": 100, "old": 90, "reason": "slower", "made_ms": 1,
        "left_ms": 600_000,
    }  # fmt: skip


def _act(code: str | None, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "seq": 7 + len(told), "at_ms": 1_750_000_000_000, "action": "command.confirm", "target": "d/t0",
        "session": "Ada (session 3f2a90c1)", "params": {"value": 2, "old": 1}, "reason": "a test", "code": code, "told": told,
        "outcome_seq": None if code is None else 9,
    }  # fmt: skip


def _entry(kind: str, due_ms: int | None) -> dict[str, Any]:
    return {
        "target": f"lab/{kind}", "uid": 3, "type": kind, "unit": "deg", "exponent": -1, "min": 0.0 if kind == "float64" else None,
        "max": 30.0 if kind == "float64" else None, "choices": [], "pattern": None, "every_ms": 5, "due_ms": due_ms,
    }  # fmt: skip
