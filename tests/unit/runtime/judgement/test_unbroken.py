"""A judge that dies while the core records what it said: the ledger and what the core knows of it stay one."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

from ledger_client.errors import StoreError
from runtime.judgement.desk import ENTRIES_MAX
from tests.rigs.judged import judged
from tests.unit.runtime.judgement.test_desk import receipt, refused, run


def test_an_entry_under_way_is_known_also_when_the_judge_dies_meanwhile() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        written, answered = asyncio.Event(), asyncio.Event()

        async def append(kind: int, detail: tuple[Any, ...], body: bytes = b"", *, reserve: bool = False) -> Any:
            line.log.seq = line.log.add(kind, detail, body)
            written.set()
            await answered.wait()  # durable, and the judge's connection breaks before it is said
            return line.log

        line.desk._ledger = SimpleNamespace(append=append, size=line.log.size)
        async with line.desk._unbroken, asyncio.TaskGroup() as group:
            asking = group.create_task(refused(line.desk, receipt(line, 100)))
            await written.wait()
            asking.cancel()
            answered.set()
        line.desk._ledger = line.log
        assert await refused(line.desk, receipt(line, 100)) == "judge_said_before"
        assert line.desk.book.page("line").receipt_seq == line.log.size - 1

    run(scenario)


def test_judges_that_come_and_go_while_the_ledger_stands_still_leave_no_queue() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line = await judged(work=work)
        stands = asyncio.Event()

        async def append(*_: Any, **__: Any) -> Any:
            await stands.wait()
            raise StoreError("disk_full")

        line.desk._ledger = SimpleNamespace(append=append, size=line.log.size)
        codes: list[str] = []
        async with line.desk._unbroken, asyncio.TaskGroup() as group:
            for cell in range(40):
                asking = group.create_task(refused(line.desk, receipt(line, 100 + cell)))
                for _ in range(3):
                    await asyncio.sleep(0)
                asking.cancel()
                await asyncio.wait([asking])
                codes += [] if asking.cancelled() else [asking.result()]
            stands.set()
        assert set(codes) == {"judge_too_many"}
        assert len(codes) == 40 - ENTRIES_MAX

    run(scenario)
