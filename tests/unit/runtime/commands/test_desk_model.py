"""The desk against a small model of it: whatever people, the machine and the clock do in whatever order, only what was seen is written.

The model knows nothing of tickets: it keeps, for each thing that was shown, who saw it, when, and what was true then.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from runtime.acts import Outcome
from tests.rigs.office import HIGH, Office
from tests.simulation.loop import VirtualClock, VirtualLoop

PEOPLE = st.sampled_from(["alice", "bob"])
VALUES = st.integers(0, 20)
MOSTLY = st.sampled_from([True, True, True, False])
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

    @rule(target=waiting, it=shown, who=PEOPLE)
    def confirm(self, it: Any, who: str) -> Any:
        office, seen = it["office"], it["seen"]
        in_time = self.clock.mono_ms() - it["at_ms"] < 30_000
        stands = seen["nonce"] is not None and who == it["who"] and not it["spent"] and in_time
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

    @rule(value=VALUES, risky=st.booleans())
    def somebody_else_moves_it(self, value: int, risky: bool) -> None:
        (self.risky if risky else self.office).machine.value = value

    @rule(it=shown)
    def somebody_puts_it_back(self, it: Any) -> None:
        it["office"].machine.value = it["seen"]["old"] if it["seen"]["old"] is not None else 10

    @rule(on=MOSTLY, stale=SELDOM)
    def interlock(self, on: bool, stale: bool) -> None:
        for office in (self.office, self.risky):
            office.interlock_holds, office.interlock_stale = on, stale

    @rule(on=SELDOM, who=PEOPLE)
    def switch(self, on: bool, who: str) -> None:
        for office in (self.office, self.risky):
            outcome = self.ask(office.ask(office.act(who, "gateway.read_only", "b", {"on": on})))
            assert outcome.code == "done"
            office.read_only = on

    @rule(state=st.sampled_from([2, 2, 2, 0, 4]))
    def trust(self, state: int) -> None:
        self.clock.step(0, state)

    @rule(seconds=st.sampled_from([1, 10, 29, 31, 899]))
    def time_passes(self, seconds: int) -> None:
        self.loop.now_s += seconds

    @rule(risky=st.booleans())
    def edit(self, risky: bool) -> None:
        (self.risky if risky else self.office).number += 1

    @invariant()
    def only_what_was_confirmed_is_written(self) -> None:
        for office, values in self.expected.items():
            assert [value for _, value in office.machine.written] == values


TestDesk = Desk.TestCase
TestDesk.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
