"""What the conformance suite says of a driver that never comes to an end, or never comes back: a finding, on virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Self

import pytest

from drivers.driver import Driver, DriverError
from drivers.promises import ConformanceError, exhaust, failure, read, reopened
from drivers.reading import Scan, Status, Tag, TagGroup, Value
from tests.simulation.loop import run

GROUP = TagGroup(1, "d", "g", 100, (Tag(1, "t", "d", "int", "", 0),))


class NeverWell:
    """Answers every read with these statuses; `None` instead of a number is a read that never ends."""

    def __init__(self, status: int | None) -> None:
        self.status = status

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def read(self, group: TagGroup, deadline_s: float) -> Scan:
        if self.status is None:
            await asyncio.Event().wait()
        return Scan(group, [None], 0, [self.status or 0])

    def subscribe(self, group: TagGroup) -> AsyncIterator[Scan]:
        raise DriverError("subscribe_not_supported")

    async def write(self, tag: Tag, value: Value, deadline_s: float) -> None:
        raise DriverError("write_not_supported")


async def silence() -> AsyncGenerator[Scan, None]:
    await asyncio.Event().wait()
    yield Scan(GROUP, [None], 0)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: read(NeverWell(None), GROUP), "a read comes to an end"),
        (lambda: failure(NeverWell(None).read(GROUP, 0.3), "a read of a silent device"), "a read of a silent device comes to an end"),
        (lambda: failure(exhaust(silence()), "a subscription whose link broke"), "a subscription whose link broke comes to an end"),
        (
            lambda: reopened(NeverWell(int(Status.BAD_NO_DATA)), GROUP),
            "reads come back within 15 s of the device; the last one gave a scan",
        ),
        (lambda: reopened(NeverWell(None), GROUP), "a read comes to an end"),
    ],
)
def test_a_driver_that_never_ends_or_never_gets_well_is_a_finding(call: Callable[[], object], said: str) -> None:
    async def test(_: object) -> None:
        with pytest.raises(ConformanceError, match=f"^broken promise: {said}"):
            await call()  # type: ignore[misc]

    run(test, seed=1)


def test_a_whole_list_of_good_statuses_is_as_good_as_none() -> None:
    async def test(_: object) -> Scan:
        driver: Driver = NeverWell(0)
        return await reopened(driver, GROUP)

    assert run(test, seed=1).statuses == [0]
