"""Which values of a refused block are at fault: a search that says what to ask next and is told what came of it.

Room: ground, driver `modbus`; pure. `searching.py` and `proving.py` drive it and send the requests. It knows no codes and no addresses:
it works on the places 0 .. n-1 of values in a row, and on one fact, that a request which contains a refused one is refused as well.

What it finds are the smallest refused stretches. One place alone: that value cannot be read. Two neighbours, each fine
alone: what lies between them cannot be read over. More than two: the device takes no request so long. Of these there are
many, each a place further on, so one is found and those that begin inside it are left to the next refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

Stretch = tuple[int, int]
"""First and last place, both inside."""

Known = Callable[[int, int], bool | None]
"""What is known without asking of the stretch from one place to another: answered, refused, or None."""


@dataclass(frozen=True, slots=True)
class Found:
    """One smallest refused stretch."""

    first: int
    last: int


Search = Generator[Stretch, bool, None]
"""Yields a stretch to ask; is sent whether it was answered. Never yields a stretch twice, nor one that follows from an earlier one."""


def search(count: int, found: Callable[[Found], None], known: Known = lambda _first, _last: None) -> Search:
    """Find the smallest refused stretches of `count` places, told that the whole was refused.

    Asks about log2 of the distance between faults, and two more, for each; `found` is called for each as soon as it is sure.
    """
    memo = _Memo(known)
    memo.note(0, count - 1, answered=False)
    start, good, bad = 0, -1, count - 1  # [start, good] was answered; [start, bad] was refused (bad = count: not known)
    faults = 0
    while start < count:
        if bad == count:
            step = max(1, start // faults) if faults else count
            bad, good = yield from _reach(memo, start, good, step, count)
            if bad == count:
                return
        while bad - good > 1:
            middle = (good + bad) // 2
            if (yield from memo.ask(start, middle)):
                good = middle
            else:
                bad = middle
        first = yield from _shortest(memo, start, bad)
        found(Found(first, bad))
        faults += 1
        start, good = (bad + 1, bad) if first == bad else (bad, bad)
        bad = count
        if start == count - 1 and good == start:
            return


def _reach(memo: _Memo, start: int, good: int, step: int, count: int) -> Generator[Stretch, bool, tuple[int, int]]:
    """Go on from what was answered, in growing steps, to a refusal.

    Return the end of the refused stretch (`count` when there is none) and the end of the answered one.
    """
    while good < count - 1:
        ahead = count - 1 if good + 2 * step >= count - 1 else max(good, start) + step
        ahead = max(ahead, start)
        if not (yield from memo.ask(start, ahead)):
            return ahead, good
        good, step = ahead, step * 2
    return count, good


def _shortest(memo: _Memo, start: int, last: int) -> Generator[Stretch, bool, int]:
    """Return the greatest place from which the stretch to `last` is still refused; it is refused from `start`."""
    refused, answered = start, last + 1
    for guess in (last, last - 1):
        if refused < guess < answered:
            if (yield from memo.ask(guess, last)):
                answered = guess
            else:
                refused = guess
                break
    while answered - refused > 1:
        middle = (refused + answered) // 2
        if (yield from memo.ask(middle, last)):
            answered = middle
        else:
            refused = middle
    return refused


class _Memo:
    """What was asked, and what follows from it: part of an answered stretch is fine, more than a refused one is not."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._answered: list[Stretch] = []
        self._refused: list[Stretch] = []

    def note(self, first: int, last: int, *, answered: bool) -> None:
        (self._answered if answered else self._refused).append((first, last))

    def ask(self, first: int, last: int) -> Generator[Stretch, bool, bool]:
        """Return whether a stretch is answered, asking only when it does not follow from what is known."""
        if any(a <= first and last <= b for a, b in self._answered):
            return True
        if any(first <= a and b <= last for a, b in self._refused):
            return False
        told = self._known(first, last)
        if told is None:
            told = yield first, last
        self.note(first, last, answered=told)
        return told
