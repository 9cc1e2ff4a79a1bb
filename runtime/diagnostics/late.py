"""The desk of diagnostics, made when somebody asks it something: what it stands on (X.509, zip, packages) costs memory that no day needs.

Room: hall, diagnostics. `app` gives it to the door as the tenant of `diag.bundle`; `core_questions` answers faces through it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from runtime.acts import Act, Outcome

if TYPE_CHECKING:
    from runtime.diagnostics.desk import DiagnosticsDesk


class LateDiagnostics:
    """`answer` as the desk does; `check` and `perform` as its act does. See runtime.door.Tenant."""

    def __init__(self, make: Callable[[], DiagnosticsDesk], work: Executor) -> None:
        """`make` imports and makes it; `work` reads its modules."""
        self._make, self._work = make, work
        self._desk: DiagnosticsDesk | None = None
        self._making = asyncio.Lock()

    async def answer(self, method: str, by: str, params: Mapping[str, Any]) -> Any:
        """Answer one of `methods.ACTION_OF`. Raises RequestRefusedError."""
        return await (await self._found()).answer(method, by, params)

    async def check(self, act: Act) -> None:
        """See runtime.door.Tenant."""
        await (await self._found()).tenant.check(act)

    async def perform(self, act: Act) -> Outcome:
        """See runtime.door.Tenant."""
        return await (await self._found()).tenant.perform(act)

    async def _found(self) -> DiagnosticsDesk:
        async with self._making:
            if self._desk is None:
                await asyncio.get_running_loop().run_in_executor(self._work, _read_modules)
                self._desk = self._make()
            return self._desk


def _read_modules() -> None:
    import runtime.diagnostics.desk  # noqa: F401
