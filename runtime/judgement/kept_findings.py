"""Which findings of a model stay known over a restart: the newest, and whatever goes on, however many came after it. Pure.

Room: hall, judgement. `book` asks it with every finding; the judge is told them, faces are shown them again after a start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

KEPT: Final = 64
"""Findings of one model that are known again when they are told twice."""
OPEN_MAX: Final = 256
"""Those that go on count no longer when there are so many: what a judge says bounds itself by nothing."""
ONSET: Final = 0
Told = tuple[str, str, int, int]
"""What makes two findings of a model the same one: rule, tag, time, phase."""


def kept(told: Sequence[Told], seqs: Sequence[int]) -> tuple[list[Told], list[int]]:
    """Return what stays of both, oldest first: the newest KEPT, and before them onsets without an end.

    The last of `seqs` is the entry of the last of `told`, and so on; of either there may be more.
    """
    size = max(len(told), len(seqs))
    going: dict[tuple[str, str], int] = {}
    for i, (rule, tag, _, phase) in enumerate(told, size - len(told)):
        going.pop((rule, tag), None)
        if phase == ONSET:
            going[rule, tag] = i
    stays = {*sorted(going.values())[-OPEN_MAX:], *range(max(0, size - KEPT), size)}
    return (
        [each for i, each in enumerate(told, size - len(told)) if i in stays],
        [each for i, each in enumerate(seqs, size - len(seqs)) if i in stays],
    )
