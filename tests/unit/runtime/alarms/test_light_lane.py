"""An output that is on while somebody is called: what is written again, and what is taken for what the output makes of it."""

from __future__ import annotations

import asyncio

import pytest

from drivers.shared import Newest
from runtime.acts import Act, Outcome
from runtime.alarms.lanes import SEEN_MS, LightLane
from runtime.alarms.notify_options import LightTarget
from runtime.alarms.notify_plan import Target
from tests.rigs.clock import StillClock


@pytest.mark.parametrize("status", [0, 0x00000400, 0x00960000])
def test_a_value_that_somebody_sets_twice_is_not_what_the_output_makes_of_ours(status: int) -> None:
    clock, written = StillClock(), list[object]()
    options = LightTarget.model_validate({"name": "lamp", "type": "light", "tag": "io/lamp", "on": 77, "off": 2})
    output = [2]

    async def carry_out(act: Act) -> Outcome:
        written.append(act.params["value"])
        output[0] = 2
        return Outcome("done")

    target = Target("lamp", "light", frozenset({"low"}), options=options)
    lane = LightLane(clock, target, options, lambda _: Newest(output[0], status, None), carry_out)

    async def look() -> None:
        clock.advance(SEEN_MS)
        await lane.look([], None)

    async def program() -> None:
        await look()
        for _ in range(3):
            output[0] = 5
            await look()
            await look()

    asyncio.run(program())
    assert written == [2, 2, 2, 2]
