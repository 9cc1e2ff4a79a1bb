"""The desk: what may be commanded and how it stands, and a command shown to a person before it is confirmed.

Room: hall, commands. The feed's requests that begin with `command` come here; `acts` has what the door does.
Preparing reads from the device and changes nothing, so nothing of it is recorded. It is no safety function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from drivers.reading import Value
from runtime.clock import Clock
from runtime.commands.evaluation import Condition, KnownOf, conditions, distance, is_fresh, require, require_step
from runtime.commands.guard import Guard
from runtime.commands.history import CommandHistory
from runtime.commands.listed import Devices, Point, find_point, listed
from runtime.commands.moves import Moves
from runtime.commands.proposals import Proposals
from runtime.commands.tickets import Ticket, Tickets, same
from runtime.config import Config
from runtime.device_write import Writer, read_now, to_send
from runtime.door import refuse_unless_may
from runtime.faces.feed import RequestRefusedError
from runtime.permissions import Actor
from runtime.setpoint import HIGH, LOW

NONCE_BYTES: Final = 16
ANY_RISK: Final = "command.normal"
"""The permission for what is more than a low risk."""
PREPARE: Final = "command.prepare"
VIEW: Final = "view.values"
Refusal = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Look:
    """How a command stands: the value that is there now, the interlocks, and why it may not be done (None: it may)."""

    old: Value
    conditions: tuple[Condition, ...]
    refusal: Refusal | None

    def require(self) -> None:
        """Raise RequestRefusedError where it may not be done."""
        if self.refusal is not None:
            raise RequestRefusedError(self.refusal[0], **self.refusal[1])


class CommandDesk:
    """`prepare` and `state` for faces; `look` and the tickets for the tenants."""

    def __init__(
        self,
        writer: Writer,
        known: KnownOf,
        config: Callable[[], tuple[int, Config]],
        devices: Callable[[], Devices],
        clock: Clock,
        guard: Guard,
        random: Random,
        self_approval: Callable[[], bool],
        is_gone: Callable[[Actor], bool],
        history: CommandHistory,
        moves: Moves,
    ) -> None:
        """`config` gives the revision in force with its number; `random` is where tickets come from.

        `self_approval`: whether the site lets people approve what they asked for. `is_gone`: whether somebody was shut out.
        """
        self.writer, self.clock, self.guard, self.self_approval = writer, clock, guard, self_approval
        self._history, self._moves = history, moves
        self._known, self._config, self._devices, self._random = known, config, devices, random
        self.recordable: Callable[[], None] = lambda: None
        """Raises RequestRefusedError while no act can be recorded; `app` gives the door's."""
        self.tickets, self.proposals = Tickets(), Proposals(is_gone)
        self.unsure: set[str] = set()
        """Targets whose last write nobody knows the end of: they are read before anything else."""

    @property
    def revision(self) -> int:
        """The number of the configuration in force."""
        return self._config()[0]

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._config()[1]

    def close(self) -> None:
        """Let its thread end."""
        self._history.close()

    def point(self, target: str) -> Point:
        """Return what a target names. Raises as `find_point`."""
        return find_point(self._devices(), target)

    def new_id(self) -> str:
        """Return what nobody can guess."""
        return self._random.randbytes(NONCE_BYTES).hex()

    async def answer(self, actor: Actor, method: str, params: Mapping[str, Any]) -> Any:
        """Answer the feed's requests `commands`, `command.history` and `command.prepare`. Raises RequestRefusedError."""
        if method == "command.prepare":
            return await self.prepare(actor, params)
        refuse_unless_may(actor, VIEW)
        if method == "commands":
            return self.state()
        if method == "command.history":
            return {"acts": await self._history.newest()}
        raise RequestRefusedError("method_unknown", method=method)

    async def prepare(self, actor: Actor, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a command as a person must see it; with a nonce to confirm it where it may be done.

        `params`: `target` (`device/tag`, or `device/method()`), `value` (of a method: a list of its arguments as texts, `int16:5`).
        The `value` of the answer is what is really sent, `asked` what was asked for where that is another. Raises RequestRefusedError
        for what is no command at all, or none for who asks; what only the plant forbids stands in `refusal`.
        """
        target, given = params.get("target"), params.get("value")
        if not isinstance(target, str):
            raise RequestRefusedError("command_shape")
        refuse_unless_may(actor, PREPARE)
        revision, point = self.revision, self.point(target)
        self.require_rank(actor, point)
        value = to_send(self.writer, given, point.tag, point.rules) if point.tag is not None else arguments_of(point, given)
        look = await self.look(point, value)  # takes its time: rules that an edit changes meanwhile are those of a later revision
        nonce, left_ms = None, 0
        if look.refusal is None:
            nonce, left_ms = self.new_id(), round(self.config.commands.confirm_within_s * 1000)
            self.tickets.issue(Ticket(nonce, actor, target, value, look.old, revision, self.clock.mono_ms() + left_ms))
        tag = point.tag
        asked = given if tag is not None and not same(value, given) else None
        return {
            "nonce": nonce, "left_ms": left_ms, "target": target, "value": value, "asked": asked,
            "old": look.old, "revision": revision,
            "unit": tag.unit if tag else "", "type": tag.type if tag else "method", "exponent": tag.exponent if tag else None,
            "risk": point.rules.risk, "second_person": point.rules.risk == HIGH,
            "conditions": [each.plain() for each in look.conditions],
            "refusal": None if look.refusal is None else {"code": look.refusal[0], "params": dict(look.refusal[1])},
        }  # fmt: skip

    def require_rank(self, actor: Actor, point: Point) -> None:
        """Refuse more than a low risk to whom the permission table gives no more, and to programs what was not opened to them.

        Raises RequestRefusedError `permission_denied`, `command_not_for_programs`.
        """
        if actor.kind == "token":
            if not point.rules.programs:
                raise RequestRefusedError("command_not_for_programs", tag=point.target)
            return
        if point.rules.risk != LOW and not actor.may(ANY_RISK):
            raise RequestRefusedError("permission_denied", action=ANY_RISK)

    async def look(self, point: Point, value: Value) -> Look:
        """Return how a command stands now: the present value is read from the device, then every rule is asked."""
        old, refusal = None, None
        try:
            self.guard.check(point.device)
            self.recordable()
            old = await self._present(point)
            self.guard.check(point.device)  # it may have been turned while the device was asked
        except RequestRefusedError as refused:
            refusal = refused.code, refused.params
        found = conditions(point.rules, self._known, self.clock.wall_ms())
        if refusal is None:
            try:
                require(found)
                if point.tag is not None:
                    require_step(value, old, point.rules, self._moves.lately(point.target) if point.rules.max_rate is not None else 0.0)
            except RequestRefusedError as refused:
                refusal = refused.code, refused.params
        return Look(old, found, refusal)

    async def keep_move(self, point: Point, value: Value, old: Value) -> None:
        """Count a setpoint that is about to be moved, where it keeps a rate: durable before it happens.

        Raises RequestRefusedError for what came meanwhile, OSError where it cannot be kept; what was counted stays counted.
        """
        if point.rules.max_rate is None:
            return
        self._moves.note(point.target, distance(value, old))
        await self._moves.keep()
        self.guard.check(point.device)
        require(conditions(point.rules, self._known, self.clock.wall_ms()))

    def state(self) -> dict[str, Any]:
        """Return what may be commanded, what forbids it, and what waits for a second person."""
        now_ms, mono_ms, devices = self.clock.wall_ms(), self.clock.mono_ms(), self._devices()
        return {
            "now_ms": now_ms,
            "writes": self.guard.plain(),
            "points": [self._row(point, devices, now_ms) for point in listed(devices)],
            "waiting": [each.plain(mono_ms) for each in self.proposals.waiting(mono_ms)],
            "unsure": sorted(self.unsure),
            "self_approval": self.self_approval(),
        }

    def health(self) -> dict[str, Any]:
        """Return what every page shows: whether anything may be written, what is read-only, how many wait for a second person."""
        return {**self.guard.plain(), "waiting": len(self.proposals.waiting(self.clock.mono_ms())), "unsure": sorted(self.unsure)[:16]}

    def _row(self, point: Point, devices: Devices, now_ms: int) -> dict[str, Any]:
        rules, tag, found = point.rules, point.tag, self._known(point.target) if point.tag is not None else None
        cause = None
        try:
            self.guard.check(point.device)
        except RequestRefusedError as refused:
            cause = refused.code
        return {
            "target": point.target, "device": point.device, "asset": devices[point.device].config.asset,
            "uid": tag.uid if tag else None, "type": tag.type if tag else "method", "unit": tag.unit if tag else "",
            "exponent": tag.exponent if tag else None, "arguments": list(point.method.arguments) if point.method else [],
            "risk": rules.risk, "approvers": list(rules.approvers), "min": rules.low, "max": rules.high, "max_step": rules.max_step,
            "max_rate": rules.max_rate, "cause": cause,
            "value": found.value if found else None, "good": bool(found and is_fresh(found, rules.known_for_ms, now_ms)),
            "age_ms": None if found is None or found.read_ms is None else now_ms - found.read_ms,
            "conditions": [each.plain() for each in conditions(rules, self._known, now_ms)],
        }  # fmt: skip

    async def _present(self, point: Point) -> Value:
        """Return the value that is there now: read from the device, else the newest one where that is good and fresh.

        Raises RequestRefusedError `command_value_not_known`. After a write of unknown end only what is read now will do.
        """
        if point.tag is None:
            return None
        is_good, value = await read_now(self.writer, point.tag)
        if is_good:
            self.unsure.discard(point.target)
            return value
        newest = self._known(point.target)
        if point.target in self.unsure or newest is None or not is_fresh(newest, point.rules.known_for_ms, self.clock.wall_ms()):
            raise RequestRefusedError("command_value_not_known", tag=point.target)
        return newest.value


def arguments_of(point: Point, given: object) -> Value:
    """Return the arguments of a method as one text. Raises RequestRefusedError `call_shape`, `command_arguments`."""
    assert point.method is not None
    types = point.method.arguments
    if not isinstance(given, list) or len(given) != len(types) or not all(isinstance(each, str) for each in given):
        raise RequestRefusedError("call_shape")
    if any(not each.startswith(f"{kind}:") for each, kind in zip(given, types, strict=True)):
        raise RequestRefusedError("command_arguments", wanted=", ".join(types))
    return ARGUMENTS_BETWEEN.join(given)


ARGUMENTS_BETWEEN: Final = "\n"
"""Between the arguments of a call where they stand as one value."""
