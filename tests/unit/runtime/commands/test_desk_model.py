"""The desk against a small model of it: whatever people, the machine and the clock do in whatever order, only what was seen is written.

The model knows nothing of tickets: it keeps, for each thing that was shown, who saw it, when, and what was true then.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from runtime.acts import Outcome
from tests.rigs.office import HIGH, Office
from tests.simulation.loop import VirtualClock, VirtualLoop

EXAMPLES = {"fast": 20, "run": 100, "full": 1000}[os.environ.get("WITNESSMARK_TEST_SIZE", "fast")]

PEOPLE = st.sampled_from(["alice", "bob"])
VALUES = st.integers(0, 20)
WORLD = st.sampled_from(["value", "interlock", "switch", "clock", "edit", "time"])
SELDOM = st.sampled_from([False, False, False, True])


class Desk(RuleBasedStateMachine):
    """People prepare, confirm and approve; the machine's value, the interlock, the switch, the clock and the configuration change."""

    shown = Bundle("shown")
    waiting = Bundle("waiting")

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.office = Office(self.clock, HIGH.replace("high", "normal"))
        self.risky = Office(self.clock, HIGH)
        self.expected: dict[Office, list[Any]] = {self.office: [], self.risky: []}

    def ask(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    def teardown(self) -> None:
        self.loop.close()

    def _allowed(self, office: Office) -> bool:
        """Whether nothing but the ticket could stand in the way."""
        return self.clock.state() == 2 and not office.read_only and office.interlock_holds and not office.interlock_stale

    @rule(target=shown, who=PEOPLE, value=VALUES, risky=st.booleans())
    def prepare(self, who: str, value: int, risky: bool) -> Any:
        office = self.risky if risky else self.office
        seen = self.ask(office.seen(who, value))
        assert (seen["refusal"] is None) == self._allowed(office)
        assert (seen["nonce"] is None) == (seen["refusal"] is not None)
        assert seen["old"] == office.machine.value or seen["refusal"] is not None
        return {"office": office, "who": who, "seen": seen, "at_ms": self.clock.mono_ms(), "number": office.number, "spent": False}

    @rule(target=waiting, it=shown, other=SELDOM)
    def confirm(self, it: Any, other: bool) -> Any:
        office, seen, who = it["office"], it["seen"], "carol" if other else it["who"]
        if seen["nonce"] is None:
            return multiple()
        in_time = self.clock.mono_ms() - it["at_ms"] < 30_000
        stands = who == it["who"] and not it["spent"] and in_time
        good = stands and self._allowed(office) and office.machine.value == seen["old"] and office.number == it["number"]
        outcome: Outcome = self.ask(office.confirm(who, seen))
        it["spent"] = it["spent"] or stands
        if good and office is self.office:
            assert outcome.code == "done"
            self.expected[office].append(seen["value"])
        elif good:
            assert outcome.code in ("command_waits", "command_too_many_wait")
            if outcome.code == "command_waits":
                return {**it, "proposal": outcome.params["proposal"], "by": who, "at_ms": self.clock.mono_ms(), "gone": False}
        else:
            assert outcome.code not in ("done", "command_waits")
        return multiple()

    @rule(it=waiting, who=PEOPLE)
    def approve(self, it: Any, who: str) -> None:
        office, seen = it["office"], it["seen"]
        stands = not it["gone"] and who != it["by"] and self.clock.mono_ms() - it["at_ms"] < 900_000
        same = office.machine.value == seen["old"] and office.number == it["number"]
        good = stands and self._allowed(office) and same
        outcome: Outcome = self.ask(office.approve(who, it["proposal"], seen))
        if good:
            assert outcome.code == "done"
            self.expected[office].append(seen["value"])
            it["gone"] = True
        else:
            assert outcome.code != "done"
            # What changed is dropped; what is merely forbidden waits on.
            it["gone"] = it["gone"] or outcome.code in ("command_value_changed", "command_config_changed")

    @rule(it=shown)
    def somebody_puts_it_back(self, it: Any) -> None:
        it["office"].machine.value = it["seen"]["old"] if it["seen"]["old"] is not None else 10

    @rule(what=WORLD, value=VALUES, on=SELDOM, stale=SELDOM, risky=st.booleans())
    def the_world_moves(self, what: str, value: int, on: bool, stale: bool, risky: bool) -> None:
        """One rule, so that what people do is not rare among what happens around them."""
        office = self.risky if risky else self.office
        if what == "value":
            office.machine.value = value
        elif what == "interlock":
            office.interlock_holds, office.interlock_stale = not on, stale
        elif what == "switch":
            assert self.ask(office.ask(office.act("eve", "gateway.read_only", "b", {"on": on}))).code == "done"
            office.read_only = on
        elif what == "clock":
            self.clock.step(0, 4 if on and stale else 0 if on else 2)
        elif what == "edit" and on:
            office.number += 1
        elif what == "time":
            self.loop.now_s += (899, 31, 29, 1, 1, 1)[value % 6]

    @invariant()
    def only_what_was_confirmed_is_written(self) -> None:
        for office, values in self.expected.items():
            assert [value for _, value in office.machine.written] == values


TestDesk = Desk.TestCase
TestDesk.settings = settings(max_examples=EXAMPLES, stateful_step_count=50, deadline=None)
