"""One read of one tag group while it is under way: what came, what was refused, how long it may still take.

Room: ground, driver `modbus`. `reader.py` makes one per read and shares it with `searching.py` and `proving.py`. It asks and keeps; what
follows from the answers is decided there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from drivers.driver import DriverError
from drivers.modbus.alone import sent_causes
from drivers.modbus.exception_codes import address_codes
from drivers.modbus.layout import Answer, ReadBlock
from drivers.modbus.link import over_s
from drivers.modbus.planner import Block
from drivers.modbus.proof import Sample
from drivers.modbus.request import RefusalError


class Ask(Protocol):
    """How a unit is asked."""

    async def __call__(self, block: Block, until: float) -> bytes:
        """Return the data bytes of the answer, of the right length. Raises RefusalError, DriverError."""
        ...


Seclude = Callable[[float], AbstractAsyncContextManager[None]]
Owe = Callable[[Block | None], None]


class Asker:
    """Asks the unit, and counts: `sent` tells whether a request was directly followed by another."""

    def __init__(
        self, ask: Ask, resync: Callable[[], None], alone: Seclude = lambda _until: nullcontext(), tell: Owe = lambda _owed: None,
        connection: Callable[[], object] = lambda: None,
    ) -> None:  # fmt: skip
        self._ask, self._tell = ask, tell
        self.sent = 0
        self.owed: Block | None = None
        """A control read that a read over holes had to be followed by, and that may never have gone out. See `owe`."""
        self.connection = connection
        """Tells which connection the last request went over: the same as long as it stands."""
        self.alone = alone
        """Keeps others from asking the unit, until when at most. Entering raises TimeoutError."""
        self.resync = resync
        """Makes sure that nothing of an old answer can reach the next question: a new connection, or silence."""

    def owe(self, control: Block | None) -> None:
        """From now on this is owed; the line is told as well, for others that ask the unit."""
        self.owed = control
        self._tell(control)

    async def settle(self, until: float) -> None:
        """Ask what is owed, before anything else, and throw the answer away. Raises DriverError."""
        if self.owed is None:
            return
        try:
            await self(self.owed, until)
        except RefusalError:
            pass
        except DriverError as error:
            if error.cause in sent_causes:
                self.owe(None)
            raise
        self.owe(None)

    async def __call__(self, block: Block, until: float) -> bytes:
        """See Ask."""
        self.sent += 1
        return await self._ask(block, until)


@dataclass(slots=True)
class Turn:
    """The state of one read. Times are the event loop's (s)."""

    until: float
    learn_until: float
    """When learning has to stop: it may not take the bus for itself."""
    is_settled: bool
    reads: tuple[ReadBlock, ...]
    """The blocks of the safe plan, as they stood when the read began."""
    answers: list[Answer] = field(default_factory=list)
    """One per block of `reads`."""
    pieces: list[tuple[ReadBlock, Answer]] = field(default_factory=list)
    """What came besides."""
    samples: list[Sample] = field(default_factory=list)
    refused: list[tuple[int, int]] = field(default_factory=list)
    """(place in `reads`, exception code)."""
    odd: list[int] = field(default_factory=list)
    """Places whose answer was wrong in form."""
    silent: list[int] = field(default_factory=list)
    """Places without an answer."""
    data_count: int = 0
    refusal_count: int = 0
    lost: DriverError | None = None
    lost_at: int | None = None
    """The place in `reads` at which that came; None where it was something else that was asked."""
    answer_s: float = 0.0
    """What a request that is asked first has for its answer."""
    least_s: float = over_s
    """What has less time than this is not asked. See `planned_read.Pace`."""
    cut_at: int | None = None
    """The place in `reads` at which the time was over, or the line gone; None: each was asked, or rests."""
    asked_to: int = 1 << 20
    """Places from here on were not asked, for that."""
    resting: set[int] = field(default_factory=set)
    """Places that were not asked since they rest. See `late_blocks.py`."""
    broken: list[int] = field(default_factory=list)
    """Places at which the connection ended."""
    blamed: set[int] = field(default_factory=set)
    """Places that took (nearly) `answer_s` and gave nothing, or ended the read while there was time."""
    was_heard: bool = False

    is_sounding: bool = False
    """After many silent reads a short request was answered: what is silent in this read is too long, or holds what the unit chokes on."""
    is_over: bool = False
    """The line is not well: no more than what was planned is asked in this read."""

    @property
    def is_fruitless(self) -> bool:
        """Whether something was asked and nothing came, but for what a unit refuses for its address."""
        if self.data_count:
            return False
        other = any(code not in address_codes for _, code in self.refused)
        return bool(self.silent or self.odd or other) or (self.lost is not None and self.lost.cause in sent_causes)

    @property
    def failed(self) -> set[int]:
        """Places that brought nothing, but for what a unit refuses for its address."""
        other = {at for at, code in self.refused if code not in address_codes}
        return other.union(self.silent, self.odd, self.broken)

    def was_asked(self, at: int) -> bool:
        """Whether the block at a place of `reads` was asked in this read."""
        return at < self.asked_to and at not in self.resting

    def cut_off(self, at: int, status: int, *, was_asked: bool = False) -> None:
        """The read goes no further than this place, which was asked or not; what it and those behind it hold has this status."""
        self.cut_at, self.asked_to = at, at + was_asked
        self.answers += [status] * (len(self.reads) - at)

    def has_time(self) -> bool:
        """Whether something may be asked that gives values to tags."""
        return not self.is_over and self.until - asyncio.get_running_loop().time() >= self.least_s

    def may_learn(self) -> bool:
        """Whether something may be asked for the sake of later reads."""
        return self.has_time() and asyncio.get_running_loop().time() < self.learn_until

    def take(self, read: ReadBlock, data: bytes) -> None:
        """Keep an answer that came besides the plan's, for the scan and as a sample."""
        self.pieces.append((read, data))
        self.samples.append(Sample(read.block, data))
        self.data_count += 1
        self.was_heard = True
