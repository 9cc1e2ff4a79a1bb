"""The history of commands never stands before an act: it reads in a thread of its own, and page by page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from runtime.commands.history import LOOK_BACK, PAGE, CommandHistory


class SlowLedger:
    """Gives no entry before it is let go; notes what it is asked for."""

    def __init__(self, size: int) -> None:
        self._size, self.go_on, self.began = size, threading.Event(), threading.Event()
        self.asked: list[tuple[int, int]] = []

    def size(self) -> int:
        return self._size

    def body(self, seq: int) -> bytes | None:
        return None

    def entries(self, start: int, end: int) -> Iterator[bytes]:
        self.asked.append((start, end))
        self.began.set()
        assert self.go_on.wait(30)
        return iter(())


def test_whatever_the_door_has_done_is_done_while_the_history_still_reads() -> None:
    async def program() -> None:
        ledger, work = SlowLedger(LOOK_BACK), ThreadPoolExecutor(1)
        history = CommandHistory(ledger)
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(history.newest())
            await loop.run_in_executor(None, ledger.began.wait, 30)
            assert await asyncio.wait_for(loop.run_in_executor(work, lambda: "saved"), 30) == "saved"
            assert not first.done()
            ledger.go_on.set()
        assert first.result() == []
        history.close()
        work.shutdown()

    asyncio.run(program())


def test_it_reads_a_page_at_a_time_and_each_entry_once() -> None:
    async def program() -> None:
        ledger = SlowLedger(LOOK_BACK + 10)
        ledger.go_on.set()
        history = CommandHistory(ledger)
        await asyncio.gather(history.newest(), history.newest())
        starts = list(range(10, LOOK_BACK + 10, PAGE))
        assert ledger.asked == [(start, min(start + PAGE, LOOK_BACK + 10)) for start in starts]
        await history.newest()
        assert len(ledger.asked) == len(starts)
        history.close()

    asyncio.run(program())
