"""The parts of a running core's bundle: what was taken of it on its loop, and what the folder and the machine say beside it.

Room: hall, diagnostics. The desk makes `CoreFacts` on the loop, which is plain data and costs little, and has `parts_of` work in the
executor. It asks no device and no peer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger_client.disk import Disk
from runtime.config import Config
from runtime.diagnostics.folder_facts import learned_of, ledger_files, revisions_of
from runtime.diagnostics.known_secrets import known_secrets
from runtime.diagnostics.log_ring import LogLine
from runtime.diagnostics.machine import machine_facts
from runtime.diagnostics.parts import PartFile, Parts, log_text
from runtime.diagnostics.redaction import Redactor
from runtime.layout import Layout
from runtime.made_of import bill_of_materials


@dataclass(frozen=True, slots=True)
class CoreFacts:
    """What a core says of itself at one moment."""

    now_ms: int
    health: Mapping[str, Any]
    config: Config
    config_text: str
    alarms: Mapping[str, Any]
    models: Sequence[Mapping[str, Any]]
    lines: Sequence[Mapping[str, Any]]
    log: list[LogLine]
    log_left_out: int


def parts_of(facts: CoreFacts, disk: Disk, layout: Layout, processes: Sequence[Mapping[str, Any]]) -> tuple[PartFile, ...]:
    """Return every file of the bundle. Blocking."""
    health = facts.health
    about = {"source": "running gateway", "gateway": health["gateway"]["name"], "version": health["gateway"]["version"]}
    parts = Parts(Redactor(known_secrets(facts.config)), facts.now_ms, about)
    parts.add_json("status.json", health)
    parts.add_text("config.toml", facts.config_text)
    parts.add_json("alarms.json", facts.alarms)
    parts.add_json("models.json", list(facts.models))
    parts.add_json("lines.json", list(facts.lines))
    parts.add_json("processes.json", {"processes": list(processes), "loop": health["loop"], "parts": health["parts"]})
    parts.add_text("log.txt", log_text(facts.log, facts.log_left_out))
    add_of_folder(parts, disk, layout)
    parts.attempt("ledger.json", lambda: {**ledger_of(health), "files": ledger_files(disk, layout)})
    return parts.finish()


def add_of_folder(parts: Parts, disk: Disk, layout: Layout) -> None:
    """Add what can be had with a core and without one."""
    parts.attempt("packages.json", bill_of_materials)
    parts.attempt("revisions.json", lambda: revisions_of(disk, layout))
    parts.attempt("learned.json", lambda: learned_of(disk, layout))
    parts.attempt("machine.json", lambda: machine_facts(layout.state))


def ledger_of(health: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ledger's head, who confirmed it up to where, and what waits."""
    size = health["ledger"]["size"]
    backlog = {each["name"]: size - (each["cosigned_size"] or 0) for each in health["anchors"]}
    return {"head": health["ledger"], "anchors": health["anchors"], "backlog_entries": backlog, "evidence": health["evidence"]}
