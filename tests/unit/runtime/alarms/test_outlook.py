"""What alarms look at besides tags: each condition comes and goes, and what cannot be told leaves it as it was."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

import pytest

from ledger_client.kinds import ClockState
from runtime.alarms.definition import AlarmDefinition
from runtime.alarms.outlook import SPACE_EVERY_MS, CoreOutlook
from tests.rigs.clock import StillClock


class Clock(StillClock):
    trust = ClockState.NTP

    def state(self) -> int:
        return self.trust


class AtOnce(Executor):
    """Does what it is given where it stands."""

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(call(*arguments, **named))
        return done


@dataclass
class Parts:
    """The parts of a core, as far as they are looked at."""

    clock: Clock = field(default_factory=Clock)
    devices: dict[str, str] = field(default_factory=dict)
    anchors: list[dict[str, Any]] = field(default_factory=list)
    size: int = 10
    ledger: tuple[str, bool] = ("ok", False)
    evidence: str = "recording"
    open_of: set[str] | None = field(default_factory=set)
    free: int | OSError = 5_000 << 20

    def free_bytes(self) -> int:
        if isinstance(self.free, OSError):
            raise self.free
        return self.free

    def outlook(self) -> CoreOutlook:
        return CoreOutlook(
            self.clock, device_state=self.state_of, anchors=lambda: self.anchors, size=lambda: self.size,
            ledger_state=lambda: self.ledger, evidence_state=lambda: self.evidence, goes_on=self.goes_on,
            free_bytes=self.free_bytes, work=AtOnce(),
        )  # fmt: skip

    def goes_on(self, model: str) -> bool | None:
        return None if self.open_of is None else model in self.open_of

    def state_of(self, name: str) -> str | None:
        return self.devices.get(name)


def test_a_device_is_down_only_once_that_is_known() -> None:
    parts, alarm = Parts(), AlarmDefinition("x", "device_down", device="a")
    outlook = parts.outlook()
    seen = []
    for state in (None, "starting", "ok", "degraded", "down", "starting", None, "ok"):
        parts.devices = {} if state is None else {"a": state}
        seen.append(outlook.holds(alarm, bool(seen and seen[-1])))
    assert seen == [False, False, False, False, True, True, True, False]


def test_the_backlog_is_old_when_nobody_outside_has_confirmed_for_long() -> None:
    parts, alarm = Parts(), AlarmDefinition("x", "backlog_old", limit=60)
    outlook = parts.outlook()
    assert not outlook.holds(alarm, False), "no anchors: nothing to wait for"
    began = parts.clock.wall_ms()
    parts.anchors = [{"cosigned_size": None, "cosigned_ms": None}, {"cosigned_size": 4, "cosigned_ms": began - 3_600_000}]
    assert not outlook.holds(alarm, False), "a gateway that was off begins to count when it starts"
    parts.clock.advance(61_000)
    assert outlook.holds(alarm, False)
    parts.anchors[0] = {"cosigned_size": 6, "cosigned_ms": parts.clock.wall_ms()}
    assert not outlook.holds(alarm, True), "one of them is enough"
    parts.clock.advance(61_000)
    assert outlook.holds(alarm, False)
    parts.anchors[0]["cosigned_size"] = 9
    assert not outlook.holds(alarm, True), "all but the entry that says so is confirmed"


def test_space_is_looked_up_now_and_then_and_a_full_ledger_says_so_at_once() -> None:
    parts, alarm = Parts(), AlarmDefinition("x", "disk_low", limit=1_000)
    outlook = parts.outlook()
    assert not outlook.holds(alarm, False)
    parts.free = 10 << 20
    assert not outlook.holds(alarm, False), "asked a moment ago"
    parts.clock.advance(SPACE_EVERY_MS)
    outlook.holds(alarm, False)
    assert outlook.holds(alarm, False)
    parts.free = OSError()
    parts.clock.advance(SPACE_EVERY_MS)
    outlook.holds(alarm, False)
    assert outlook.holds(alarm, True)
    parts.ledger = ("ok", True)
    assert outlook.holds(alarm, False)


@pytest.mark.parametrize(("state", "untrusted"), [(0, True), (1, True), (2, False), (3, False), (4, True)])
def test_only_a_disciplined_clock_is_trusted(state: int, untrusted: bool) -> None:
    parts = Parts()
    parts.clock.trust = ClockState(state)
    assert parts.outlook().holds(AlarmDefinition("x", "clock_untrusted"), not untrusted) is untrusted


@pytest.mark.parametrize(
    ("evidence", "ledger", "stopped"),
    [
        ("recording", "ok", False), ("slow", "ok", False), ("stopped", "ok", True), ("recording", "read_only", True),
        ("slow", "failed", True),
    ],
)  # fmt: skip
def test_evidence_stops_with_itself_or_with_the_ledger(evidence: str, ledger: str, stopped: bool) -> None:
    parts = Parts(evidence=evidence, ledger=(ledger, False))
    assert parts.outlook().holds(AlarmDefinition("x", "evidence_stopped"), False) is stopped


def test_a_finding_holds_while_the_model_says_that_it_goes_on() -> None:
    parts = Parts(open_of={"m"})
    assert parts.outlook().holds(AlarmDefinition("x", "finding", model="m"), False)
    assert not parts.outlook().holds(AlarmDefinition("x", "finding", model="other"), True)


def test_a_finding_that_nobody_can_tell_of_leaves_its_alarm_as_it_was() -> None:
    parts, alarm = Parts(), AlarmDefinition("x", "finding", model="line")
    outlook = parts.outlook()
    seen = []
    for open_of in (None, {"line"}, None, set(), None):
        parts.open_of = open_of
        seen.append(outlook.holds(alarm, bool(seen and seen[-1])))
    assert seen == [False, True, True, False, False]
