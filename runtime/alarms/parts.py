"""Alarms of one core, put together: engine, what faces are shown, acts, answers.

Room: hall, alarms. `app` makes one, runs it and asks it; it holds no rule of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any, Final

from drivers.shared import NewestOf
from ledger_client.chain import Chain
from ledger_client.disk import Disk
from runtime.alarms.book import AlarmBook, Entries
from runtime.alarms.engine import AlarmEngine, Outlook
from runtime.alarms.tenants import Tenant, alarm_tenants
from runtime.alarms.view import AlarmView
from runtime.clock import Clock
from runtime.config import Config
from runtime.layout import Layout
from runtime.points import DevicePoints

CLOSE_S: Final = 5.0
METHODS: Final = ("alarms", "alarm_history", "alarm_metrics")


class Alarms:
    """`engine` and `view` are for the wiring; everything else goes through the methods here."""

    def __init__(
        self, chain: Chain, entries: Entries, disk: Disk, layout: Layout, clock: Clock, outlook: Outlook, newest: NewestOf, work: Executor
    ) -> None:
        """`entries` is read by nobody else, in `work`."""
        book = AlarmBook(disk, layout.index, chain.epoch, lambda: chain.size)
        self.engine = AlarmEngine(chain, entries, book, clock, outlook, newest, work)
        self.view = AlarmView(self.engine, clock)

    def set_up(self, config: Config, devices: Mapping[str, DevicePoints]) -> None:
        """Keep the alarms of a configuration from now on."""
        self.engine.set_up(config.alarms, devices)

    def tenants(self) -> dict[str, Tenant]:
        """Return the door's tenants by action."""
        return alarm_tenants(self.engine)

    async def run(self) -> None:
        """Keep alarms until cancelled. Raises LedgerError, OSError."""
        await self.engine.run()

    async def close(self) -> None:
        """Record what is pending; for an end in order."""
        await self.engine.close(CLOSE_S)

    def answer(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Answer one of METHODS."""
        if method == "alarm_history":
            return self.view.history(params)
        if method == "alarm_metrics":
            return self.view.metrics(params)
        return self.view.page(params)
