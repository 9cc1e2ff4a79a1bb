"""The door's tenant for readings that people enter: who, what, when; done when the reading is durable, and not before.

Room: hall. `app` gives it to the door, which records the intent (value, who, when it was taken) before `perform` and the outcome, which
names the entry of the reading, after it. The station's driver judges; the reading goes the way of every other one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from drivers.driver import DriverError
from drivers.reading import Tag, Value
from runtime.acquisition.live import Fate
from runtime.acts import Act, Outcome, Plain
from runtime.door_tenants import DONE
from runtime.faces.feed import RequestRefusedError
from runtime.points import DevicePoints

PARAMS: Final = frozenset({"value", "by", "taken_ms"})
"""`by` may be left out by whoever is signed in: it is they."""


class Stations(Protocol):
    """The part of `acquisition.field.Field` that an entry uses."""

    def judge_entered(self, tag: Tag, value: Value, by: str, taken_ms: int | None) -> Value:
        """Return what was entered as a value of its tag's type. Raises DriverError."""
        ...

    def enter(self, tag: Tag, value: Value, taken_ms: int | None) -> None:
        """Take it as a reading. Raises DriverError."""
        ...


class Fates(Protocol):
    """The part of `acquisition.live.Live` that an entry uses."""

    def fate(self, tag_uid: int) -> asyncio.Future[Fate]:
        """Return what will have become of a tag's newest collected reading."""
        ...


class ManualEnter:
    """`manual.enter`: target `device/tag`, params `value`, `by` (who read it) and `taken_ms` (when, if not now)."""

    def __init__(
        self, stations: Stations, live: Fates, seal: Callable[[], None], devices: Callable[[], Mapping[str, DevicePoints]]
    ) -> None:
        """`seal` has what is collected written now: a person waits."""
        self._stations, self._live, self._seal, self._devices = stations, live, seal, devices

    async def check(self, act: Act) -> None:
        """See Tenant."""
        self._judge(act)

    async def perform(self, act: Act) -> Outcome:
        """See Tenant. The reading's batch is awaited, so that nobody is told of a reading that a power cut could still take."""
        tag, value, taken_ms = self._judge(act)
        try:
            self._stations.enter(tag, value, taken_ms)
        except DriverError as error:
            return Outcome(error.cause, dict(error.params))
        told = self._live.fate(tag.uid)
        self._seal()
        seq, cause = await told
        if seq is None:
            return Outcome("enter_not_recorded", {"cause": str(cause)})
        return Outcome(DONE, {"value": value, "by": _who(act), "reading_seq": seq})

    def _judge(self, act: Act) -> tuple[Tag, Value, int | None]:
        device, _, name = act.target.partition("/")
        points = self._devices().get(device)
        found = points.find(name) if points is not None else None
        if found is None:
            raise RequestRefusedError("tag_unknown", tag=act.target)
        value, by, taken_ms = act.params.get("value"), _who(act), act.params.get("taken_ms")
        if (
            not set(act.params) <= PARAMS
            or isinstance(value, bytes)
            or not isinstance(by, str)
            or not (taken_ms is None or _is_time(taken_ms))
        ):
            raise RequestRefusedError("act_shape")
        taken = taken_ms if isinstance(taken_ms, int) else None
        try:
            return found[0], self._stations.judge_entered(found[0], value, by, taken), taken
        except DriverError as error:
            raise RequestRefusedError(error.cause, **error.params) from error


def _who(act: Act) -> Plain:
    """Return who took the reading: of whoever is signed in, they themselves. Raises RequestRefusedError `enter_by_other`."""
    by = act.params.get("by")
    if not act.actor.has_account:
        return by
    if by not in (None, act.actor.name):
        raise RequestRefusedError("enter_by_other", by=str(by)[:64], name=act.actor.name)
    return act.actor.name


def _is_time(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
