"""One request at a time; nobody is left waiting, however the serving ends."""

from __future__ import annotations

import asyncio

import pytest

from ledger_client.errors import StoreError
from ledger_client.request_line import RequestLine


@pytest.mark.parametrize("waiting_max", [1, 2, 64])
def test_a_bug_answers_everybody_even_those_in_front_of_a_full_queue(waiting_max: int) -> None:
    async def bug() -> None:
        raise ZeroDivisionError

    async def story() -> None:
        line = RequestLine(waiting_max)

        async def serve() -> None:
            await asyncio.sleep(0)  # the queue is full by now
            with pytest.raises(ZeroDivisionError):
                await line.serve()

        async with asyncio.timeout(10):
            *answers, _served, _closed = await asyncio.gather(
                *[line.ask(bug) for _ in range(10)], serve(), line.close(), return_exceptions=True
            )
            assert {(type(answer), getattr(answer, "code", "")) for answer in answers} == {(StoreError, "store_closed")}
            assert _served is _closed is None
            with pytest.raises(StoreError, match="store_closed"):
                await line.ask(bug)

    asyncio.run(story())


def test_what_was_asked_before_the_close_is_still_served() -> None:
    done: list[int] = []

    async def note(number: int) -> int:
        await asyncio.sleep(0)
        done.append(number)
        return number

    async def story() -> None:
        line = RequestLine(2)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(line.serve())
            asking = [group.create_task(line.ask(lambda number=number: note(number))) for number in range(5)]
            await asyncio.sleep(0)
            await line.close()
        assert [task.result() for task in asking] == done == list(range(5))

    asyncio.run(story())


def test_a_request_that_is_handed_over_holds_up_nobody_and_is_answered_by_its_future() -> None:
    async def story() -> None:
        line = RequestLine(8)
        elsewhere: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def value(number: int) -> int:
            return number

        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(line.serve())
            handed = group.create_task(line.ask(lambda: value(1), lambda: elsewhere))
            given_up = group.create_task(line.ask(lambda: value(2), lambda: elsewhere))
            carried_out = await line.ask(lambda: value(3), lambda: None)
            assert (carried_out, handed.done()) == (3, False)
            given_up.cancel()
            await asyncio.sleep(0)
            elsewhere.set_result(4)
            assert await handed == 4
            await line.close()
        assert given_up.cancelled()

    asyncio.run(story())


def test_a_fault_of_a_request_that_was_handed_over_is_its_own() -> None:
    async def value() -> int:
        return 1

    async def refused(line: RequestLine, elsewhere: asyncio.Future[int]) -> None:
        with pytest.raises(StoreError, match="disk_full"):
            await line.ask(value, lambda: elsewhere)

    async def story() -> None:
        line = RequestLine(8)
        elsewhere: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(line.serve())
            group.create_task(refused(line, elsewhere))
            await asyncio.sleep(0)
            elsewhere.set_exception(StoreError("disk_full", needed=1, free=0))
            assert await line.ask(value) == 1
            await line.close()

    asyncio.run(story())
