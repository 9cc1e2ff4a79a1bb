"""The desk of diagnostics, made when somebody asks it something: what it stands on (X.509, zip, packages) costs memory that no day needs.

Room: hall, diagnostics. `app` runs it and gives it to the door as the tenant of `diag.bundle`; `core_questions` answers faces through it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from runtime.acts import Act, Outcome
from runtime.late import Late

if TYPE_CHECKING:
    from runtime.diagnostics.desk import DiagnosticsDesk


class LateDiagnostics:
    """`answer` and `run` as the desk does; `check` and `perform` as its act does. See runtime.door.Tenant."""

    def __init__(self, make: Callable[[type[DiagnosticsDesk]], DiagnosticsDesk], work: Executor) -> None:
        """`make` is given the class and returns the desk; `work` reads its modules."""
        self._late = Late(_desk_class, make, work)
        self.run = self._late.run

    async def answer(self, method: str, by: str, params: Mapping[str, Any]) -> Any:
        """Answer one of `methods.ACTION_OF`. Raises RequestRefusedError."""
        return await (await self._late.found()).answer(method, by, params)

    async def check(self, act: Act) -> None:
        """See runtime.door.Tenant."""
        await (await self._late.found()).tenant.check(act)

    async def perform(self, act: Act) -> Outcome:
        """See runtime.door.Tenant."""
        return await (await self._late.found()).tenant.perform(act)


def _desk_class() -> type[DiagnosticsDesk]:
    from runtime.diagnostics.desk import DiagnosticsDesk

    return DiagnosticsDesk
