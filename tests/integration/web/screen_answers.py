"""What the core answers to the screens that ask it for more than values: a page of commands and one of stations, full and empty."""

from __future__ import annotations

from typing import Any

from tests.integration.web.screen_network import network_answers


def answers(*, is_empty: bool) -> dict[str, Any]:
    """Return method -> answer."""
    off = {"cause": "read_only_device", "params": {"device": "d", "by": "Bo"}, "read_only": [{"device": "d", "by": "Bo", "since_ms": 9}]}
    state = {"now_ms": 10, "writes": {"cause": None, "params": {}, "read_only": []}, "points": [], "waiting": [], "unsure": []}
    if is_empty:
        found = {"commands": state | {"self_approval": False}, "command.history": {"acts": []}, "stations": {"stations": []}}
        return found | {"tag": _tag()} | diagnostics(is_empty=True) | network_answers(is_empty=True)
    points, waiting = [_point("t0"), _point("t3")], [_waiting()]
    acts = [_act("done", {"old": 1, "read_back": 2}), _act("interlocked", {"tag": "d/t1", "value": "1", "wanted": "= 0"}), _act(None, {})]
    entries = [_entry("float64", 5), _entry("bool", None), _entry("text", 10**12)]
    return (
        diagnostics(is_empty=False)
        | network_answers(is_empty=False)
        | {
            "tag": _tag(),
            "commands": state | {"self_approval": False, "writes": off, "points": points, "waiting": waiting, "unsure": ["d/t3"]},
            "command.history": {"acts": acts},
            "stations": {"stations": [{"name": "lab", "asset": "a/lab", "people": ["Ana"], "gauge": True, "tags": entries}]},
        }
    )


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


def diagnostics(*, is_empty: bool) -> dict[str, Any]:
    """Return what the page of diagnostics asks for."""
    rows = [
        {"name": name, "pid": at, "cpu_percent": 3.5, "rss_kb": 40_000, "threads": 3, "uptime_s": 99.0, "restarts": at, "fault": fault}
        for at, (name, fault) in enumerate((("core", None), ("signer", None), ("history", "ChildError: history ended with -9")))
    ]
    state = {
        "now_ms": 10, "processes": rows, "loop": {"stall_p99_ms": None, "stall_max_ms": 1.5}, "faces": 2, "log_newest": 3,
        "queues": [{"name": "readings", "of": "", "waiting": 0}, {"name": "anchor", "of": "w", "waiting": 12_345}],
        "memory_kb": {"MemTotal": 900_000, "MemAvailable": 300_000}, "disk": {"size_bytes": 10**10, "free_bytes": 10**9},
        "parts": {"alarms": [3, "ValueError: <b>no</b>"]},
    }  # fmt: skip
    lines = [
        [1, 1_750_000_000_000, "info", "probe", "probe_asked", {"by": "Tess", "kind": "tcp", "host": "h", "port": 1}, ""],
        [2, 1_750_000_001_000, "warning", "supervisor", "part_failed", {"part": "<img src=x onerror=alert(1)>", "fault": "x"}, "Traceback"],
        [3, 1_750_000_002_000, "error", "web", "", {}, "a line of a library " + "without a place to break it" * 8],
    ]
    known = [{"host": "10.0.0.9", "port": 502, "what": "device", "name": "press", "line": "press"}]
    return {
        "diag.state": state,
        "diag.log": {"lines": [] if is_empty else lines, "newest": 0 if is_empty else 3, "missed": 0 if is_empty else 4},
        "diag.targets": {"addresses": [] if is_empty else known, "commissioning": not is_empty},
    }


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
