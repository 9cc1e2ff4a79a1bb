"""What must hold between quantities of one device: sums, line-to-line voltage, power = voltage x current x power factor, energy that rises.

Room: ground, driver `modbus`; pure. The judgement calls `weigh_relations` with what fits; readings that take part in no way of making a
relation hold weigh less. The numbers compared are those in the registers, which have more digits than the display.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Protocol

from drivers.modbus.detective.question import Question

_kinds: Final = {
    "V": "voltage", "kV": "voltage", "A": "current", "mA": "current", "W": "power", "kW": "power", "MW": "power",
    "VA": "apparent", "kVA": "apparent", "var": "reactive", "kvar": "reactive", "Wh": "energy", "kWh": "energy", "MWh": "energy",
}  # fmt: skip
_prefixes: Final = {"k": 1e3, "M": 1e6, "m": 1e-3}
_lines: Final = re.compile(r"L?([123])\s*[-/–]\s*L?([123])|(?:L|U|V)(12|23|31)(?![0-9])", re.IGNORECASE)
_phase: Final = re.compile(r"(?:L|P|phase\s*|[UIV])([123])(?![0-9])", re.IGNORECASE)
_factor_name: Final = re.compile(r"power\s*factor|\bpf|cos", re.IGNORECASE)
_combinations_max: Final = 4096
_outside: Final = 0.05
"""What a reading keeps that takes part in no combination that holds."""


class Weighed(Protocol):
    """A reading with its values at the first read of each look and a weight that may change."""

    first: tuple[float, ...]
    weight: float


@dataclass(frozen=True, slots=True)
class Broken:
    """A relation that no combination of readings satisfies: its name and the quantities of it."""

    name: str
    quantities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """`holds(values, times)` judges the values of its quantities, a row for each look, in basic units; times in seconds."""

    name: str
    quantities: tuple[str, ...]
    holds: Callable[[Sequence[tuple[float, ...]], Sequence[float | None]], bool]


def role_of(name: str, unit: str) -> tuple[str, str]:
    """Return what a quantity is and of which phase, by its unit and name: ("voltage", "1"), ("line_voltage", "12"), ("power", "")."""
    kind = _kinds.get(unit, "factor" if _factor_name.search(name) and not unit else "")
    if found := _lines.search(name):
        return ("line_voltage" if kind == "voltage" else ""), found[3] or found[1] + found[2]
    found = _phase.search(name)
    return kind, found[1] if found else ""


def weigh_relations(question: Question, found: Mapping[str, Sequence[Weighed]]) -> list[Broken]:
    """Lower the weight of readings that no relation wants. Returns the relations that cannot hold at all."""
    units = {name: shown.unit for look in question.looks for name, shown in look.shown.items()}
    times = [look.at_s for look in question.looks]
    broken = []
    for relation in relations(units):
        names = relation.quantities
        if any(not found.get(name) for name in names) or any(name not in look.shown for look in question.looks for name in names):
            continue
        each_max = max(2, int(_combinations_max ** (1 / len(names))))
        best = [sorted(found[name], key=lambda each: -each.weight)[:each_max] for name in names]
        scales = [_prefixes.get(units[name][:1], 1.0) if len(units[name]) > 1 and units[name] != "Wh" else 1.0 for name in names]
        fitting: set[int] = set()
        for chosen in product(*best):
            rows = [tuple(one.first[at] * scale for one, scale in zip(chosen, scales, strict=True)) for at in range(len(question.looks))]
            if relation.holds(rows, times):
                fitting.update(id(one) for one in chosen)
        if not fitting:
            broken.append(Broken(relation.name, names))
            continue
        for name in names:
            for one in found[name]:
                if id(one) not in fitting:
                    one.weight *= _outside
    return broken


def relations(units: Mapping[str, str]) -> Iterator[Relation]:
    """Yield the relations that quantities (name -> unit) allow."""
    by_role = {role_of(name, unit): name for name, unit in units.items()}
    for kind in ("power", "apparent", "reactive", "energy"):
        parts = [by_role.get((kind, phase)) for phase in "123"]
        if (whole := by_role.get((kind, ""))) and all(parts):
            yield Relation("sum", (whole, *(part for part in parts if part)), _sums)
    for phase in ("1", "2", "3", ""):
        factors = [by_role.get((kind, phase)) for kind in ("power", "voltage", "current", "factor")]
        if all(factors):
            yield Relation("power", tuple(name for name in factors if name), _is_product)
    lines = [name for (kind, _), name in by_role.items() if kind == "line_voltage"]
    phases = [name for (kind, _), name in by_role.items() if kind == "voltage"]
    if lines and phases:
        count = len(lines)
        yield Relation("line_to_line", (*lines, *phases), lambda rows, _times: _line_to_line(rows, count))
    if (energy := by_role.get(("energy", ""))) and (power := by_role.get(("power", ""))):
        yield Relation("energy_rises", (energy, power), _rises)


def _sums(rows: Sequence[tuple[float, ...]], _times: Sequence[float | None]) -> bool:
    return all(abs(row[0] - sum(row[1:])) <= 0.005 * max(sum(map(abs, row[1:])), abs(row[0])) for row in rows)


def _is_product(rows: Sequence[tuple[float, ...]], _times: Sequence[float | None]) -> bool:
    return all(abs(abs(power) - abs(volts * amperes * factor)) <= 0.03 * abs(volts * amperes) for power, volts, amperes, factor in rows)


def _line_to_line(rows: Sequence[tuple[float, ...]], lines: int) -> bool:
    for row in rows:
        across, phase = sum(row[:lines]) / lines, sum(row[lines:]) / (len(row) - lines)
        if abs(across - phase * math.sqrt(3)) > 0.04 * abs(across):
            return False
    return True


def _rises(rows: Sequence[tuple[float, ...]], times: Sequence[float | None]) -> bool:
    """Energy does not fall while power is drawn, nor rise many times faster than the power explains."""
    for (before, power_before), (after, power_after), begin, end in zip(rows, rows[1:], times, times[1:], strict=False):
        power = max(abs(power_before), abs(power_after))
        if not after >= before:
            return False
        if begin is not None and end is not None and after - before > 3 * power * (end - begin) / 3600 + 0.02 * power + 100:
            return False
    return True
