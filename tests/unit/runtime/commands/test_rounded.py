"""What a device rounds: a person is shown what will really be sent, confirms that, and every rule is asked about it."""

from __future__ import annotations

import pytest

from runtime.faces.feed import RequestRefusedError
from runtime.messages.command_words import headline
from tests.rigs.office import HIGH, Office
from tests.simulation.loop import VirtualClock, run

NORMAL = HIGH.replace("high", "normal")


def test_what_is_shown_and_confirmed_is_what_is_sent() -> None:
    async def program(clock: VirtualClock) -> None:
        office = Office(clock, NORMAL)
        office.step = 5
        seen = await office.seen("alice", 13)
        assert (seen["value"], seen["asked"]) == (15, 13)
        assert headline(seen) == "Set b/slow0 from 10 to 15. Not 13: the device holds its numbers in steps, and the nearest is 15."
        done = await office.confirm("alice", seen)
        assert (done.code, done.params["value"], done.params["read_back"]) == ("done", 15, 15)
        assert office.machine.written == [("slow0", 15)]
        again = await office.seen("alice", 20)
        assert (again["value"], again["asked"]) == (20, None)
        assert headline(again) == "Set b/slow0 from 15 to 20."
        assert (await office.confirm("alice", {**again, "value": 21})).code == "command_ticket_changed"

    run(program, seed=1)


def test_a_value_that_would_be_rounded_out_of_its_limits_is_refused() -> None:
    async def program(clock: VirtualClock) -> None:
        office = Office(clock, NORMAL)
        office.step = 120
        with pytest.raises(RequestRefusedError, match="value_rounds_out_of_limits") as refused:
            await office.seen("alice", 99)
        assert (refused.value.params["sent"], refused.value.params["max"]) == (120, 100)
        with pytest.raises(RequestRefusedError, match="value_out_of_limits"):
            await office.seen("alice", -1)  # would be 0, which is within: what was asked for is not

    run(program, seed=1)
