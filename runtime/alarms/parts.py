"""Alarms of one core, put together: engine, what faces are shown, acts, answers.

Room: hall, alarms. `app` makes one, runs it and asks it; it holds no rule of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any, Final

from ledger_client.chain import Chain
from ledger_client.disk import Disk
from ledger_client.outbox import Outbox
from ledger_client.reader import LedgerReader
from runtime.acquisition.evidence import Evidence
from runtime.acquisition.field import Field
from runtime.acquisition.live import Live
from runtime.alarms.book import AlarmBook
from runtime.alarms.engine import AlarmEngine
from runtime.alarms.leftover import Leftover
from runtime.alarms.notifier import Notifier
from runtime.alarms.outlook import CoreOutlook
from runtime.alarms.tenants import Tenant, TestCall, alarm_tenants
from runtime.alarms.view import AlarmView
from runtime.clock import Clock
from runtime.config import Config
from runtime.judgement.desk import JudgementDesk
from runtime.layout import Layout
from runtime.points import DevicePoints

CLOSE_S: Final = 5.0
METHODS: Final = ("alarms", "alarm_history", "alarm_metrics", "alarm_titles")


class Alarms:
    """`engine` and `view` are for the wiring; everything else goes through the methods here."""

    def __init__(
        self, chain: Chain, disk: Disk, layout: Layout, clock: Clock, work: Executor, live: Live, field: Field, outbox: Outbox,
        evidence: Evidence, desk: JudgementDesk,
    ) -> None:  # fmt: skip
        """Those from `live` on are what alarms look at; nothing of them is changed."""
        outlook = CoreOutlook(
            clock,
            device_state=lambda name: field.pollers[name].counts.state if name in field.pollers else None,
            anchors=lambda: outbox.status()["anchors"], size=lambda: chain.size, goes_on=desk.goes_on,
            ledger_state=lambda: (chain.state, chain.disk_full), evidence_state=lambda: evidence.state,
            free_bytes=lambda: disk.free_bytes(layout.state), work=work,
        )  # fmt: skip
        entries = LedgerReader(disk, layout.state, chain.epoch, head=lambda: chain.size)
        book = AlarmBook(disk, layout.index, chain.epoch, lambda: chain.size)
        leftover = Leftover(disk, layout.private)
        self.engine = AlarmEngine(chain, entries, book, leftover, clock, outlook, live.newest, work)
        self.notifier = Notifier(clock, self.engine.not_normal, live.newest, self.engine.changed)
        self.view = AlarmView(self.engine, clock, self.notifier.rows)

    def set_up(self, config: Config, devices: Mapping[str, DevicePoints]) -> None:
        """Keep the alarms of a configuration from now on."""
        self.engine.set_up(config.alarms, devices)
        self.notifier.set_up(config.notify, config.gateway.name)

    def tenants(self) -> dict[str, Tenant]:
        """Return the door's tenants by action."""
        return {**alarm_tenants(self.engine), "alarm.test": TestCall(self.notifier)}

    async def run(self) -> None:
        """Keep alarms until cancelled. Raises LedgerError, OSError."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.engine.run(), name="alarm engine")
            group.create_task(self.notifier.run(), name="alarm notifier")

    async def record(self) -> None:
        """Record what happens to alarms until cancelled, which is for the end of the core only, after `close`."""
        await self.engine.journal.run()

    async def close(self) -> None:
        """Record what is pending; for an end in order, after `run` was cancelled."""
        await self.engine.close(CLOSE_S)

    def answer(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one of METHODS."""
        if method == "alarm_history":
            return self.view.history(params)
        if method == "alarm_metrics":
            return self.view.metrics(params)
        if method == "alarm_titles":
            return self.view.titles(params)
        return self.view.page(params)
