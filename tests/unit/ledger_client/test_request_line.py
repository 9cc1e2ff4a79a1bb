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
