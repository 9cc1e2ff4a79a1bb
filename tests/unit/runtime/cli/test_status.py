"""`status` tells running, running without recording, and not to be told apart, each by its exit code and its own sentence."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from runtime.cli.app import make_app
from runtime.cli.status_text import status_of, status_text
from runtime.faces.feed import Session
from runtime.faces.feed_server import FeedServer
from runtime.history.service import Nothing
from runtime.layout import Layout
from runtime.messages.catalogue import word
from tests.rigs.evidence import EvidenceLog


def health(evidence: str, ledger: str, cause: str | None = None) -> dict[str, Any]:
    return {
        "now_ms": 1_000, "devices": [], "anchors": [], "calibrations": [], "rounds_overdue": [],
        "evidence": {"state": evidence, "readings": 1, "open_readings": 0, "cause": cause, "params": {}},
        "ledger": {"state": ledger, "origin": "o", "epoch": 1, "size": 1, "cause": None, "params": {}},
    }  # fmt: skip


async def asked(state: Path, answer: Mapping[str, Any]) -> dict[str, Any]:
    async def tell(session: Session, method: str, params: Mapping[str, Any]) -> Any:
        return answer

    address = Layout(state).feed
    address.parent.mkdir(parents=True)
    nothing = Nothing()
    async with asyncio.timeout(10), FeedServer(address, nothing, nothing, nothing, tell) as server, asyncio.TaskGroup() as group:
        serving = group.create_task(server.run())
        found = await status_of(state, 5)
        serving.cancel()
        return found


def text_of(found: dict[str, Any]) -> str:
    out = StringIO()
    Console(file=out, width=80).print(status_text(found))
    return " ".join(out.getvalue().split())


@pytest.mark.parametrize(
    ("evidence", "ledger", "reason"),
    [
        ("recording", "ok", None),
        ("slow", "ok", None),
        ("stopped", "failed", "status_not_recording"),
        ("recording", "quarantined", "status_quarantined"),
        ("recording", "read_only", "status_not_recording"),
    ],
)
def test_a_running_gateway(tmp_path: Path, evidence: str, ledger: str, reason: str | None) -> None:
    found = asyncio.run(asked(tmp_path, health(evidence, ledger, "disk_read_only" if reason else None)))
    assert (found["running"], found["recording"], found["reason"]) == (True, reason is None, reason)
    assert word(reason or "status_recording") in text_of(found)
    assert "1 entry " in text_of(found)


def test_of_a_device_all_that_is_in_its_gaps_is_told(tmp_path: Path) -> None:
    """Those of a read that failed, and those that nobody read: 10 + 55 of 65."""
    found = asyncio.run(asked(tmp_path, health("recording", "ok", None)))
    device = {"name": "meter", "state": "down", "last_good_ms": 0, "polls": 90, "failed": 10, "missed": 55, "cause": None, "params": {}}
    assert "polls failed missed meter down 1.0 s 90 10 55" in text_of(found | {"devices": [device]})


def test_alarms_are_counted_and_the_worst_named(tmp_path: Path) -> None:
    row = {
        "name": "hot",
        "text": "",
        "state": "unacked",
        "priority": "high",
        "condition": "above",
        "tag": "a/b",
        "limit": 5.0,
        "unit": "mm",
    }
    waiting, states = {"high": 1, "medium": 0, "low": 0}, {"unacked": 1, "acked": 2}
    found = asyncio.run(asked(tmp_path, health("recording", "ok", None)))
    quiet = text_of(found)
    found["alarms"] = {"summary": {"defined": 5, "waiting": waiting, "states": states}, "rows": [row]}
    told = text_of(found)
    assert "alarm" not in quiet
    assert "1 alarm waits · 2 active, acknowledged" in told
    assert "H hot: a/b above 5 mm, active, not acknowledged" in told


def test_a_stopped_core_gives_no_answer(tmp_path: Path) -> None:
    state = EvidenceLog().typical(3).write(tmp_path)
    address = Layout(state).feed
    address.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listening:  # the kernel takes the call, nobody answers
        listening.bind(str(address))
        listening.listen()
        found = asyncio.run(status_of(state, 0.05))
    assert (found["running"], found["recording"], found["reason"]) == (False, False, "status_no_answer")
    assert "stopped or overloaded" in text_of(found)


def test_one_that_does_not_run_and_none_at_all(tmp_path: Path) -> None:
    for state, reason in ((EvidenceLog().typical(3).write(tmp_path / "a"), "status_not_running"), (tmp_path / "b", "state_missing")):
        result = CliRunner().invoke(make_app(), ["status", "--state", str(state), "--json"])
        found = json.loads(result.stdout)
        assert (result.exit_code, found["running"], found["reason"]) == (2, False, reason)
        assert word(reason, {"path": str(state)}) in CliRunner().invoke(make_app(), ["status", "--state", str(state)]).stdout


def test_a_file_with_faults_is_named_with_its_lines_and_what_is_in_force() -> None:
    fault = {"where": "devices.press.wordorder", "code": "config_key_unknown", "params": {}, "line": 16, "text": ""}
    for count, more in ((1, ""), (7, "…")):
        gateway = {"revision": 3, "config_faults": [fault] * min(count, 6), "config_fault_count": count}
        said = text_of({**health("recording", "ok"), "running": True, "reason": None, "params": {}, "recording": True, "gateway": gateway})
        assert f"has {count} fault" in said
        assert "it is not in force, revision 3 is" in said
        assert f"line 16: devices.press.wordorder: {word('config_key_unknown')}" in said
        assert said.count("line 16") == min(count, 5)
        assert more in said


def test_a_part_that_does_not_run_is_named_with_what_it_said(tmp_path: Path) -> None:
    found = asyncio.run(asked(tmp_path, {**health("recording", "ok"), "parts_down": {"web": "Cannot listen on 127.0.0.1:8480"}}))
    assert (found["running"], found["recording"]) == (True, True), "as with a device that is degraded: it records"
    assert "The part web does not run, it fails each time it is started: Cannot listen on 127.0.0.1:8480" in text_of(found)


def test_a_gateway_without_witnesses_is_told_so_in_place_of_an_empty_table() -> None:
    found = {**health("recording", "ok"), "running": True, "recording": True, "reason": None, "params": {}}
    assert word("status_no_anchor") in text_of(found)
    anchor = {"name": "w", "state": "ok", "cosigned_size": 1, "cause": None, "params": {}}
    assert word("status_no_anchor") not in text_of({**found, "anchors": [anchor]})


def test_a_degraded_device_is_shown_with_its_groups_and_reasons(tmp_path: Path) -> None:
    fault = {"cause": "no_answer", "params": {}}
    device = {
        "name": "d", "state": "degraded", "last_good_ms": None, "polls": 1, "failed": 0, "missed": 0, **fault,
        "bad_groups": [
            {"group": "a", **fault}, {"group": "b", **fault},
            {"group": "c", "cause": "device_tags_bad", "params": {"count": 1, "tags": "c1 (BadNoData)", "statuses": "BadNoData"}},
        ],
    }  # fmt: skip
    found = asyncio.run(asked(tmp_path, {**health("recording", "ok"), "devices": [device]}))
    text = text_of(found)
    assert f"a, b: {word('no_answer')}" in text
    assert "c1 (BadNoData)" in text
    assert f"BadNoData: {word('status.BadNoData')}" in text
    assert "…" not in text
    assert "…" in text_of({**found, "devices": [{**device, "bad_group_count": 4}]}), "a group more that is not named"
    assert word("no_answer") in text_of({**found, "devices": [{**device, "bad_groups": []}]})


def test_a_device_that_is_too_slow_for_its_period_says_why_dues_were_missed(tmp_path: Path) -> None:
    device = {
        "name": "d", "state": "ok", "last_good_ms": None, "polls": 9, "failed": 0, "missed": 4, "missed_cause": "device_busy",
        "cause": None, "params": {},
    }  # fmt: skip
    found = asyncio.run(asked(tmp_path, {**health("recording", "ok"), "devices": [device]}))
    assert "longer period" in text_of(found)
    assert "longer period" not in text_of({**found, "devices": [{**device, "missed_cause": None}]})


def test_a_device_that_gives_no_value_says_what_it_answers(tmp_path: Path) -> None:
    params = {"count": 12, "tags": "u_l1 (BadDeviceFailure), …", "statuses": "BadDeviceFailure"}
    group = {"group": "fast", "cause": "device_tags_bad", "params": params}
    device = {
        "name": "d", "state": "degraded", "last_good_ms": None, "polls": 9, "failed": 0, "missed": 0,
        "cause": "device_none_read", "params": params, "bad_groups": [group], "bad_group_count": 1,
    }  # fmt: skip
    text = text_of(asyncio.run(asked(tmp_path, {**health("recording", "ok"), "devices": [device]})))
    assert "d degraded - 9 0 0 It answers, but gives no value" in text
    assert f"BadDeviceFailure: {word('status.BadDeviceFailure')}" in text
    assert "Bad tags" not in text
