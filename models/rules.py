"""Rules of sensor faults beside the model: stuck, spike, step, range, dropout, frozen counter, clock, late.

Room: ground, models; pure. The judge feeds the rule book with the readings that it feeds the input stream with, and closes it with every
batch. A finding begins once and ends once, however often its sign is seen in between. What every tag of a device shows at once is one
finding, named by the first of them, with their number in the evidence.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from models.finding import Finding, Rule
from models.input_plan import InputPlan, TagInput
from models.natural_limits import CLOCK_MS, MISSING_MS, MISSING_TIMES, Limits
from models.signs import MINUTE_MS, SIGNS, Sign, Signs, devices_of

QUIET_MS: Final = 60_000
"""A finding whose sign is not seen for so long is over."""
JOIN_MS: Final = 30_000
"""Tags of a device that show the same within so long belong to one finding."""
OF_A_DEVICE: Final = frozenset({"clock", "late"})
"""Rules that speak of a device as a whole: while one of its tags shows it, another that does is nothing new."""
SLOW_MS: Final = 30_000
"""Source times that lie so little before the reading come from a slow device, beyond it from a clock that is off."""
LATE_TIMES: Final = 3
"""A device is late when its reports were so often too far apart within a minute; once is chance."""
RULE_OF: Final[dict[str, Rule]] = {
    "step": "step",
    "spike": "spike",
    "same_reports": "stuck",
    "constant_ms": "stuck",
    "missing_ms": "dropout",
    "missing_times": "dropout",
    "late_ms": "late",
    "clock_ms": "clock",
    "source_early_ms": "clock",
    "source_late_ms": "clock",
}
JOINED: Final = frozenset({"missing_ms", "missing_times", "source_early_ms", "source_late_ms"})
"""Signs that all tags of a device show together."""
DEFAULTS: Final = {"missing_ms": MISSING_MS, "missing_times": MISSING_TIMES, "clock_ms": CLOCK_MS}
"""Limits of what needs no learning."""


@dataclass(slots=True)
class _Episode:
    """A finding that is not over: the tags that show it, since when, when it was seen last, and how often."""

    rule: Rule
    tags: list[int]
    since_ms: int
    seen_ms: int
    times: int = 1


class RuleBook:
    """The rules of one plan. After the wall clock was set back the caller begins a new one."""

    def __init__(self, plan: InputPlan, limits: Limits | None = None) -> None:
        """`limits` as `natural_limits` gives them; without, only what needs no learning is found: range, dropout, clock."""
        self._plan, self._devices = plan, devices_of(plan)
        self._bars = {kind: _bars(kind, len(plan.tags), limits or {}) for kind in SIGNS}
        self._told: list[Sign] = []
        self._signs = Signs(plan, self._bars, self._told.append)
        self._ranges = [_range(tag) for tag in plan.tags]
        self._episodes: list[_Episode] = []
        self._late_ms: dict[int, deque[int]] = {}
        self._found: list[Finding] = []
        self._is_anew = False
        """Nothing has been closed since everything was forgotten."""

    def take(self, tag_index: int, time_ms: int, value: float | None, source_ms: int | None = None) -> None:
        """Take a reading, and the source time that it carries if any. None means missing from then on."""
        limits = self._ranges[tag_index]
        if limits is not None and value is not None and not limits[0] <= value <= limits[1]:
            self._see("range", [tag_index], time_ms, time_ms, _evidence(value=value, low=limits[0], high=limits[1]))
        self._signs.take(tag_index, time_ms, value, source_ms)

    def forget(self) -> None:
        """Nothing was read for a while, and nobody knows what was: no silence, step or standstill is reckoned over it.

        Findings go on: a value that stood ends by another value, what was missing by being there, anything else by not being seen for
        a while behind it.
        """
        self._is_anew = True
        self._signs.forget()
        self._late_ms.clear()

    def expect(self, tags: Iterable[int]) -> None:
        """Begin with tags that are known to have dropped out: one that never shows a value would not be at fault."""
        for tag_index in tags:
            self._signs.expect(tag_index)

    def missing(self) -> list[int]:
        """Return the tags that had a value and have none."""
        return [i for i in range(len(self._plan.tags)) if self._signs.is_missing(i)]

    def close(self, until_ms: int) -> list[Finding]:
        """Return what began and what ended, up to `until_ms`."""
        self._signs.close(until_ms)
        if self._is_anew:
            self._is_anew = False
            for episode in self._episodes:
                episode.seen_ms = max(episode.seen_ms, until_ms)
        together: dict[tuple[Rule, int], list[Sign]] = {}
        for sign in self._told:
            if sign.kind in JOINED:
                is_slow = sign.kind == "source_late_ms" and sign.size < SLOW_MS
                rule = "late" if is_slow else RULE_OF[sign.kind]
                together.setdefault((rule, self._devices[sign.tag_index]), []).append(sign)
            else:
                self._judge(sign, until_ms)
        self._told.clear()
        for (rule, _), signs in together.items():
            self._judge_together(rule, signs, until_ms)
        self._end(until_ms)
        found, self._found = self._found, []
        return found

    def _judge(self, sign: Sign, until_ms: int) -> None:
        i, rule = sign.tag_index, RULE_OF[sign.kind]
        if rule == "late" and not self._is_often(sign):
            return
        if rule == "stuck":
            if not self._signs.is_constant(i, sign.at_ms):
                return  # it has moved again within this batch
            rule = "frozen_counter" if self._plan.tags[i].role == "counter" else "stuck"
        bar = self._bars["step" if sign.kind == "spike" else sign.kind][i]
        self._see(rule, [i], sign.at_ms, until_ms, _evidence(before=sign.before, value=sign.value, size=sign.size, limit=bar))

    def _judge_together(self, rule: Rule, signs: list[Sign], until_ms: int) -> None:
        """Look at what tags of one device show at the same close: what is new of it is one finding."""
        new: dict[int, Sign] = {}
        for sign in sorted(signs, key=lambda s: s.tag_index):
            if self._goes_on(rule, sign.tag_index, until_ms) is None:
                new.setdefault(sign.tag_index, sign)
        if not new:
            return
        first, tags = min(new.values(), key=lambda s: (s.at_ms, s.tag_index)), sorted(new)
        for episode in self._episodes:
            near = episode.rule == rule and self._devices[episode.tags[0]] == self._devices[tags[0]]
            if near and (rule in OF_A_DEVICE or abs(first.at_ms - episode.since_ms) <= JOIN_MS):
                episode.tags += tags
                return
        tags = [first.tag_index, *(i for i in tags if i != first.tag_index)]
        evidence = _evidence(size=first.size, limit=self._bars[first.kind][first.tag_index], tags=len(tags))
        self._see(rule, tags, first.at_ms, until_ms, evidence)

    def _is_often(self, sign: Sign) -> bool:
        late = self._late_ms.setdefault(sign.tag_index, deque(maxlen=LATE_TIMES))
        late.append(sign.at_ms)
        return len(late) == LATE_TIMES and late[-1] - late[0] <= MINUTE_MS

    def _goes_on(self, rule: Rule, tag_index: int, seen_ms: int) -> _Episode | None:
        for episode in self._episodes:
            if episode.rule == rule and tag_index in episode.tags:
                episode.seen_ms = max(episode.seen_ms, seen_ms)
                episode.times += 1
                return episode
        return None

    def _see(self, rule: Rule, tags: list[int], since_ms: int, at_ms: int, evidence: dict[str, float]) -> None:
        """Begin a finding, or note that one goes on. It is named by the first of its tags."""
        if self._goes_on(rule, tags[0], at_ms) is None:
            self._episodes.append(_Episode(rule, tags, since_ms, at_ms))
            self._found.append(Finding(rule, self._plan.tags[tags[0]].uid, "onset", since_ms, at_ms, evidence))

    def _end(self, until_ms: int) -> None:
        """End what is over."""
        going: list[_Episode] = []
        for episode in self._episodes:
            if self._is_over(episode, until_ms):
                evidence = _evidence(lasted_ms=until_ms - episode.since_ms, times=episode.times)
                uid = self._plan.tags[episode.tags[0]].uid
                self._found.append(Finding(episode.rule, uid, "end", episode.since_ms, until_ms, evidence))
            else:
                going.append(episode)
        self._episodes = going

    def _is_over(self, episode: _Episode, until_ms: int) -> bool:
        if episode.rule in {"stuck", "frozen_counter"}:
            return not self._signs.still_stands(episode.tags[0], episode.since_ms)
        if episode.rule == "dropout" and any(self._signs.is_missing(i) for i in episode.tags):
            episode.seen_ms = until_ms
        return until_ms - episode.seen_ms > QUIET_MS


def _range(tag: TagInput) -> tuple[float, float] | None:
    if tag.role != "level" or (tag.low is None and tag.high is None):
        return None
    return (-math.inf if tag.low is None else tag.low, math.inf if tag.high is None else tag.high)


def _evidence(**numbers: float | None) -> dict[str, float]:
    """Return what is a number of it."""
    return {name: number for name, number in numbers.items() if number is not None and math.isfinite(number)}


def _bars(kind: str, tags: int, limits: Limits) -> list[float]:
    default = DEFAULTS.get(kind, math.inf)
    given = limits.get("step" if kind == "spike" else kind)
    return [default] * tags if given is None else [math.inf if bar is None else bar for bar in given]
