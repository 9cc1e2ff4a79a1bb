"""How a core gets its network: the desk with its privileged part, and what faces may ask of it.

Room: hall, network. `app` and `core_questions` call it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ledger_client.disk import Disk
from runtime.clock import Clock
from runtime.config import Config
from runtime.network.desk import NetworkDesk
from runtime.network.privileged_process import Privileged
from runtime.questions import Asked, Question


def open_network(clock: Clock, disk: Disk, private: Path, config: Callable[[], Config], looks: Executor) -> NetworkDesk:
    """Return the desk; `looks` is the thread that looks at the machine and keeps the file of a change.

    The privileged part has a thread of its own: it may take tens of seconds, and one at a time is enough.
    """
    return NetworkDesk(clock, disk, private, config, looks, Privileged(ThreadPoolExecutor(1, thread_name_prefix="network")))


def network_questions(desk: NetworkDesk, clock_told: Callable[[], Awaitable[Mapping[str, Any]]]) -> dict[str, Question]:
    """Return what faces may ask: what the clock and the network are, and what a change would do."""

    async def clock(_: Asked) -> Any:
        return await clock_told()

    async def shown(_: Asked) -> Any:
        return await desk.shown()

    async def planned(asked: Asked) -> Any:
        return await desk.planned(asked.params)

    return {
        "clock": Question("view.config", clock),
        "network": Question("view.config", shown),
        "network.plan": Question("net.edit", planned),
    }
