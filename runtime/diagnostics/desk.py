"""What the diagnostics page and `witnessmark diagnose` ask of a running core: state, log, bundles, probes.

Room: hall, diagnostics. `late` makes it and runs it; `core_questions` answers faces through `answer`, each method with the action that
`methods` names. What costs processor time runs in executors. It changes nothing; handing out a bundle is an act of the door (`acts`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final

from ledger_client.disk import Disk
from runtime.clock import Clock
from runtime.diagnostics.acts import BundleAct
from runtime.diagnostics.bundles import Bundles
from runtime.diagnostics.gather import CoreFacts, parts_of
from runtime.diagnostics.known_secrets import known_secrets
from runtime.diagnostics.log_ring import LINES_MAX, LogLine, LogRing
from runtime.diagnostics.machine import disk_facts, memory_kb
from runtime.diagnostics.probes import Probes
from runtime.diagnostics.processes import Processes
from runtime.diagnostics.redaction import Redactor
from runtime.faces.feed import RequestRefusedError
from runtime.layout import Layout
from runtime.registers_asked import RegisterField
from runtime.revisions import Revision

PIECE_BYTES: Final = 256 << 10
LOG_ANSWER_BYTES: Final = 600_000
"""Of the lines of one answer, as UTF-8: it fits into a frame of the feed."""
FORGET_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Sources:
    """What the desk looks at; each is asked on the loop and gives plain data."""

    health: Callable[[], Mapping[str, Any]]
    revision: Callable[[], Revision]
    alarms: Callable[[], Mapping[str, Any]]
    models: Callable[[], Sequence[Mapping[str, Any]]]
    lines: Callable[[], Sequence[Mapping[str, Any]]]


class DiagnosticsDesk:
    """`answer` from the feed; `tenant` for the door; `run` lets go of bundles that nobody fetched."""

    def __init__(
        self, sources: Sources, log: LogRing, field: RegisterField, disk: Disk, layout: Layout, clock: Clock, work: Executor,
        acting: Executor, random_bytes: Callable[[int], bytes],
    ) -> None:  # fmt: skip
        """`work` does what faces ask for; `acting` makes archives, and nothing else."""
        self._sources, self._log, self._disk, self._layout, self._clock, self._work = sources, log, disk, layout, clock, work
        self._bundles = Bundles(clock.mono_ms, random_bytes)
        self._processes = Processes(lambda: clock.mono_ms() / 1000)
        self._probes = Probes(lambda: sources.revision().config, field, clock)
        self._previewing = asyncio.Lock()
        self.tenant = BundleAct(self._bundles, acting)

    async def answer(self, method: str, by: str, params: Mapping[str, Any]) -> Any:
        """Answer one of `methods.ACTION_OF`; `by` is who asks. Raises RequestRefusedError."""
        match method:
            case "diag.state":
                return await self._state()
            case "diag.log":
                return await self._log_since(params)
            case "diag.preview":
                return await self._preview()
            case "diag.part":
                return {"data": self._bundles.get(params.get("id")).part(str(params.get("name"))).data}
            case "diag.archive":
                return self._piece(params)
            case "diag.targets":
                return self._probes.targets()
        return await self._probes.probe(by, params)

    async def run(self) -> None:
        """Let go of old bundles, until cancelled."""
        while True:
            await self._clock.sleep_until_mono(self._clock.mono_ms() + FORGET_MS)
            self._bundles.forget_old()

    async def _state(self) -> dict[str, Any]:
        """Return processes, loop, queues, memory and disk."""
        health = self._sources.health()
        rows, memory, disk = await self._blocking(lambda: (self._processes.look(), memory_kb(), disk_facts(self._layout.state)))
        parts = health["parts"]
        for row in rows:
            starts, fault = parts.get(row["name"], (1, None))
            row |= {"restarts": starts - 1, "fault": fault}
        size = health["ledger"]["size"]
        queues = [
            {"name": "readings", "of": "", "waiting": health["evidence"]["open_readings"]},
            *({"name": "anchor", "of": each["name"], "waiting": size - (each["cosigned_size"] or 0)} for each in health["anchors"]),
        ]
        return {
            "now_ms": health["now_ms"], "processes": rows, "loop": health["loop"], "queues": queues, "memory_kb": memory, "disk": disk,
            "faces": health["faces"], "parts": parts, "log_newest": self._log.newest,
        }  # fmt: skip

    async def _log_since(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the newest lines after a number, oldest first, redacted: [number, ms, level, source, code, params, text]."""
        after, limit = params.get("after", 0), params.get("limit", LINES_MAX)
        if type(after) is not int or type(limit) is not int:
            raise RequestRefusedError("diag_shape")
        lines, _ = self._log.since(max(after, 0), min(max(limit, 1), LINES_MAX))
        config = self._sources.revision().config
        rows = await self._blocking(lambda: _rows(lines, Redactor(known_secrets(config))))
        first = rows[0][0] if rows else self._log.newest + 1
        return {"lines": rows, "newest": lines[-1].number if lines else self._log.newest, "missed": max(0, first - 1 - max(after, 0))}

    async def _preview(self) -> dict[str, Any]:
        """Take a snapshot, keep it, and return what is in it."""
        if self._previewing.locked():
            raise RequestRefusedError("diag_busy")
        async with self._previewing:
            sources, (log, left_out) = self._sources, self._log.since(0, LINES_MAX)
            revision = sources.revision()
            facts = CoreFacts(
                self._clock.wall_ms(), sources.health(), revision.config, revision.text, sources.alarms(), sources.models(),
                sources.lines(), log, left_out,
            )  # fmt: skip
            files = await self._blocking(lambda: parts_of(facts, self._disk, self._layout, self._processes.look()))
        bundle = self._bundles.keep(facts.now_ms, files)
        rows = [{"name": each.name, "size_bytes": len(each.data), "sha256": each.sha256} for each in files]
        return {"id": bundle.id, "made_ms": bundle.made_ms, "gateway": revision.config.gateway.name, "files": rows}

    def _piece(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a piece of an archive that the door made. Raises RequestRefusedError `diag_not_made`."""
        bundle, offset = self._bundles.get(params.get("id")), params.get("offset", 0)
        if type(offset) is not int or offset < 0:
            raise RequestRefusedError("diag_shape")
        if not bundle.archive:
            raise RequestRefusedError("diag_not_made")
        return {"data": bundle.archive[offset : offset + PIECE_BYTES], "size_bytes": len(bundle.archive), "made_ms": bundle.made_ms}

    async def _blocking(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._work, call)


def _rows(lines: list[LogLine], redactor: Redactor) -> list[list[Any]]:
    """Return lines as plain data, the newest that fit into an answer."""
    rows: list[list[Any]] = []
    room = LOG_ANSWER_BYTES
    for line in reversed(lines):
        params = redactor.plain(line.params)
        row = [line.number, line.wall_ms, line.level, line.source, redactor.text(line.code), params, redactor.text(line.text)]
        room -= 100 + sum(_size(text) for text in (row[4], row[6], *params, *params.values()))
        if room < 0:
            break
        rows.append(row)
    rows.reverse()
    return rows


def _size(value: object) -> int:
    return len(str(value).encode("utf-8", "replace"))
