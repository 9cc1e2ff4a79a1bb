"""What is known of a device's tags: the last sample of each, and what pushed groups have not taken yet.

Room: ground, driver `mqtt`. Feeds put samples in as messages arrive, `driver.py` takes scans out. Every queue has a size.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from drivers.driver import Clock, DriverError
from drivers.mqtt.codec import Change, Sample, doubted, is_good, scans_of
from drivers.reading import Scan, Status, TagGroup, Value

left_ms_max: Final = 60_000
"""How long a stream that broke waits for whoever starts again. The runtime pauses for 5 s at most; what comes later is nobody's."""


class Stream:
    """Scans of one pushed group in order, and the faults between them. It stays while the runtime pauses after a fault."""

    def __init__(self, group: TagGroup, queue_size: int) -> None:
        """Start empty."""
        self.group = group
        self.silent: set[int] = set()
        """Places of tags of which it has been said that nothing comes, and no scan was taken since."""
        self._behind: set[int] = set()
        """Places of tags of which history was taken, and no value of now since."""
        self.users = 0
        """Who takes from it now."""
        self.left_ms: int | None = None
        """When (mono) a fault ended whoever took from it last."""
        self._places: dict[Hashable, list[int]] = {}
        for place, tag in enumerate(group.tags):
            self._places.setdefault(tag.address, []).append(place)
        self._limit = queue_size
        self._waiting: deque[Scan | DriverError] = deque()
        self._there = asyncio.Event()

    def put(self, changes: Iterable[Change], *, past: bool = False) -> None:
        """Add the scans of one message; too many end in the fault `overflow`, and the newest are lost. `past`: they are history."""
        mine = [(place, sample) for address, sample in changes for place in self._places.get(address, ())]
        if not mine:
            return
        for scan in scans_of(self.group, mine, past=past):
            if len(self._waiting) >= self._limit:
                self.fail(DriverError("overflow", Status.BAD_COMMUNICATION_ERROR, limit=self._limit))
                return
            self._waiting.append(scan)
        self._there.set()

    def fail(self, fault: DriverError) -> None:
        """Break the stream after what is in it; one fault after another is one."""
        if not self._waiting or not isinstance(self._waiting[-1], DriverError):
            self._waiting.append(fault)
        self._there.set()

    def resume(self) -> set[int]:
        """Forget faults at the front, because whoever starts again knows; return the places of which a value of now waits."""
        while self._waiting and isinstance(self._waiting[0], DriverError):
            self._waiting.popleft()
        self._behind.clear()
        scans = [scan for scan in self._waiting if isinstance(scan, Scan) and not scan.past]
        return {place for scan in scans for place in _places_in(scan)}

    async def take(self, limit_s: float) -> Scan | None:
        """Return the next scan, None when none came within `limit_s`. Raises the fault that comes before the next scan."""
        try:
            async with asyncio.timeout(limit_s):
                while not self._waiting:
                    self._there.clear()
                    await self._there.wait()
        except TimeoutError:
            return None
        first = self._waiting.popleft()
        if isinstance(first, DriverError):
            raise first
        if first.past:
            self._behind |= _places_in(first)
        elif self.silent or self._behind:
            self.silent, self._behind = self.silent - _places_in(first), self._behind - _places_in(first)
        return first

    def overtaken(self) -> set[int]:
        """Return, once, the places whose newest value has to be said again behind history; none while more waits to be taken."""
        if self._waiting or not self._behind:
            return set()
        places, self._behind = self._behind, set()
        return places


def _places_in(scan: Scan) -> set[int]:
    return {place for place in range(len(scan.values)) if scan.present is None or scan.present[place]}


class Known:
    """The last samples of one device's tags by address."""

    def __init__(self, queue_size: int, clock: Clock) -> None:
        """Know nothing."""
        self.samples: dict[Hashable, Sample] = {}
        self._queue_size = queue_size
        self._clock = clock
        self._streams: dict[int, Stream] = {}
        self._watched: list[tuple[Hashable, Value, asyncio.Future[None]]] = []
        self._turn = asyncio.Event()

    def stream(self, group: TagGroup) -> Stream:
        """Return the stream of a group: the one that it had, unless its tags have changed."""
        known = self._streams.get(group.uid)
        if known is None or known.group != group:
            known = self._streams[group.uid] = Stream(group, self._queue_size)
        known.group = group
        return known

    @contextmanager
    def streaming(self, group: TagGroup) -> Iterator[Stream]:
        """Give the stream of a group to whoever takes from it now.

        A fault leaves it there, for who starts again within `left_ms_max`. Whoever ends in any other way wants no more of it: the group
        is gone, or has another name.
        """
        stream, is_broken = self.stream(group), False
        stream.users, stream.left_ms = stream.users + 1, None
        try:
            yield stream
        except DriverError:
            is_broken = True
            raise
        finally:
            stream.users -= 1
            if not stream.users:
                stream.left_ms = self._clock.mono_ms()
                if not is_broken and self._streams.get(group.uid) is stream:
                    del self._streams[group.uid]

    def put(self, changes: list[Change], *, past: bool = False) -> None:
        """Take the samples of one message. `past`: they are history and no tag's last value."""
        self._forget_left()
        if not past:
            self.samples.update(changes)
            for address, sample in changes:
                self._confirm(address, sample)
        for stream in self._streams.values():
            stream.put(changes, past=past)
        self.tell()

    def doubt(self, fault: DriverError | None) -> None:
        """Messages may be missing: what is known is uncertain until it is said again; streams break when there is a fault."""
        for address, sample in self.samples.items():
            self.samples[address] = doubted(sample)
        if fault is not None:
            self.fail(fault)

    def doubt_since(self, address: Hashable, sent_ms: int) -> bool:
        """Nobody knows what became of a command sent at this mono time: what was said before it is uncertain until it is said again.

        Tell whether nothing was said since.
        """
        sample = self.samples.get(address)
        if sample is not None and sample.mono_ms > sent_ms:
            return False
        if sample is not None:
            self.samples[address] = doubted(sample)
        return True

    def fail(self, fault: DriverError) -> None:
        """Break the streams, and the waits for confirmations."""
        for stream in self._streams.values():
            stream.fail(fault.again())
        for _, _, future in self._watched:
            if not future.done():
                future.set_exception(DriverError("write_unknown", fault.status, reason=fault.cause))
                future.exception()  # whoever waited may have been cancelled meanwhile
        self.tell()

    def watch(self, address: Hashable, value: Value) -> asyncio.Future[None]:
        """Return a future that is done when a fresh sample of the address has the value, and is good: not late, not of the past."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watched = [each for each in self._watched if not each[2].done()]
        self._watched.append((address, value, future))
        return future

    def tell(self) -> None:
        """Wake whoever waits for news of this device."""
        turn, self._turn = self._turn, asyncio.Event()
        turn.set()

    async def news(self, until: float) -> bool:
        """Wait for news of this device; False when there is none by `until` (event loop time)."""
        try:
            async with asyncio.timeout_at(until):
                await self._turn.wait()
        except TimeoutError:
            return False
        return True

    def _forget_left(self) -> None:
        """Drop the streams that broke and that nobody started again."""
        oldest_ms = self._clock.mono_ms() - left_ms_max
        gone = [uid for uid, stream in self._streams.items() if stream.left_ms is not None and stream.left_ms < oldest_ms]
        for uid in gone:
            del self._streams[uid]

    def _confirm(self, address: Hashable, sample: Sample) -> None:
        for wanted, value, future in self._watched:
            if wanted == address and sample.fresh and is_good(sample.status) and sample.value == value and not future.done():
                future.set_result(None)
