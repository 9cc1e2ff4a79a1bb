"""The state of every part as plain data: what `status`, the page and the tests look at.

Room: hall. Implements `faces.feed.HealthSource`. `app` gives it the parts; it asks them and changes nothing. Codes only, never words.
The shape is what docs/walk-of-a-reading.md and the faces expect; a figure that is not known is None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Any, Final

from drivers.reading import status_name
from ledger_client.chain import Chain
from ledger_client.errors import LedgerError
from ledger_client.kinds import ClockState
from ledger_client.outbox import Outbox
from runtime.acquisition.evidence import Evidence
from runtime.acquisition.field import Field
from runtime.acquisition.poller import BadGroup, DevicePoller
from runtime.calibrations import Calibrations
from runtime.clock import Clock, state_names
from runtime.commands.desk import CommandDesk
from runtime.config_faults import Fault
from runtime.door import Door
from runtime.events import Events
from runtime.judgement.desk import JudgementDesk
from runtime.loop_stall import LoopStall, percentile
from runtime.messages.status_words import NONE_READ
from runtime.revisions import Revision
from runtime.supervisor import Supervisor
from runtime.version import VERSION

OVERDUE_MAX: Final = 100
CONFIG_FAULTS_MAX: Final = 10
TAGS_BAD: Final = "device_tags_bad"
BAD_TAGS_NAMED: Final = 3
BAD_GROUPS_NAMED: Final = 8
"""Of one device; all are counted. Health goes to every face each second, in one frame."""
BAD_GROUPS_NAMED_ALL: Final = 256
"""Of all devices together."""
todo_restart: Final = "todo_restart"
todo_operator: Final = "todo_operator"


@dataclass(slots=True)
class Health:
    """Asks the parts. `faces` counts connections to the feed; `config_faults` are those of a hand edit that was not used."""

    clock: Clock
    started_ms: int
    chain: Chain
    outbox: Outbox
    evidence: Evidence
    field: Field
    door: Door
    stall: LoopStall
    supervisor: Supervisor
    events: Events
    revision: Callable[[], Revision]
    judgement: JudgementDesk
    commands: CommandDesk
    faces: Callable[[], int] = lambda: 0
    config_faults: tuple[Fault, ...] = ()
    network: Callable[[], Mapping[str, Any] | None] = lambda: None
    """The change of the gateway's own network that waits to be confirmed."""
    edits_waiting: Callable[[], int] = lambda: 0
    """How many edits of the configuration wait for a second engineer."""
    _calibrations: tuple[int, Calibrations] | None = None
    """Of a revision: its number and them."""

    def snapshot(self) -> Mapping[str, Any]:
        """See HealthSource."""
        revision = self.revision()
        gateway = revision.config.gateway
        anchored = self.outbox.status()
        return {
            "now_ms": self.clock.wall_ms(),
            "gateway": {
                "name": gateway.name, "zone": gateway.zone, "version": VERSION, "board": gateway.board, "started_ms": self.started_ms,
                "device_writes": gateway.device_writes, "revision": revision.number, "hosts": list(revision.config.web.hosts),
                "config_faults": [fault.plain() for fault in self.config_faults[:CONFIG_FAULTS_MAX]],
                "config_fault_count": len(self.config_faults),
            },
            "devices": device_rows(self.field.pollers.values()),
            "evidence": self._evidence(),
            "ledger": self._ledger(anchored["quarantine"]),
            "anchors": anchored["anchors"],
            "calibrations": self._calibrations_of(revision),
            "rounds_overdue": [{"tag": tag, "due_ms": due_ms} for tag, due_ms in self.field.overdue(self.clock.wall_ms())[:OVERDUE_MAX]],
            "clock": self.clock_health(),
            "loop": {"stall_p99_ms": self.stall.p99_ms, "stall_max_ms": round(self.stall.max_ms, 2)},
            "gaps": dict(self.evidence.gaps.totals),
            "judge": self.judgement.health(),
            "acts_unknown": self.door.unknown,
            "writes": self.commands.health(),
            "network": self.network(),
            "edits_waiting": self.edits_waiting(),
            "faces": self.faces(),
            "parts": {name: [counts.starts, counts.fault] for name, counts in self.supervisor.parts.items()},
            "parts_down": self.supervisor.down(),
        }  # fmt: skip

    def clock_health(self) -> dict[str, Any]:
        """Return how far the clock can be trusted, and how often it was set since the start."""
        return {"state": state_names[self.clock.state()], "steps": self.evidence.steps}

    def _calibrations_of(self, revision: Revision) -> list[dict[str, Any]]:
        if self.clock.state() == ClockState.UNSET:
            return []
        if self._calibrations is None or self._calibrations[0] != revision.number:
            self._calibrations = revision.number, Calibrations(revision.config)
        return self._calibrations[1].plain(self.clock.wall_ms())

    def _evidence(self) -> dict[str, Any]:
        evidence, counts = self.evidence, self.evidence.counts
        fault = evidence.fault or evidence.away
        return {
            "state": evidence.state,
            "cause": fault.code if fault else None,
            "params": dict(fault.params) if fault else {},
            "open_readings": evidence.open_readings,
            "sealed_ms": counts.sealed_ms,
            "readings": counts.readings,
            "entries": sum(self.events.kinds.values()),
            "dropped": counts.dropped,
            "unrecorded": counts.unrecorded,
            "bytes_per_reading": round(counts.batch_bytes / counts.readings, 3) if counts.readings else None,
        }

    def _ledger(self, quarantine: Mapping[str, Any] | None) -> dict[str, Any]:
        chain = self.chain
        state: str = chain.state
        code, params = (chain.fault.code, chain.fault.params) if chain.fault else (None, {})
        todo: str | None = None
        if state != "ok":
            todo = todo_restart if state == "failed" else todo_operator
        elif quarantine is not None:
            state, code, params, todo = "quarantined", quarantine["code"], quarantine["params"], quarantine.get("todo", todo_operator)
        return {
            "origin": chain.origin, "epoch": chain.epoch, "size": chain.size, "root": _root(chain), "state": state,
            "cause": code, "params": dict(params), "key_id": _key_id(chain), "todo": todo, "disk_full": chain.disk_full,
        }  # fmt: skip


def device_rows(pollers: Iterable[DevicePoller]) -> list[dict[str, Any]]:
    """Return the devices' rows. Groups are named as long as there is room for them."""
    rows: list[dict[str, Any]] = []
    room = BAD_GROUPS_NAMED_ALL
    for poller in pollers:
        rows.append(device_row(poller, min(room, BAD_GROUPS_NAMED)))
        room -= len(rows[-1]["bad_groups"])
    return rows


def device_row(poller: DevicePoller, groups_max: int = BAD_GROUPS_NAMED) -> dict[str, Any]:
    """Return a device's row. `bad_groups` says of the first groups of a degraded one which fail and why, and which tags of others are bad.

    `bad_group_count` has those that are not named as well.
    """
    counts, config = poller.counts, poller.points.config
    is_degraded = counts.state == "degraded"
    cause, params = counts.cause, dict(counts.params)
    first = next(poller.bad_groups(), None) if is_degraded and cause is None else None  # an edit may just have taken it away
    if first is not None:  # each group was read; what came has bad tags in it, or nothing else
        cause, params = NONE_READ if poller.is_none_read else TAGS_BAD, _bad_tags(first.tags, poller.bad_tag_count)
    named = islice(poller.bad_groups(), groups_max) if is_degraded else ()
    return {
        "name": config.name, "asset": config.asset, "type": config.type, "state": counts.state, "cause": cause,
        "params": params, "bad_groups": [_bad_group(each) for each in named],
        "bad_group_count": poller.bad_group_count if is_degraded else 0,
        "since_ms": counts.since_ms, "last_good_ms": counts.last_good_ms, "polls": counts.polls,
        "failed": counts.failed, "missed": counts.missed, "missed_cause": poller.missed_lately,
        "late_p99_ms": percentile(counts.late_ms, 0.99), "tags": poller.points.tag_count,
    }  # fmt: skip


def _bad_group(bad: BadGroup) -> dict[str, Any]:
    cause, params = (TAGS_BAD, _bad_tags(bad.tags, len(bad.tags))) if bad.cause is None else (bad.cause, dict(bad.params))
    return {"group": bad.group, "cause": cause, "params": params}


def _bad_tags(tags: Sequence[tuple[str, int]], count: int) -> dict[str, str | int | float]:
    """Return what a text about `count` bad tags says: the first of them, each with its OPC UA status, and those statuses once each."""
    named = ", ".join(f"{name} ({status_name(status)})" for name, status in tags[:BAD_TAGS_NAMED])
    statuses = " ".join(dict.fromkeys(status_name(status) for _, status in tags[:BAD_TAGS_NAMED]))
    return {"count": count, "tags": named + (", …" if count > len(tags[:BAD_TAGS_NAMED]) else ""), "statuses": statuses}


def _root(chain: Chain) -> str | None:
    try:
        return chain.root().hex() if chain.size else None
    except LedgerError:
        return None


def _key_id(chain: Chain) -> str | None:
    cose_key = chain.heads.key[0]
    return sha256(cose_key).digest()[:8].hex() if cose_key else None
