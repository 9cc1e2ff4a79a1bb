"""The desk of commissioning, made when somebody first asks: what it stands on is 2 MB that a gateway in service never needs.

Room: hall, commissioning. `app` makes one in place of the desk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from runtime.faces.feed import Session
from runtime.late import Late

if TYPE_CHECKING:
    from runtime.commissioning.desk import Desk


class LateDesk:
    """`answer` from the feed; `run` under the supervisor: see `desk.Desk`."""

    def __init__(self, make: Callable[[type[Desk]], Desk], work: Executor) -> None:
        """`make` is given the class and returns the desk; it is called once, on the loop."""
        self._late = Late(_desk_class, make, work)
        self.run = self._late.run

    async def answer(self, session: Session, method: str, params: Mapping[str, Any]) -> Any:
        """See Desk.answer."""
        return await (await self._late.found()).answer(session, method, params)


def _desk_class() -> type[Desk]:
    from runtime.commissioning.desk import Desk

    return Desk
