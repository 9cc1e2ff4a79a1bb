"""A part of the core that is made when somebody first asks it something: what it stands on costs memory that no day in service needs.

Room: hall. `commissioning.late` and `diagnostics.late` stand in for their desks with one. Modules are read in the executor, never on the
loop of the pollers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Generic, Protocol, TypeVar


class Runs(Protocol):
    """What a part does by itself."""

    async def run(self) -> None:
        """Until cancelled."""
        ...


Kind = TypeVar("Kind")
Made = TypeVar("Made", bound=Runs)


class Late(Generic[Kind, Made]):
    """`found` for whoever asks, `run` under the supervisor."""

    def __init__(self, read: Callable[[], Kind], make: Callable[[Kind], Made], work: Executor) -> None:
        """`read` reads modules, in `work`; `make` is given what that returned, and is called once, on the loop."""
        self._read, self._make, self._work = read, make, work
        self._made: Made | None = None
        self._making, self._is_made = asyncio.Lock(), asyncio.Event()

    async def found(self) -> Made:
        """Return the part, making it first when it is not there."""
        if self._made is None:
            async with self._making:
                if self._made is None:
                    self._made = self._make(await asyncio.get_running_loop().run_in_executor(self._work, self._read))
                    self._is_made.set()
        return self._made

    async def run(self) -> None:
        """Wait until it is made, then let it run, until cancelled."""
        await self._is_made.wait()
        await (await self.found()).run()
