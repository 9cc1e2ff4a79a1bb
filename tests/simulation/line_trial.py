"""The trial of a model on the sim line: normal operation is learned, then faults are switched on one after another, and found or not.

Room: tests and benchmarks. `Trial` is entered on a virtual clock; everything random comes from its seed.

    async with trial(clock, seed, learn_s=7200) as line:
        await line.normal(3600)                     # -> what was found though nothing was wrong
        await line.fault(Fault("filler", "stuck_tag", {}, "product_temperature"), 600)
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from boards.sim.faults import DEFAULT_TAG, KINDS
from models.commission import Learned
from models.input_plan import InputPlan
from tests.simulation.line_judge import KINDS as MODEL_KINDS
from tests.simulation.line_judge import Found, LineJudge, learned, line_plan
from tests.simulation.line_samples import SEAL_MS, Batch, LineRecording, recording
from tests.simulation.loop import VirtualClock

WARM_S: Final = 900.0
"""Until a line that was just started is as warm as it will be."""
LEARN_S_MAX: Final = 8 * 3600.0
STEP_S: Final = 30.0
SETTLED_S: Final = 780.0
"""After a fault: gates and windows are open again, and the rules have ended what they began."""
FORGOTTEN_S: Final = 1_860.0
"""After a long fault of a tag: slow means have forgotten it."""
LONG_S: Final = 300.0
LOOKED_BACK: Final = 480
"""Batches that the judge reads before it counts: slow means need half an hour."""
OF_A_TAG: Final = ("stuck_tag", "drift")
SIGNAL_OF: Final = {"bottles_total": "bottles_total", "product_total": "product_ml_total", "power_factor": "power_factor_total"}
"""Tag of the configuration -> signal of the board, where they differ."""
PHASES: Final = ("_l1", "_l2", "_l3")
COLUMN: Final = {"bowl_level", "head_pressure"}
NEVER_MOVES: Final = frozenset({"fill_speed", "speed"})
"""Tags that stand for longer than anybody would wait: stuck or not cannot be told."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A named fault to switch on. `tag` is the one that must be named first, empty where any tag of the device is right."""

    device: str
    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    tag: str = ""

    def is_right(self, found: Found) -> bool:
        """Whether a finding names what is at fault."""
        return found.tag == f"{self.device}/{self.tag}" if self.tag else found.tag.startswith(f"{self.device}/")

    def is_near(self, found: Found) -> bool:
        """Whether it names that, or what nothing but it tells: volts, amperes and watts of a phase; the level and the pressure under it."""
        phase, names = self.tag[-3:], {self.tag, found.tag.rpartition("/")[2]}
        alike = names == COLUMN or (phase in PHASES and found.tag.endswith(phase))
        return self.is_right(found) or (alike and found.tag.startswith(f"{self.device}/"))


@dataclass(slots=True)
class Outcome:
    """What became of one fault. `delay_s` of the first finding; None: not found in time. `all` is everything that began meanwhile."""

    fault: Fault
    delay_s: float | None
    first: Found | None
    all: list[Found]
    began_ms: int

    @property
    def is_right(self) -> bool:
        """Whether it was found and the first finding names it."""
        return self.first is not None and self.fault.is_right(self.first)

    @property
    def is_near(self) -> bool:
        """Whether it was found and the first finding names it or what it follows from."""
        return self.first is not None and self.fault.is_near(self.first)

    def told(self) -> str:
        """Return it in a line."""
        fault = self.fault
        what = (
            f"{fault.device} {fault.name}" + (f" {fault.tag}" if fault.tag else "") + (f" {fault.parameters}" if fault.parameters else "")
        )
        if self.first is None:
            return f"{what}: not found"
        return f"{what}: {self.first.rule} names {self.first.tag} after {self.delay_s:.0f} s"


def named_faults() -> list[Fault]:
    """Return each named fault on each device that has it, as the board has it where nothing is said."""
    return [
        Fault(device, name, {}, DEFAULT_TAG[device] if name in OF_A_TAG else "") for name, kind in KINDS.items() for device in kind.devices
    ]


def is_slow(fault: Fault) -> bool:
    """Whether a fault takes hours to be told from normal: half a watt a minute on a phase of eight kilowatts."""
    return (fault.device, fault.name) == ("meter", "drift")


def other_tags(plan: InputPlan, dice: Random, count: int) -> list[Fault]:
    """Return stuck tags of others than the usual ones, by the dice."""
    tags = [tag for tag in plan.tags if tag.role == "level" and tag.name.rpartition("/")[2] not in {*DEFAULT_TAG.values(), *NEVER_MOVES}]
    found = []
    for tag in dice.sample(tags, count):
        device, _, name = tag.name.partition("/")
        found.append(Fault(device, "stuck_tag", {"tag": SIGNAL_OF.get(name, name)}, name))
    return found


class Trial:
    """A line whose model is armed. `model` is what was learned."""

    def __init__(self, made: LineRecording, clock: VirtualClock, model: Learned, before: list[Batch]) -> None:
        """`before`: what came last, which the judge reads its way in with."""
        self._made, self._clock, self.model = made, clock, model
        self._judge = LineJudge(model.manifest, model.model, made)
        self.found_before = [found for batch in before for found in self._judge.take(batch)]
        """What was found in what was learned from."""

    async def normal(self, seconds: float) -> list[Found]:
        """Let time pass without a fault; return the false alarms."""
        return [found for batch in await self._made.batches(seconds) for found in self._judge.take(batch)]

    async def fault(self, fault: Fault, within_s: float, *, whole: bool = False) -> Outcome:
        """Switch a fault on until it is found (`whole`: until the time is over), then off, and let the line come to rest."""
        began_ms, found = self._clock.wall_ms(), list[Found]()
        self._made.line.switch(fault.device, fault.name, on=True, parameters=fault.parameters)
        while self._clock.wall_ms() - began_ms < within_s * 1000 and (whole or not found):
            found += await self.normal(STEP_S)
        self._made.line.switch(fault.device, fault.name, on=False)
        found.sort(key=lambda each: each.at_ms)
        was_long = fault.tag and self._clock.wall_ms() - began_ms > LONG_S * 1000
        await self.normal(FORGOTTEN_S if was_long else SETTLED_S)
        while self._judge.alarming:
            await self.normal(STEP_S)
        first = found[0] if found else None
        return Outcome(fault, None if first is None else (first.at_ms - began_ms) / 1000, first, found, began_ms)


@asynccontextmanager
async def trial(clock: VirtualClock, seed: int, learn_s: float, kinds: tuple[str, ...] = MODEL_KINDS) -> AsyncIterator[Trial]:
    """Run a line, learn what it does for a while, and go on with the model armed.

    As a technician would: while arming is refused because more of normal operation is wanted, that much more is recorded. Raises
    CannotLearnError, and AssertionError when it will not be armed after LEARN_S_MAX.
    """
    async with recording(clock, seed) as made:
        await made.batches(WARM_S)
        batches = await made.batches(learn_s)
        model = learned(line_plan(), batches, kinds)
        while (refusal := model.manifest.refusal_to_arm()) is not None:
            assert len(batches) * SEAL_MS < LEARN_S_MAX * 1000, f"seed {seed}: {refusal}"
            batches += await made.batches(max(600, model.manifest.coverage.rows_wanted))
            model = learned(line_plan(), batches, kinds)
        yield Trial(made, clock, model, batches[-LOOKED_BACK:])
