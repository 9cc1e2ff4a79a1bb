"""A gateway's state in words, from the running core's health or from the state folder.

Room: hall. The verb `status` calls it. Codes become words here and nowhere else on the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ledger_client.disk import RealDisk
from ledger_client.errors import LedgerError
from ledger_client.quarantine import read_quarantine
from ledger_client.reader import LedgerReader, epochs
from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import ask_once
from runtime.faces.web.alarm_lines import about_text, rest_text, state_text
from runtime.layout import Layout
from runtime.messages.catalogue import sort_of, word
from runtime.messages.status_words import NONE_READ, device_cause, status_said, statuses_of
from runtime.messages.values import counted, moment_s
from runtime.run_folder import feed_of

NAMED_MAX: Final = 5
ALARMS_SHOWN: Final = 3
REASONS: Final = {"core_away": "status_not_running", "request_timeout": "status_no_answer"}
"""What the feed's refusals mean here."""


def page_certificate(state: Path) -> dict[str, Any] | None:
    """Return what browsers show of the page's certificate, None where there is none, or where only its owner may read it."""
    from runtime.web_certificate import WebCertificate

    try:
        told = WebCertificate(RealDisk(), Layout(state).web_certificate).told()
    except (LedgerError, OSError):
        return None
    return None if told is None else told.plain()


async def status_of(state: Path, timeout_s: float) -> dict[str, Any]:
    """Return the core's health, else what the files say; with `running`, `recording` and, where either is not so, `reason`, a code.

    A core that takes the call and does not answer is not running: it may be stopped, or much too busy.
    """
    try:
        found: dict[str, Any] = await ask_once(feed_of(state), "cli", "status", {}, timeout_s)
    except RequestRefusedError as error:
        rest = status_at_rest(state)
        reason = REASONS.get(error.code, error.code) if rest["ledger"] is not None else "state_missing"
        return {**rest, "running": False, "recording": False, "reason": reason, "params": {"path": str(state), **error.params}}
    fault = _not_recording(found)
    with suppress(RequestRefusedError):  # what it says of alarms is more than its state: without it the rest still stands
        found["alarms"] = await ask_once(feed_of(state), "cli", "alarms", {"limit": ALARMS_SHOWN}, timeout_s)
    return {**found, "running": True, "recording": fault is None, "reason": fault, "params": {}}


def _not_recording(found: Mapping[str, Any]) -> str | None:
    if found["evidence"]["state"] == "stopped":
        return "status_not_recording"
    if found["ledger"]["state"] == "quarantined":
        return "status_quarantined"
    return None if found["ledger"]["state"] == "ok" else "status_not_recording"


def status_at_rest(state: Path) -> dict[str, Any]:
    """Return what the files of a stopped gateway say; `ledger` None when there is none."""
    disk = RealDisk()
    try:
        newest = max(epochs(disk, state), default=None)
        if newest is None:
            return {"ledger": None}
        reader = LedgerReader(disk, state, newest)
        size = reader.size()
        heads = reader.heads(size)
        quarantine = read_quarantine(disk, state, newest)
    except (LedgerError, OSError) as error:
        return {"ledger": {"state": "failed", "cause": getattr(error, "code", "act_failed"), "params": {"detail": str(error)}}}
    found: dict[str, Any] = {
        "origin": heads.origin, "epoch": newest, "size": size, "state": "ok", "cause": None, "params": {},
        "last_wall_ms": heads.last_wall_ms, "confirmed_size": heads.receipt[1] if heads.receipt else None,
    }  # fmt: skip
    if quarantine is not None:
        found |= {"state": "quarantined", "cause": quarantine.code, "params": dict(quarantine.params)}
    return {"ledger": found}


def status_text(found: Mapping[str, Any]) -> Group | Text:
    """Return the words to print."""
    ledger = found.get("ledger")
    lines = [Text(word(found["reason"] or "status_recording", found["params"]), style=_style(found))]
    if ledger is None:
        return lines[0]
    size = counted(ledger.get("size", 0), "entry", "entries")
    lines.append(Text(f"{ledger.get('origin', '')}  epoch {ledger.get('epoch', '')}  {size}  {ledger['state']}"))
    if ledger.get("cause"):
        lines.append(Text(word(ledger["cause"], ledger.get("params"))))
    if not found["running"]:
        return Group(*lines)
    evidence = found["evidence"]
    if evidence.get("cause") and evidence["cause"] != ledger.get("cause"):
        lines.append(Text(word(evidence["cause"], evidence.get("params"))))
    lines.append(Text(f"{counted(evidence['readings'], 'reading')} recorded, {evidence['open_readings']} pending, {evidence['state']}"))
    lines += _file_faults(found.get("gateway", {}))
    down = found.get("parts_down", {})  # a core of an earlier version says none
    lines += [Text(word("part_down", {"part": part, "reason": reason}), style="bold red") for part, reason in down.items()]
    devices = Table("device", "state", "last good", "polls", "failed", "missed", "", box=None, pad_edge=False)
    for device in found["devices"]:
        age = "-" if device["last_good_ms"] is None else f"{(found['now_ms'] - device['last_good_ms']) / 1000:.1f} s"
        counts = [str(device[name]) for name in ("polls", "failed", "missed")]
        devices.add_row(device["name"], device["state"], age, *counts, Text(_reason(device)))
    anchors = Table("anchor", "state", "confirmed", "mirror", "", box=None, pad_edge=False)
    for anchor in found["anchors"]:
        mirror = anchor.get("mirror")
        faulty = anchor if anchor["cause"] is not None or mirror is None else mirror
        cause = "" if faulty["cause"] is None else word(faulty["cause"], faulty["params"])
        anchors.add_row(anchor["name"], anchor["state"], str(anchor["cosigned_size"] or "-"), _mirrored(mirror), Text(cause))
    confirmed = anchors if found["anchors"] else Text(word("status_no_anchor"), style="yellow")
    off = found.get("writes", {}).get("read_only", [])  # a core of an earlier version says none
    if off:
        what = word("web.read_only.all") if any(each["device"] == "" for each in off) else ", ".join(each["device"] for each in off)
        lines.append(Text(word("web.read_only", {"what": what}), style="yellow"))
    lines += _alarms(found.get("alarms"))
    return Group(*lines, *_calibrations(found["calibrations"]), *_rounds(found["rounds_overdue"]), devices, confirmed)


def _file_faults(gateway: Mapping[str, Any]) -> list[Text]:
    """Return why the configuration file is not in force, a line a fault; nothing where it is."""
    faults = gateway.get("config_faults") or []
    if not faults:
        return []
    count = gateway.get("config_fault_count", len(faults))
    said = [word("status_config_faults", {"count": count, "revision": gateway["revision"]})]
    for each in faults[:NAMED_MAX]:
        line = "" if each["line"] is None else word("config_line", {"line": each["line"]})
        said.append("  " + ": ".join(filter(None, (line, each["where"], word(each["code"], each["params"])))))
    return [Text(each, style="bold red") for each in [*said, *(["  …"] if count > NAMED_MAX else [])]]


def _reason(device: Mapping[str, Any]) -> str:
    """Return why a device is not well; of one that is degraded, for each reason the groups that have it, then what statuses mean."""
    if device["cause"] == NONE_READ:
        return device_cause(device)
    groups: dict[str, list[str]] = {}
    for each in device.get("bad_groups", []):  # a core of an earlier version says none
        groups.setdefault(word(each["cause"], each["params"]), []).append(each["group"])
    if groups:
        rows = [f"{', '.join(names)}: {reason}" for reason, names in groups.items()]
        is_cut = len(rows) > NAMED_MAX or device.get("bad_group_count", 0) > len(device["bad_groups"])
        named = dict.fromkeys(name for each in device["bad_groups"][:NAMED_MAX] for name in statuses_of(each["params"]))
        return "\n".join((*rows[:NAMED_MAX], *(["…"] if is_cut else []), *map(status_said, named)))
    missed = device.get("missed_cause") if device["state"] == "ok" else None  # a core of an earlier version says none
    return device_cause(device) or (word("status_missed", {"cause": sort_of(missed)}) if missed else "")


def _alarms(told: Mapping[str, Any] | None) -> list[Text]:
    """Return how many alarms wait and are known, and the worst of them; nothing where none is defined."""
    summary = (told or {}).get("summary") or {}
    if told is None or not summary.get("defined"):
        return []
    waiting = summary["waiting"]
    total = sum(waiting.values())
    rest = rest_text(summary["states"], "en")
    said = word("alarm.banner.waits", {"count": total}) if total else word("alarm.banner.none")
    style = "bold red" if waiting["high"] else "yellow" if total else ""
    lines = [Text(f"{said}{f' · {rest}' if rest else ''}", style=style)]
    for row in told["rows"]:
        letter = word(f"alarm.letter.{row['priority']}")
        lines.append(Text(f"  {letter} {row['name']}: {about_text(row, 'en')}, {state_text(row, 'en')}", style=style))
    return lines


def _calibrations(found: list[dict[str, Any]]) -> list[Text]:
    """Return a line for the instruments that are overdue, and one for those that soon will be."""
    lines = []
    for code, style, is_overdue in (("status_calibration_overdue", "bold red", True), ("status_calibration_due", "yellow", False)):
        rows = [each for each in found if (each["days_left"] < 0) is is_overdue]
        tags = ", ".join(f"{each['tag']} ({each['due']})" for each in rows[:NAMED_MAX]) + (", …" if len(rows) > NAMED_MAX else "")
        if rows:
            lines.append(Text(word(code, {"count": len(rows), "tags": tags}), style=style))
    return lines


def _rounds(found: list[dict[str, Any]]) -> list[Text]:
    """Return a line for what people should have entered."""
    tags = ", ".join(f"{each['tag']} ({moment_s(each['due_ms'] // 1000)})" for each in found[:NAMED_MAX]) + (
        ", …" if len(found) > NAMED_MAX else ""
    )
    return [Text(word("status_rounds_overdue", {"count": len(found), "tags": tags}), style="bold red")] if found else []


def _mirrored(mirror: Mapping[str, Any] | None) -> str:
    """Return what a mirror holds, in a table's cell."""
    if mirror is None:
        return "-"
    return word("status_mirror", {"held": mirror["held"] or 0, "wanted": mirror["wanted"] or "?"})


def _style(found: Mapping[str, Any]) -> str:
    return "yellow" if not found["running"] else "green" if found["recording"] else "bold red"
