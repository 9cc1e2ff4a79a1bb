"""The desk of commissioning, made when somebody first asks: what it stands on is 2 MB that a gateway in service never needs.

Room: hall, commissioning. `app` makes one in place of the desk. Modules are read in the executor, never on the loop of the pollers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from runtime.faces.feed import Session

if TYPE_CHECKING:
    from runtime.commissioning.desk import Desk


class LateDesk:
    """`answer` from the feed; `run` under the supervisor: see `desk.Desk`."""

    def __init__(self, make: Callable[[type[Desk]], Desk], work: Executor) -> None:
        """`make` is given the class and returns the desk; it is called once, on the loop."""
        self._make, self._work = make, work
        self._desk: Desk | None = None
        self._is_made = asyncio.Event()

    async def run(self) -> None:
        """Carry out scans until cancelled."""
        await self._is_made.wait()
        assert self._desk is not None
        await self._desk.run()

    async def answer(self, session: Session, method: str, params: Mapping[str, Any]) -> Any:
        """See Desk.answer."""
        kind = await asyncio.get_running_loop().run_in_executor(self._work, _desk_class)
        if self._desk is None:
            self._desk = self._make(kind)
            self._is_made.set()
        return await self._desk.answer(session, method, params)


def _desk_class() -> type[Desk]:
    from runtime.commissioning.desk import Desk

    return Desk
