"""Several values of one tag in one message, in order: rounds in which each tag stands once.

Room: ground; pure. Drivers whose devices push make one scan of each round, so that nothing is lost and each tag's own order is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def rounds_of(pairs: Iterable[tuple[int, T]]) -> list[dict[int, T]]:
    """Return (place in the group, sample) pairs as rounds: the first of every place, then the second ones, and so on."""
    rounds: list[dict[int, T]] = []
    depth: dict[int, int] = {}
    for place, sample in pairs:
        at = depth.get(place, 0)
        depth[place] = at + 1
        if at == len(rounds):
            rounds.append({})
        rounds[at][place] = sample
    return rounds
