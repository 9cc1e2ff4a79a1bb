"""Rules of sensor faults: each finds its fault with the right tag, once; none finds anything in the readings it was learned from.

Room: tests. Readings are made up as a gateway reports them: on change, at the latest every heartbeat.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.finding import RULES, Finding
from models.gate_watch import GateWatch
from models.input_plan import Gate, InputPlan, TagInput
from models.natural_limits import natural_limits
from models.rules import RuleBook

Reading = tuple[int, int, float | None, int | None]
START_MS = 1_700_000_000_000
HEARTBEAT_MS = 10_000
HOLD_MS = 25_000

PLAN = InputPlan(
    tags=(
        TagInput(10, "filler/pressure", "bar", hold_ms=HOLD_MS, low=0.0, high=10.0),
        TagInput(11, "filler/temperature", "Cel", hold_ms=HOLD_MS),
        TagInput(12, "filler/made", "1", "counter", hold_ms=HOLD_MS, counter_max=65535.0),
        TagInput(13, "filler/clock", "s", "clock", hold_ms=HOLD_MS),
        TagInput(14, "filler/state", "", "state", hold_ms=HOLD_MS),
        TagInput(20, "capper/torque", "N.m", hold_ms=HOLD_MS),
        TagInput(21, "capper/setpoint", "N.m", hold_ms=HOLD_MS),
    ),
    gates=(Gate(14, (6.0,), settle_ms=5000),),
    window=10,
)


def plant(seed: int, seconds: int, fault: Callable[[int, int, float], float | None] = lambda tag, s, value: value) -> list[Reading]:
    """Readings of a plant in order of time, as reported. It stands still for a minute in ten. `fault` alters what devices show."""
    dice = random.Random(seed)
    temperature, made, last = 70.0, 65_300.0, dict[int, tuple[int, float | None]]()
    found: list[Reading] = []
    for s in range(seconds):
        runs = s % 600 < 540
        temperature += dice.gauss(0, 0.02) + 0.001 * (70 - temperature)
        made = (made + (dice.random() < 0.7)) % 65_536 if runs else made
        shown = (
            5 + dice.gauss(0, 0.1) if runs else 0.0,
            round(temperature, 1),
            made,
            float(START_MS // 1000 + s),
            6.0 if runs else 2.0,
            3 + dice.gauss(0, 0.2) if runs else 0.0,
            90.0,
        )
        for tag, value in enumerate(shown):
            now_ms = START_MS + 1000 * s + (300 if tag >= 5 else 0) + (700 if tag == 4 else 0)
            altered = fault(tag, s, value)
            known_ms, known = last.get(tag, (0, None))
            if altered != known or (altered is not None and now_ms - known_ms >= HEARTBEAT_MS):
                last[tag] = now_ms, altered
                found.append((tag, now_ms, altered, now_ms - 80 if tag == 5 else None))
    return sorted(found, key=lambda r: r[1])


def learned(readings: list[Reading], plan: InputPlan = PLAN) -> dict[str, list[float | None]]:
    tags, times, values, sources = zip(*readings, strict=True) if readings else ((), (), (), ())
    numbers = np.array([math.nan if v is None else v for v in values], np.float64)
    return natural_limits(plan, np.array(tags, np.int64), np.array(times, np.int64), numbers, sources)


def findings(readings: list[Reading], limits, plan: InputPlan = PLAN, batch_ms: int = 5000) -> list[Finding]:
    book, told = RuleBook(plan, limits), list[Finding]()
    close_ms = None
    for tag, time_ms, value, source_ms in readings:
        while close_ms is not None and time_ms > close_ms:
            told += book.close(close_ms)
            close_ms += batch_ms
        close_ms = close_ms or time_ms + batch_ms
        book.take(tag, time_ms, value, source_ms)
    return told + (book.close(close_ms) if close_ms else [])


NORMAL = plant(1, 7200)
LIMITS = learned(NORMAL)


def test_nothing_is_found_in_what_was_learned_from() -> None:
    assert findings(NORMAL, LIMITS) == []


@pytest.mark.parametrize("seed", range(2, 8))
def test_nothing_is_found_in_other_normal_hours(seed: int) -> None:
    assert findings(plant(seed, 7200), LIMITS) == []


def made_up(seed: int, length: int) -> list[Reading]:
    dice, time_ms = random.Random(seed), START_MS
    found: list[Reading] = []
    for _ in range(length):
        time_ms += dice.choice((0, dice.randrange(3000), dice.randrange(3000), dice.randrange(90_000)))
        value = dice.choice((None, 6.0, 6.0, 6.0, 2.0, 0.0, 9.5, dice.uniform(0, 10)))
        found.append((dice.randrange(7), time_ms, value, dice.choice((None, time_ms - 50))))
    return found


def anything() -> st.SearchStrategy[list[Reading]]:
    """Readings that make no sense."""
    return st.builds(made_up, st.integers(0, 2**32), st.integers(0, 120))


@settings(max_examples=settings.default.max_examples // 2)
@given(anything(), st.sampled_from((1000, 5000, 7000)))
def test_nothing_learned_is_found_in_what_it_was_learned_from_whatever_that_was(readings: list[Reading], batch_ms: int) -> None:
    assert [f.rule for f in findings(readings, learned(readings), batch_ms=batch_ms)] == []


@settings(max_examples=settings.default.max_examples // 2)
@given(anything(), st.booleans())
def test_findings_begin_and_end_in_turn(readings: list[Reading], known: bool) -> None:
    told = findings(readings, LIMITS if known else None)
    open_: set[tuple[str, int]] = set()
    for finding in told:
        key = (finding.rule, finding.tag)
        assert finding.rule in RULES
        assert finding.since_ms <= finding.at_ms
        assert all(isinstance(number, int | float) and math.isfinite(number) for number in finding.evidence.values())
        assert (key in open_) == (finding.phase == "end")
        open_ ^= {key}


# ---------------------------------------------------------------------------------------------------------------- fault by fault
AT_S = 1000  # of a plant that has run for 400 s since it stood still


def spoiled(change: Callable[[int, int, float], float | None], seconds: int = 1150) -> list[Finding]:
    """Findings in a plant of another seed with a fault in it; that plant without it is silent (asserted above)."""
    return findings(plant(3, seconds, change), LIMITS)


def onset(told: list[Finding], rule: str, tag: int) -> Finding:
    """The one finding that there is."""
    onsets = [f for f in told if f.phase == "onset"]
    assert [(f.rule, f.tag) for f in onsets] == [(rule, tag)]
    return onsets[0]


def test_stuck() -> None:
    held: dict[int, float] = {}
    told = spoiled(lambda tag, s, v: held.setdefault(tag, v) if tag == 0 and AT_S <= s < 1100 else v)
    found = onset(told, "stuck", 10)
    assert START_MS + 1000 * (AT_S - 1) <= found.since_ms <= START_MS + 1000 * AT_S
    assert found.at_ms - found.since_ms <= 40_000
    assert found.evidence["size"] > found.evidence["limit"]
    assert found.evidence["value"] == held[0]
    assert [(f.rule, f.tag, f.evidence["lasted_ms"] >= 99_000) for f in told if f.phase == "end"] == [("stuck", 10, True)]


def test_a_setpoint_that_never_moves_is_not_stuck() -> None:
    assert LIMITS["constant_ms"][6] is None
    assert LIMITS["step"][6] is None


def test_frozen_counter() -> None:
    told = spoiled(lambda tag, s, v: 321.0 if tag == 2 and s >= AT_S else v)
    assert onset([f for f in told if f.rule != "step"], "frozen_counter", 12).evidence["value"] == 321.0


def test_a_machine_that_stands_is_no_fault() -> None:
    assert spoiled(lambda tag, s, v: {0: 0.0, 2: 500.0, 4: 2.0, 5: 0.0}.get(tag, v) if s >= AT_S else v) == []


def test_a_gate_that_is_lost_for_a_moment_needs_no_settling() -> None:
    gates = GateWatch(PLAN)
    gates.take(4, 0, 6.0)
    assert (gates.is_open(14_999), gates.is_open(15_000)) == (False, True)
    gates.take(4, 20_000, None)
    assert not gates.is_open(21_000)
    gates.take(4, 22_000, 6.0)
    assert (gates.is_open(31_999), gates.is_open(32_000)) == (False, True)
    gates.take(4, 40_000, 2.0)
    gates.take(4, 50_000, 6.0)
    assert (gates.is_open(64_999), gates.is_open(65_000)) == (False, True)
    assert (gates.shut_between(39_000, 41_000), gates.shut_between(41_000, 70_000)) == (True, False)


def test_spike() -> None:
    told = spoiled(lambda tag, s, v: v + 2 if tag == 0 and s == AT_S else v)
    found = onset(told, "spike", 10)
    assert found.since_ms == START_MS + 1000 * AT_S
    assert found.evidence["value"] - found.evidence["before"] == pytest.approx(2, abs=1)
    assert [f.phase for f in told] == ["onset", "end"]


def test_step() -> None:
    found = onset(spoiled(lambda tag, s, v: v + 2 if tag == 1 and s >= AT_S else v), "step", 11)
    assert found.since_ms == START_MS + 1000 * AT_S


def test_many_spikes_are_one_finding() -> None:
    told = spoiled(lambda tag, s, v: v + 2 if tag == 0 and s >= AT_S and s % 7 == 0 and s < 1060 else v)
    onset(told, "spike", 10)
    assert told[-1].evidence["times"] >= 8


def test_range() -> None:
    told = findings(plant(3, 1150, lambda tag, s, v: 10.5 if tag == 0 and s == AT_S else v), None)
    found = onset(told, "range", 10)
    assert found.at_ms == START_MS + 1000 * AT_S
    assert found.evidence == {"value": 10.5, "low": 0.0, "high": 10.0}
    assert told[-1].phase == "end"


def test_dropout_of_one_tag() -> None:
    told = spoiled(lambda tag, s, v: None if tag == 1 and AT_S <= s < 1030 else v)
    found = onset(told, "dropout", 11)
    assert found.since_ms == START_MS + 1000 * AT_S
    assert found.at_ms - found.since_ms <= 8000
    assert [f.phase for f in told] == ["onset", "end"]


def test_dropout_of_a_device_is_one_finding() -> None:
    found = onset(spoiled(lambda tag, s, v: None if tag >= 5 and s >= AT_S else v), "dropout", 20)
    assert found.evidence["tags"] == 2


def test_silence_ends_a_hold() -> None:
    readings = [r for r in plant(3, 1150) if r[0] != 1 or r[1] < START_MS + 1000 * AT_S]
    found = onset(findings(readings, LIMITS), "dropout", 11)
    assert 0 <= found.since_ms - (START_MS + 1000 * AT_S) - (HOLD_MS - HEARTBEAT_MS) <= HEARTBEAT_MS


def test_requests_that_are_lost_again_and_again() -> None:
    """A second without an answer is nothing; every third one is."""
    assert spoiled(lambda tag, s, v: None if tag < 5 and s == AT_S else v) == []
    told = spoiled(lambda tag, s, v: None if tag < 5 and s >= AT_S and s % 3 == 0 else v)
    found = [f for f in told if f.phase == "onset"]
    assert [(f.rule, f.tag) for f in found] == [("dropout", 10)]
    assert found[0].evidence["tags"] >= 4


@pytest.mark.parametrize("by_s", [3600, -3600, 30])
def test_a_clock_that_jumps(by_s: int) -> None:
    told = spoiled(lambda tag, s, v: v + by_s if tag == 3 and s >= AT_S else v)
    assert onset(told, "clock", 13).evidence["value"] == pytest.approx(by_s * 1000, abs=1500)


def test_an_uptime_that_goes_back() -> None:
    plan = InputPlan(tags=(TagInput(1, "plc/uptime", "s", "uptime"), TagInput(2, "plc/x")))
    readings: list[Reading] = [(0, START_MS + 1000 * s, float(s + 5000 if s < 60 else s - 60), None) for s in range(90)]
    assert onset(findings(readings, None, plan), "clock", 1).evidence["value"] < -5_000_000


def test_a_clock_that_stands() -> None:
    told = spoiled(lambda tag, s, v: min(v, START_MS / 1000 + AT_S) if tag == 3 else v)
    assert onset(told, "clock", 13).evidence["value"] == pytest.approx(-HEARTBEAT_MS, abs=1500)


@pytest.mark.parametrize(("counter_max", "rules"), [(2.0**32 - 1, []), (None, ["clock"])])
def test_an_uptime_that_rolls_over_is_no_restart(counter_max: float | None, rules: list[str]) -> None:
    plan = InputPlan(tags=(TagInput(1, "plc/uptime", "ms", "uptime", counter_max=counter_max), TagInput(2, "plc/x")))
    readings: list[Reading] = [(0, START_MS + 1000 * s, float((2**32 - 30_000 + 1000 * s) % 2**32), None) for s in range(90)]
    assert [f.rule for f in findings(readings, None, plan) if f.phase == "onset"] == rules


def test_source_times_that_jump() -> None:
    readings = [(t, at, v, s - 3_600_000 if s and at > START_MS + 1000 * AT_S else s) for t, at, v, s in plant(3, 1150)]
    assert onset(findings(readings, LIMITS), "clock", 20).evidence["size"] > 3_000_000
    ahead = [(t, at, v, s + 3_600_000 if s and at > START_MS + 1000 * AT_S else s) for t, at, v, s in plant(3, 1150)]
    assert onset(findings(ahead, LIMITS), "clock", 20).evidence["size"] > 3_000_000


def test_source_times_that_are_a_little_old_come_from_a_slow_device() -> None:
    readings = [(t, at, v, s - 5000 if s and at > START_MS + 1000 * AT_S else s) for t, at, v, s in plant(3, 1150)]
    assert onset(findings(readings, LIMITS), "late", 20).evidence["size"] == pytest.approx(5080)


def test_a_device_that_becomes_slow() -> None:
    """Every reading of the capper comes in steps of five seconds."""
    held: dict[int, float] = {}

    def slow(tag: int, s: int, value: float) -> float:
        if tag < 5 or s < AT_S:
            return value
        if s % 5 == 0:
            held[tag] = value
        return held.get(tag, value)

    onset(spoiled(slow), "late", 20)


@pytest.mark.parametrize("away", [(1_000, 1_600), (300, 3_000)])
def test_limits_are_those_of_what_was_seen_and_not_of_what_was_cut_out(away: tuple[int, int]) -> None:
    """Half an hour that nobody looked at is no silence: a limit that long would find no dropout ever again."""
    lived = plant(8, 3600)
    seen = [each for each in lived if not START_MS + 1000 * away[0] <= each[1] < START_MS + 1000 * away[1]]
    tags, times, values, sources = zip(*seen, strict=True)
    columns = np.array(tags, np.int64), np.array(times, np.int64), np.array([math.nan if v is None else v for v in values]), sources
    whole = natural_limits(PLAN, *columns)
    cut = natural_limits(PLAN, *columns, [START_MS + 1000 * away[1]])
    assert max(filter(None, whole["missing_ms"])) > 100_000
    assert set(cut["missing_ms"]) == {3000.0}
    assert all(a is None or b is None or a <= b for kind in cut for a, b in zip(cut[kind], whole[kind], strict=True))
