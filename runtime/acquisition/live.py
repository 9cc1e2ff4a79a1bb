"""The newest value of every tag, and whether it is recorded yet. One value a tag; no history.

Room: hall, acquisition. The pipeline publishes scans, evidence tells what became of them, the feed reads rows. Publishing a scan costs
the same however many tags it has: rows are made when a face asks for them. It never waits and never forgets a tag that is configured.

A value's state speaks of the tag's newest *collected* reading: `pending` until its batch is durable, then `recorded` with the seq of
that entry, or `unrecorded` with the cause. A later unchanged value that a report rule held back keeps it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from drivers.reading import Quality, Scan, Status, Tag, TagGroup, Value, quality_of
from drivers.registry import Reckoning, inputs_of, load_factory
from drivers.shared import Newest
from runtime.points import DevicePoints
from runtime.setpoint import Known

PENDING: Final = "pending"
RECORDED: Final = "recorded"
UNRECORDED: Final = "unrecorded"


Fate = tuple[int | None, str | None]
"""The entry that recorded a reading, or why it is not recorded."""


@dataclass(frozen=True, slots=True)
class LiveValue:
    """One tag's newest value. Times are wall ms; `seq` is the entry that recorded it, `cause` why it is not recorded."""

    uid: int
    name: str
    device: str
    value: Value
    status: int
    read_ms: int
    source_ms: int | None
    state: str
    seq: int | None
    cause: str | None

    @property
    def quality(self) -> Quality:
        """Good, uncertain or bad."""
        return quality_of(self.status)


@dataclass(slots=True)
class _GroupState:
    """The newest values of one tag group, in columns."""

    group: TagGroup
    values: list[Value]
    statuses: list[int]
    read_ms: list[int]
    source_ms: list[int | None]
    generation: int = 0
    tickets: list[int] = field(default_factory=list)
    """Per tag: the batch that its newest collected reading went into; 0 once that batch's end is known."""
    seqs: list[int | None] = field(default_factory=list)
    causes: list[str | None] = field(default_factory=list)
    inputs: tuple[tuple[str, ...], ...] = ()
    """Of formulas: the tags that each is made of; empty where the group is read from a device."""
    rests_ms: list[int] = field(default_factory=list)
    """Of formulas: when the oldest of what each one's newest value was reckoned from was read."""


class Live:
    """Implements `faces.feed.ValueSource`. `generation` grows by one with every change."""

    def __init__(self) -> None:
        self.generation = 0
        self.tags_revision = 0
        self._devices: dict[str, DevicePoints] = {}
        self._groups: dict[int, _GroupState] = {}
        self._places: dict[str, tuple[_GroupState, int]] = {}
        """Where each tag stands, by `device/tag`; made when it is first asked for."""
        self._listeners: list[Callable[[], None]] = []
        self._awaited: dict[int, list[asyncio.Future[Fate]]] = {}

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every change; it must return at once."""
        self._listeners.append(listener)

    def set_devices(self, devices: Iterable[DevicePoints]) -> None:
        """Show these devices' tags; groups that stay as they were keep their values."""
        self._devices = {device.name: device for device in devices}
        before, self._groups = self._groups, {}
        self._places = {}
        for device in self._devices.values():
            reckons = isinstance(load_factory(device.config.type), Reckoning)
            for group in device.groups:
                known = before.get(group.uid)
                state = known if known is not None and known.group == group else _empty(group)
                if reckons and not state.inputs:
                    state.inputs = tuple(inputs_of(device.config.type, tag.address) for tag in group.tags)
                self._groups[group.uid] = state
        self.tags_revision += 1
        self._change()

    def publish(self, scan: Scan) -> None:
        """Show a scan's values at once."""
        state = self._groups.get(scan.group.uid)
        if state is None:
            return
        count = len(scan.values)
        if scan.present is None:
            state.values = scan.values
            state.statuses = scan.statuses or [0] * count
            state.read_ms = [scan.read_ms] * count
            state.source_ms = [scan.source_ms] * count if scan.sources is None else scan.sources
        else:
            # The old lists may be a scan's own.
            state.values, state.statuses, state.source_ms = state.values.copy(), state.statuses.copy(), state.source_ms.copy()
            for i, here in enumerate(scan.present):
                if here:
                    state.values[i], state.statuses[i] = scan.values[i], scan.statuses[i] if scan.statuses else 0
                    state.read_ms[i], state.source_ms[i] = scan.read_ms, scan.source_ms if scan.sources is None else scan.sources[i]
        if state.inputs:  # now, because an input that is read again makes the result that stands no younger
            state.rests_ms = [self._rests_on_ms(scan.read_ms, inputs) for inputs in state.inputs]
        state.generation = self._change()

    def collected(self, scan: Scan, ticket: int, cause: str | None) -> None:
        """Note that the present readings of a scan went into batch `ticket`; with `cause`: that they are not recorded."""
        state = self._groups.get(scan.group.uid)
        if state is None:
            return
        now, present = 0 if cause is not None else ticket, scan.present
        if present is None:  # the usual case, without a look at each
            count = len(state.tickets)
            state.tickets, state.seqs, state.causes = [now] * count, [None] * count, [cause] * count
            state.generation = self._change()
            return
        state.tickets = [now if here else old for here, old in zip(present, state.tickets, strict=True)]
        state.seqs = [None if here else old for here, old in zip(present, state.seqs, strict=True)]
        state.causes = [cause if here else old for here, old in zip(present, state.causes, strict=True)]
        state.generation = self._change()

    def recorded(self, ticket: int, seq: int) -> None:
        """Batch `ticket` is durable as entry `seq`."""
        self._settle(ticket, seq, None)

    def unrecorded(self, ticket: int, cause: str) -> None:
        """Batch `ticket` will not be recorded."""
        self._settle(ticket, None, cause)

    def values(self) -> list[LiveValue]:
        """Return every tag's newest value."""
        return [
            LiveValue(row[0], f"{tag.device}/{tag.name}", tag.device, row[1], row[2], row[3], row[4], row[5], row[6], row[7])
            for state in self._groups.values()
            for tag, row in zip(state.group.tags, _rows(state), strict=True)
        ]

    def newest(self, name: str) -> Newest | None:
        """Return a tag's newest value as it is shown, by `device/tag`; None when there is no such tag."""
        if not self._places:
            self._places = {
                f"{tag.device}/{tag.name}": (state, i) for state in self._groups.values() for i, tag in enumerate(state.group.tags)
            }  # fmt: skip
        found = self._places.get(name)
        if found is None:
            return None
        state, i = found
        return Newest(state.values[i], state.statuses[i], None if state.group.mode == "subscribe" else state.read_ms[i])

    def known(self, name: str) -> Known | None:
        """Return what an interlock may rely on of a tag, by `device/tag`; None when there is no such tag."""
        newest = self.newest(name)
        if newest is None:
            return None
        # A date in a certificate makes no interlock unknown.
        is_good = quality_of(newest.status) is Quality.GOOD or newest.status == Status.UNCERTAIN_SENSOR_CALIBRATION
        state, i = self._places[name]
        return Known(newest.value, is_good, state.rests_ms[i] if state.rests_ms else newest.read_ms)

    def _rests_on_ms(self, reckoned_ms: int, inputs: Iterable[str]) -> int:
        """Return when the oldest of what a formula has just been reckoned from was read: itself, or an input that is polled.

        One that was never read has no part in it, and one that is pushed holds until it changes.
        """
        times = [reckoned_ms]
        for name in inputs:
            newest = self.newest(name)
            if newest is not None and newest.read_ms:
                state, i = self._places[name]
                times.append(state.rests_ms[i] if state.rests_ms else newest.read_ms)
        return min(times)

    def fate(self, tag_uid: int) -> asyncio.Future[Fate]:
        """Return what will have become of a tag's newest collected reading, once that is known; of a tag that is gone, that it is lost."""
        told: asyncio.Future[Fate] = asyncio.get_running_loop().create_future()
        for state in self._groups.values():
            for i, tag in enumerate(state.group.tags):
                if tag.uid == tag_uid and state.tickets[i]:
                    self._awaited.setdefault(state.tickets[i], []).append(told)
                    return told
                if tag.uid == tag_uid:
                    told.set_result((state.seqs[i], state.causes[i]))
                    return told
        told.set_result((None, "tag_unknown"))
        return told

    def changed_since(self, generation: int) -> list[list[Any]]:
        """See ValueSource."""
        return [row for state in self._groups.values() if state.generation > generation for row in _rows(state)]

    def tag_rows(self) -> list[list[Any]]:
        """See ValueSource."""
        return [
            _tag_row(tag, group, device.config.asset) for device in self._devices.values() for group in device.groups for tag in group.tags
        ]

    def _settle(self, ticket: int, seq: int | None, cause: str | None) -> None:
        for told in self._awaited.pop(ticket, ()):
            if not told.done():
                told.set_result((seq, cause))
        for state in self._groups.values():
            if ticket in state.tickets:
                hits = [each == ticket for each in state.tickets]
                state.tickets = [0 if hit else old for hit, old in zip(hits, state.tickets, strict=True)]
                state.seqs = [seq if hit else old for hit, old in zip(hits, state.seqs, strict=True)]
                state.causes = [cause if hit else old for hit, old in zip(hits, state.causes, strict=True)]
                state.generation = self._change()

    def _change(self) -> int:
        self.generation += 1
        for listener in self._listeners:
            listener()
        return self.generation


def _empty(group: TagGroup) -> _GroupState:
    n = len(group.tags)
    waiting = [int(Status.BAD_WAITING_FOR_INITIAL_DATA)] * n
    return _GroupState(group, [None] * n, waiting, [0] * n, [None] * n, 0, [0] * n, [None] * n, [None] * n)


def _tag_row(tag: Tag, group: TagGroup, asset: str) -> list[Any]:
    name = f"{tag.device}/{tag.name}"
    return [tag.uid, name, tag.device, tag.unit, tag.type, tag.exponent, group.name, group.period_ms, tag.writable, asset]


def _rows(state: _GroupState) -> list[list[Any]]:
    columns = zip(
        state.group.tags, state.values, state.statuses, state.read_ms, state.source_ms, state.seqs, state.causes, strict=True
    )  # fmt: skip
    return [
        [tag.uid, value, status, read, source, RECORDED if seq is not None else UNRECORDED if cause is not None else PENDING, seq, cause]
        for tag, value, status, read, source, seq, cause in columns
    ]
