"""The faults that can be switched on by name, and what each does to a device's values, clock and connection.

Room: ground, sim board. `control.py` switches them, `servers.py` asks what is in force. It sleeps nowhere and opens
nothing; time comes in as a parameter.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from boards.sim.filler import Signal

Parameter = float | str


@dataclass(frozen=True, slots=True)
class Kind:
    """One fault: what it does, its parameters with their usual values, and the devices that have it."""

    text: str
    parameters: Mapping[str, Parameter]
    devices: tuple[str, ...] = ("filler", "meter", "capper")


DEFAULT_TAG: Final = {"filler": "product_temperature", "meter": "power_l2", "capper": "torque_mean"}
"""The signal that stuck_tag and drift take when none is named."""

KINDS: Final = {
    "stuck_tag": Kind("one signal keeps the value it had", {"tag": ""}),
    "drift": Kind("one signal runs away from the truth, in its unit per minute of plant time", {"tag": "", "per_min": 0.5}),
    "dropout": Kind("a share of requests gets no answer; on OPC UA the connection breaks instead", {"share": 0.3}),
    "dead_device": Kind("no connection is accepted, open ones fall silent", {}),
    "slow_device": Kind("every answer comes late", {"delay_s": 3.0}),
    "reboot": Kind("connections break, what is not retentive is lost, and the device comes back", {"back_after_s": 5.0}),
    "clock_step": Kind("the device's own clock jumps", {"by_s": 3600.0}, ("filler", "capper")),
}


class FaultError(Exception):
    """A fault was named that cannot be; the text says which ones can."""


@dataclass(slots=True)
class Active:
    """A fault in force, with its parameters; `since_s` is plant time, `held` the value that stuck."""

    parameters: dict[str, Parameter]
    since_s: float
    held: Signal | None = None
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Link:
    """What the faults in force mean for a device's port."""

    dead: bool = False
    delay_s: float = 0.0
    lost_share: float = 0.0


@dataclass(slots=True)
class Faults:
    """The faults of one device. `signals` are the names that stuck_tag and drift may take."""

    device: str
    signals: frozenset[str]
    seed: int
    active: dict[str, Active] = field(default_factory=dict)
    _rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """Make the dice of `dropout`: apart from the plant's, so that faults never change the physics."""
        self._rng = random.Random(f"{self.seed} faults {self.device}")

    def switch(self, name: str, on: bool, now_s: float, parameters: Mapping[str, object] | None = None) -> None:
        """Switch a fault on (again: with new parameters) or off. Raises FaultError; then nothing has changed."""
        kind = KINDS.get(name)
        if kind is None or self.device not in kind.devices:
            known = ", ".join(n for n, k in KINDS.items() if self.device in k.devices)
            raise FaultError(f"{self.device} has no fault {name!r}; it has: {known}")
        if not on:
            self.active.pop(name, None)
            return
        self.active[name] = Active(self._checked(name, kind, dict(parameters or {})), now_s)

    def link(self) -> Link:
        """Return what holds for the port now."""
        slow, lossy = self.active.get("slow_device"), self.active.get("dropout")
        return Link(
            dead="dead_device" in self.active or "reboot" in self.active,
            delay_s=float(slow.parameters["delay_s"]) if slow else 0.0,
            lost_share=float(lossy.parameters["share"]) if lossy else 0.0,
        )

    def loses(self) -> bool:
        """Throw the dice of `dropout` for one request."""
        share = self.link().lost_share
        return share > 0 and self._rng.random() < share

    def clock_offset_s(self) -> float:
        """Return how far the device's own clock is off."""
        step = self.active.get("clock_step")
        return float(step.parameters["by_s"]) if step else 0.0

    def alter(self, shown: dict[str, Signal | None], now_s: float) -> None:
        """Change the values that the device shows; the plant behind them goes on untouched."""
        drift = self.active.get("drift")
        if drift is not None:
            tag = str(drift.parameters["tag"])
            true = shown[tag]
            if isinstance(true, int | float) and not isinstance(true, bool):
                moved = true + float(drift.parameters["per_min"]) * (now_s - drift.since_s) / 60
                shown[tag] = round(moved) if isinstance(true, int) else moved
        stuck = self.active.get("stuck_tag")
        if stuck is not None:
            tag = str(stuck.parameters["tag"])
            if not stuck.is_held:
                stuck.held, stuck.is_held = shown[tag], True
            shown[tag] = stuck.held

    def _checked(self, name: str, kind: Kind, given: dict[str, object]) -> dict[str, Parameter]:
        unknown = given.keys() - kind.parameters.keys()
        if unknown:
            raise FaultError(f"{name} has no parameter {sorted(unknown)}; it has: {sorted(kind.parameters) or 'none'}")
        made: dict[str, Parameter] = dict(kind.parameters)
        if "tag" in made:
            made["tag"] = DEFAULT_TAG[self.device]
        for key, value in given.items():
            if key == "tag":
                if value not in self.signals:
                    raise FaultError(f"{self.device} has no signal {value!r}; it has: {', '.join(sorted(self.signals))}")
                made[key] = str(value)
            else:
                made[key] = _number(name, key, value)
        return made


def _number(name: str, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > 1e9:
        raise FaultError(f"{name}: {key} is a number, not {value!r}")
    if key not in {"by_s", "per_min"} and value < 0:
        raise FaultError(f"{name}: {key} cannot be negative, not {value!r}")
    return float(value)
