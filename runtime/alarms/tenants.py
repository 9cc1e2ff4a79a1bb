"""The door's tenants for alarms: acknowledge, reset, shelve, take out of service, and try whom they call.

Room: hall, alarms. `app` gives them to the door, which has checked who asks and records intent and outcome. They know no face. What an act
means nothing to (an alarm that somebody else has acknowledged meanwhile) is counted, and is no fault.
"""

from __future__ import annotations

from typing import Final, Protocol

from runtime.acts import Act, Outcome
from runtime.alarms.engine import AlarmEngine, Who
from runtime.alarms.machine import Event, Plain, Service
from runtime.alarms.notifier import Notifier
from runtime.door_tenants import DONE
from runtime.faces.feed import RequestRefusedError

NAMES_MAX: Final = 5_000
NOTE_MAX: Final = 500
SHELF_MS_MIN: Final = 60_000


class Tenant(Protocol):
    """See `runtime.door.Tenant`."""

    async def check(self, act: Act) -> None:
        """Refuse what cannot be done. Raises RequestRefusedError."""
        ...

    async def perform(self, act: Act) -> Outcome:
        """Do it."""
        ...


class AlarmAct:
    """Target: one alarm; or none, and param `names`, one a line. Param `seen_ms`: what was raised later stays as it is."""

    def __init__(self, engine: AlarmEngine, event: Event) -> None:
        self._engine, self._event = engine, event

    async def check(self, act: Act) -> None:
        """See Tenant. Out of service needs a reason, as the shelf does."""
        if self._event == Service(out=True) and not act.reason.strip():
            raise RequestRefusedError("alarm_reason_missing")
        names_of(self._engine, act)

    async def perform(self, act: Act) -> Outcome:
        """See Tenant."""
        seen = act.params.get("seen_ms")
        names = names_of(self._engine, act)
        return _outcome(self._engine.do(names, self._event, who_of(act), seen if type(seen) is int else None))


class ShelveAct:
    """`alarm.shelve`: as AlarmAct, with param `minutes`; a reason is required, and no alarm goes on the shelf for longer than it may."""

    def __init__(self, engine: AlarmEngine) -> None:
        self._engine = engine

    async def check(self, act: Act) -> None:
        """See Tenant."""
        self._for_ms(act)

    async def perform(self, act: Act) -> Outcome:
        """See Tenant."""
        return _outcome(self._engine.shelve(names_of(self._engine, act), self._for_ms(act), who_of(act)))

    def _for_ms(self, act: Act) -> int:
        if not act.reason.strip():
            raise RequestRefusedError("alarm_reason_missing")
        minutes = act.params.get("minutes")
        if isinstance(minutes, bool) or not isinstance(minutes, int | float) or not SHELF_MS_MIN <= minutes * 60_000 < 1 << 40:
            raise RequestRefusedError("alarm_minutes_invalid")
        for_ms = round(minutes * 60_000)
        for name in names_of(self._engine, act):
            most_ms = self._engine.alarms[name].definition.shelve_max_ms
            if for_ms > most_ms:
                raise RequestRefusedError("alarm_shelf_too_long", name=name, hours=round(most_ms / 3_600_000, 2))
        return for_ms


class TestCall:
    """`alarm.test`: let one target of [notify] hear from us. What came of it is shown with the target: a mail server may take its time."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    async def check(self, act: Act) -> None:
        """See Tenant."""
        if act.target not in self._notifier.lanes:
            raise RequestRefusedError("alarm_target_unknown", target=act.target)

    async def perform(self, act: Act) -> Outcome:
        """See Tenant."""
        self._notifier.test(act.target, who_of(act).by)
        return Outcome(DONE, {"target": act.target})


def alarm_tenants(engine: AlarmEngine) -> dict[str, Tenant]:
    """Return the tenants by action."""
    return {
        "alarm.ack": AlarmAct(engine, Plain.ACK),
        "alarm.reset": AlarmAct(engine, Plain.RESET),
        "alarm.shelve": ShelveAct(engine),
        "alarm.unshelve": AlarmAct(engine, Plain.UNSHELVE),
        "alarm.out_of_service": AlarmAct(engine, Service(out=True)),
        "alarm.in_service": AlarmAct(engine, Service(out=False)),
    }


def names_of(engine: AlarmEngine, act: Act) -> list[str]:
    """Return the alarms that an act is about. Raises RequestRefusedError `alarm_unknown`, `alarms_none_named`, `alarms_not_ready`."""
    if not engine.ready:
        raise RequestRefusedError("alarms_not_ready")
    listed = act.params.get("names")
    names = [act.target] if act.target else listed.split("\n") if isinstance(listed, str) else []
    names = [name for name in dict.fromkeys(names) if name]
    if not names or len(names) > NAMES_MAX:
        raise RequestRefusedError("alarms_none_named")
    for name in names:
        if name not in engine.alarms:
            raise RequestRefusedError("alarm_unknown", name=name[:80])
    return names


def who_of(act: Act) -> Who:
    """Return who does it, as the ledger says it."""
    return Who(f"{act.face} {act.session}"[:200], act.reason[:NOTE_MAX], act.id)


def _outcome(counts: tuple[int, int]) -> Outcome:
    changed, skipped = counts
    return Outcome(DONE if changed else "alarm_nothing_to_do", {"changed": changed, "skipped": skipped})
