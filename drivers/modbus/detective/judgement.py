"""Which readings fit what was shown, in which order, and whether that settles it.

Room: ground, driver `modbus`; pure. The verb `detect` calls `judge`. It never says `sure` while a second reading fits, while the number has
not changed between two looks, or while chance explains the fit; a reading that is not among the hypotheses cannot be found, only be
contradicted.

How sure: the odds of a reading against "none of them, and the digits agree by chance" are its share of the weight of all hypotheses times
10 to the number of digits that agreed. `sure` asks for 1,000 to 1, after the one reading that fits has followed a change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from drivers.modbus.detective.agreement import agree
from drivers.modbus.detective.display import Shown
from drivers.modbus.detective.hypotheses import Hypothesis, factor_registers, m10k_max, raw_number, stems
from drivers.modbus.detective.mirror import is_mirrored
from drivers.modbus.detective.question import Look, Quantity, Question, Registers
from drivers.modbus.detective.relations import Broken, weigh_relations

_odds_digits: Final = 3.0
_static_in_sunspec: Final = 0.1
"""What a whole number without a power of ten in a register keeps of its weight in a SunSpec map."""
_whole: Final = ("int", "uint", "bcd", "m10k", "signmag")
_same_digit: Final = 9


@dataclass(slots=True)
class Candidate:
    """A reading that fits every look. `values`: of each look at the read that goes best with it; `share` of the weight of all that fit.

    `first`: of each look at its first read that held it, one instant for all quantities, as relations between them need it.
    """

    hypothesis: Hypothesis
    weight: float
    values: tuple[float, ...]
    first: tuple[float, ...]
    every: tuple[float, ...]
    """Its values at all reads of all looks."""
    share: float = 0.0


@dataclass(slots=True)
class Finding:
    """What is known of one quantity.

    `verdict`: `sure`; `likely` (one reading fits, and nothing confirms it yet); `ambiguous`; `none` fits. `doubts` say in which ways the
    readings differ: sign, width, scale, address, order, type; or, when one is left, what is missing: change, digits, relation; or, when
    none fits more than one look, that a look may be wrong: `odd_look` when it is the only one without which something fits (its number,
    from 1), else `looks`.
    """

    quantity: str
    verdict: str
    candidates: list[Candidate]
    doubts: tuple[str, ...] = ()
    broken: list[Broken] = field(default_factory=list)
    odd_look: int | None = None
    same_within: tuple[int, int] | None = None
    """Of the doubt `width`: the steps (first, last) between which the best and another reading that differs so are the same number; of
    several others that of the one which is told apart soonest."""


def judge(question: Question) -> list[Finding]:
    """Return a finding for each quantity, candidates best first."""
    found: dict[str, list[Candidate]] = {}
    totals: dict[str, float] = {}
    for quantity in question.quantities:
        found[quantity.name], totals[quantity.name] = _fitting(question, quantity)
        if is_mirrored(question):
            found[quantity.name] = _of_one_table(found[quantity.name], quantity)
    agree(question, found)
    broken = weigh_relations(question, found)
    findings = []
    for quantity in question.quantities:
        fits = found[quantity.name]
        whole = sum(each.weight for each in fits)
        for each in fits:
            each.share = each.weight / whole
        fits.sort(key=lambda each: -each.weight)
        own = [each for each in broken if quantity.name in each.quantities]
        findings.append(_finding(question, quantity, fits, totals[quantity.name], own) if fits else _none(question, quantity, own))
    return findings


def _none(question: Question, quantity: Quantity, broken: list[Broken]) -> Finding:
    """Return the finding of a quantity that nothing fits: with the look that alone is at odds, where there is one such."""
    shown = [n for n, look in enumerate(question.looks) if quantity.name in look.shown]
    if len(shown) < 2:
        return Finding(quantity.name, "none", [], (), broken)
    odd = _odd_looks(question, quantity) if len(shown) > 2 else set()
    if len(odd) == 1:
        return Finding(quantity.name, "none", [], ("odd_look",), broken, shown[odd.pop()] + 1)
    return Finding(quantity.name, "none", [], ("looks",), broken)


def _odd_looks(question: Question, quantity: Quantity) -> set[int]:
    """Return the looks, counted among those of this quantity, that alone contradict some reading."""
    looks = [(look, look.shown[quantity.name]) for look in question.looks if quantity.name in look.shown]
    of_first, of_second = ({table: _factors(question, table, look) for table, _ in quantity.near} for look, _ in looks[:2])
    odd: set[int] = set()
    for stem in stems(quantity.near):
        raws = [[raw_number(stem.shape, stem.table, stem.start, read) for read in look.reads] for look, _ in looks]
        for power in stem.powers:
            is_far = [n for n, (_, shown) in enumerate(looks) if not _near(raws[n], shown, power)]
            if len(is_far) < 2:
                odd.update(_only_one(stem.by_power(power), looks, raws))
        for hypothesis in stem.by_factors(of_first[stem.table]):
            odd.update(n for n in _only_one(hypothesis, looks, raws) if n)
        for hypothesis in stem.by_factors(of_second[stem.table]):  # without the first look, these are the factors
            odd.update(n for n in _only_one(hypothesis, looks, raws) if n == 0)
    return odd


def _factors(question: Question, table: str, look: Look) -> tuple[int, ...]:
    """Return the addresses that may hold a power of ten, by the first read of a look; none but in a SunSpec map."""
    return factor_registers(table, look.reads[0]) if question.sunspec and look.reads else ()


def _only_one(hypothesis: Hypothesis, looks: list[tuple[Look, Shown]], raws: list[list[float | None]]) -> list[int]:
    """Return the look that contradicts a reading, where it is one and not more."""
    against: list[int] = []
    for n, ((look, shown), raw) in enumerate(zip(looks, raws, strict=True)):
        if not any(shown.fit(_value(hypothesis, each, registers)) for each, registers in zip(raw, look.reads, strict=True)):
            against.append(n)
            if len(against) > 1:
                return []
    return against


def _fitting(question: Question, quantity: Quantity) -> tuple[list[Candidate], float]:
    """Return the readings that fit every look, and the weight of all that were tried."""
    looks = [(look, look.shown[quantity.name]) for look in question.looks if quantity.name in look.shown]
    if not looks or not looks[0][0].reads:
        return [], 1.0
    total, fits = 0.0, []
    factors = {table: _factors(question, table, looks[0][0]) for table, _ in quantity.near}
    for stem in stems(quantity.near):
        raws = [[raw_number(stem.shape, stem.table, stem.start, read) for read in look.reads] for look, _ in looks]
        readable = all(any(raw is not None for raw in each) for each in raws)
        static = _static_in_sunspec if question.sunspec and not stem.shape.is_float else 1.0
        for power, weight in stem.powers.items():
            total += stem.weight * weight * static
            if readable and _near(raws[0], looks[0][1], power):
                fits += _tried(stem.by_power(power), looks, raws, static)
        for hypothesis in stem.by_factors(factors.get(stem.table, ())):
            total += hypothesis.weight
            if readable:
                fits += _tried(hypothesis, looks, raws, 1.0)
    return fits, total


def _of_one_table(fits: list[Candidate], quantity: Quantity) -> list[Candidate]:
    """Leave out what the other table gives too: of two that are one memory the stated one is as right as the other."""
    stated = quantity.near[0][0]
    return [each for each in fits if each.hypothesis.table == stated] or fits


def _near(raws: list[float | None], shown: Shown, power: int) -> bool:
    """Tell roughly whether a fit is possible: most readings need no closer look."""
    slack = 2 * shown.step + abs(shown.value) * 1e-6
    return any(raw is not None and abs(raw * 10.0**power - shown.value) <= slack for raw in raws)


def _tried(hypothesis: Hypothesis, looks: list[tuple[Look, Shown]], raws: list[list[float | None]], share: float) -> list[Candidate]:
    """Return the reading as a candidate, or nothing when a look contradicts it."""
    weight, values, first, every = hypothesis.weight * share, [], [], []
    for (look, shown), raw in zip(looks, raws, strict=True):
        here = [_value(hypothesis, each, registers) for each, registers in zip(raw, look.reads, strict=True)]
        best = max(here, key=shown.fit)
        fit = shown.fit(best)
        if not fit:
            return []
        weight *= fit
        values.append(best)
        first.append(next((value for value in here if math.isfinite(value)), here[0]))
        every += here
    if not hypothesis.shape.is_float and hypothesis.power == -looks[0][1].decimals:
        weight *= 2  # a whole number is mostly shown with all the digits that it has
    return [Candidate(hypothesis, weight, tuple(values), tuple(first), tuple(every))]


def _value(hypothesis: Hypothesis, raw: float | None, registers: Registers) -> float:
    value = None if raw is None else hypothesis.value(raw, registers)
    return math.nan if value is None else value


def _finding(question: Question, quantity: Quantity, fits: list[Candidate], total: float, broken: list[Broken]) -> Finding:
    best = fits[0]
    if len(fits) > 1:
        doubts = dict.fromkeys(_doubt(best, each) for each in fits[1:])
        wide = (same_steps(best.hypothesis, each.hypothesis) for each in fits[1:] if _doubt(best, each) == "width")
        soonest = min(wide, key=lambda steps: steps[1], default=None)
        return Finding(quantity.name, "ambiguous", fits, tuple(doubts), broken, same_within=soonest)
    shown = [look.shown[quantity.name] for look in question.looks if quantity.name in look.shown]
    missing = []
    if len({each.value for each in shown}) < 2 or len(set(best.values)) < 2:
        missing.append("change")
    if agreed_digits(shown) + math.log10(best.hypothesis.weight / total) < _odds_digits:
        missing.append("digits")
    if broken:
        missing.append("relation")
    return Finding(quantity.name, "likely" if missing else "sure", fits, tuple(missing), broken)


def agreed_digits(shown: list[Shown]) -> float:
    """Return how many decimal digits of agreement the numbers of one quantity stand for: those of the first, then those of each change."""
    told = shown[0].digits + (1.0 if shown[0].digits else 0.0)
    seen = {shown[0].value}
    for before, after in pairwise(shown):
        if after.value not in seen:
            told += min(math.log10(1 + abs(after.value - before.value) / after.step), 3.0) + 0.3
        seen.add(after.value)
    return told


def _doubt(best: Candidate, other: Candidate) -> str:
    """Return in which way two readings differ that both fit."""
    a, b = best.hypothesis, other.hypothesis
    same_place = (a.table, a.start) == (b.table, b.start)
    if same_place and a.shape == b.shape:
        return "scale"
    if best.every == other.every and (a.power, a.factor) == (b.power, b.factor):
        if same_place and a.shape.order == b.shape.order and a.shape.kind.lstrip("u") == b.shape.kind.lstrip("u"):
            return "sign"
        if a.shape.kind.startswith(_whole) and b.shape.kind.startswith(_whole) and _overlap(a, b):
            return "width"
    if not same_place and a.shape == b.shape:
        return "address"
    return "order" if same_place and a.shape.kind == b.shape.kind else "type"


def same_steps(a: Hypothesis, b: Hypothesis) -> tuple[int, int]:
    """Return the first and last step between which two whole numbers are the same, of which one stands in the other or in an end of it."""
    first, last = (list(each) for each in zip(_steps(a.shape.kind), _steps(b.shape.kind), strict=True))
    shared = min(a.start + a.shape.count, b.start + b.shape.count) - max(a.start, b.start)
    families = {_family(a.shape.kind), _family(b.shape.kind)}
    if len(families) == 1:
        most = (1 << 16 * shared) - 1 if families == {"binary"} else 10 ** (4 * shared) - 1
    else:  # below that a register says the same in both
        most = _same_digit if "bcd" in families else m10k_max
    if a.shape.kind.startswith("signmag") != b.shape.kind.startswith("signmag"):
        first.append(0)
    return max(*first, -most - 1 >> 1 if families == {"binary"} else -most), min(*last, most)


def _family(kind: str) -> str:
    return next((each for each in ("bcd", "m10k") if kind.startswith(each)), "binary")


def _steps(kind: str) -> tuple[int, int]:
    """Return the least and the greatest number of a whole type; `m10k32` and `bcd32` have eight decimal digits."""
    name = kind.rstrip("0123456789")
    if name in ("m10k", "bcd"):
        most: int = 10 ** (int(kind[len(name) :]) // 4) - 1
        return (-most if name == "m10k" else 0), most
    bits = int(kind[len(name) :])
    if name == "uint":
        return 0, (1 << bits) - 1
    most = (1 << bits - 1) - 1
    return -most - (name == "int"), most


def _overlap(a: Hypothesis, b: Hypothesis) -> bool:
    return a.table == b.table and a.start < b.start + b.shape.count and b.start < a.start + a.shape.count
