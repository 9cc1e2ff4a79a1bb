"""One device has one habit: the same order of words, the same distance from its manual's addresses, mostly the same types.

Room: ground, driver `modbus`; pure. The judgement calls it when several quantities are asked about. It orders what fits; it never
takes a reading away, because devices with mixed habits exist.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from drivers.modbus.detective.hypotheses import Hypothesis
from drivers.modbus.detective.question import Quantity, Question

_floor: Final = 0.05
"""What a habit that nothing else shows keeps of its weight."""


class Weighed(Protocol):
    """A reading with a weight that may change."""

    hypothesis: Hypothesis
    weight: float


def agree(question: Question, found: Mapping[str, Sequence[Weighed]]) -> None:
    """Make the readings of each quantity weigh more the more the other quantities' readings share their habits."""
    votes = {quantity.name: _votes(quantity, found[quantity.name]) for quantity in question.quantities}
    for quantity in question.quantities:
        others: dict[tuple[str, str | int], float] = {}
        voters: Counter[str] = Counter()
        for name, counted in votes.items():
            if name != quantity.name:
                for form, share in counted.items():
                    others[form] = others.get(form, 0.0) + share
                voters.update({habit for habit, _ in counted})
        for each in found[quantity.name]:
            for habit, shown in _habits(quantity, each.hypothesis).items():
                if voters[habit] and shown != "":
                    each.weight *= _floor + others.get((habit, shown), 0.0) / voters[habit]


def _votes(quantity: Quantity, fits: Sequence[Weighed]) -> dict[tuple[str, str | int], float]:
    """Return for each habit the shares of its forms among the readings of one quantity; they sum to 1."""
    counted: dict[tuple[str, str | int], float] = {}
    sums: dict[str, float] = {}
    for each in fits:
        for habit, shown in _habits(quantity, each.hypothesis).items():
            if shown != "":
                counted[habit, shown] = counted.get((habit, shown), 0.0) + each.weight
                sums[habit] = sums.get(habit, 0.0) + each.weight
    return {(habit, shown): weight / sums[habit] for (habit, shown), weight in counted.items()}


def _habits(quantity: Quantity, hypothesis: Hypothesis) -> dict[str, str | int]:
    """Return the forms that a reading shows; an empty one shows nothing of that habit."""
    places = dict(quantity.near)
    stated = places.get(hypothesis.table, hypothesis.start)
    return {
        "order": hypothesis.shape.order_class,
        "offset": hypothesis.start - stated,
        "table": hypothesis.table,
        "float": "float" if hypothesis.shape.is_float else "whole",
        "factor": "register" if hypothesis.factor is not None else "",
    }
