"""The network's acts: `net.edit` makes a change that waits, `net.confirm` keeps it, `net.undo` takes it back.

Room: hall, network. The desk gives them to the door, which records who asked for what and what became of it. They decide nothing that the
plan and the desk do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runtime.acts import Act, Outcome
from runtime.door import Tenant
from runtime.faces.feed import RequestRefusedError
from runtime.network.desk import NetworkDesk
from runtime.network.settings import NetworkError

DONE: Final = "done"
FIELDS: Final = frozenset({"method", "address", "gateway", "dns", "via"})


def network_acts(desk: NetworkDesk) -> Mapping[str, Tenant]:
    """Return the acts of this file by action."""
    return {"net.edit": NetworkEdit(desk), "net.confirm": NetworkConfirm(desk), "net.undo": NetworkUndo(desk)}


class NetworkEdit:
    """Target: the interface. Params `method` (dhcp, static), `address` with prefix, `gateway`, `dns`, and `via`: see `plan`."""

    def __init__(self, desk: NetworkDesk) -> None:
        self._desk = desk

    async def check(self, act: Act) -> None:
        """See Tenant."""
        if not set(act.params) <= FIELDS:
            raise RequestRefusedError("act_shape")
        self._desk.require_possible({**act.params, "interface": act.target})

    async def perform(self, act: Act) -> Outcome:
        """See Tenant."""
        try:
            change = await self._desk.apply({**act.params, "interface": act.target}, act.session)
        except NetworkError as error:
            return Outcome(error.code, error.params)
        return Outcome(DONE, {"interface": change.interface, "confirm_at": " ".join(change.confirm_at)})


class NetworkConfirm:
    """Param `via`: the address of this machine over which whoever confirms reached it, as their face saw it on the socket.

    Whoever sits at the machine needs none.
    """

    def __init__(self, desk: NetworkDesk) -> None:
        self._desk = desk

    async def check(self, act: Act) -> None:
        """See Tenant."""
        if set(act.params) - {"via"} or not isinstance(act.params.get("via", ""), str):
            raise RequestRefusedError("act_shape")
        self._desk.require_pending(act.target)

    async def perform(self, act: Act) -> Outcome:
        """See Tenant."""
        try:
            change = await self._desk.confirm(act.target, None if act.actor.kind == "local" else str(act.params.get("via", "")))
        except NetworkError as error:
            return Outcome(error.code, error.params)
        return Outcome(DONE, {"interface": change.interface})


class NetworkUndo:
    """Takes the change back, before its time or because nobody confirmed it."""

    def __init__(self, desk: NetworkDesk) -> None:
        self._desk = desk

    async def check(self, act: Act) -> None:
        """See Tenant."""
        if act.params:
            raise RequestRefusedError("act_shape")
        self._desk.require_pending(act.target)

    async def perform(self, act: Act) -> Outcome:
        """See Tenant."""
        try:
            change = await self._desk.undo(act.target)
        except NetworkError as error:
            return Outcome(error.code, error.params)
        return Outcome(DONE, {"interface": change.interface})
