"""Which findings of one model are new: each is recorded once, its end too, however often the judge is started again. Pure.

Room: hall, judgement; the judge's process. It is told what rules and the model find and gives back what is to be recorded. What the ledger
has already (`told`) is known by rule, tag, time and phase; one that goes on is known by rule and tag, so that a rule which begins its
reading later, and finds it at another moment, does not make it a second one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from ledger_client.event_bodies import FindingBody
from runtime.judgement.pace import Pace

MOST: Final = 12
PER_S: Final = 1 / 60
"""Findings of one model: a dozen at once, one a minute after that. Those held back are counted."""
ONSET: Final = 0
MODEL: Final = "model"
DRIFT: Final = "drift"
Told = tuple[str, str, int, int]


class Findings:
    """The findings of one model. An alarm of the model names the tag of its onset at its end too, whatever weighs most by then."""

    def __init__(self, told: Iterable[Told], until_ms: int = 1 << 62) -> None:
        """`told` in the order of the ledger; what the model decided after `until_ms` is decided again, and then known."""
        told = list(told)
        self._told = set(told)
        self._open: dict[tuple[str, str], int] = {}
        self._hidden: set[tuple[str, str]] = set()
        """Those that go on and were not told: their end is not told either."""
        for rule, tag, at_ms, phase in (each for each in told if each[0] != MODEL or each[2] <= until_ms):
            self._open.pop((rule, tag), None)
            if phase == ONSET:
                self._open[rule, tag] = at_ms
        self._before = dict(self._open)
        """Those that went on when the judge began, with their times."""
        self._pace = Pace(MOST, PER_S)
        self._held_back = 0

    def interrupted(self) -> list[tuple[str, int]]:
        """Return tag and time of the drifts that went on when the judge began: their watch begins anew, so they end here."""
        found = [(tag, at_ms) for (rule, tag), at_ms in self._before.items() if rule == DRIFT]
        for tag, _ in found:
            self._open.pop((DRIFT, tag), None)
        return found

    def open_since(self) -> list[int]:
        """Return when the findings of rules began that had not ended when the judge began."""
        return [at_ms for (rule, _), at_ms in self._before.items() if rule not in {MODEL, DRIFT}]

    def new(self, body: FindingBody, *, tell: bool) -> FindingBody | None:
        """Return what is to be recorded of a finding, None for nothing. `tell` False: it is to be known and not recorded."""
        return self._onset(body, tell=tell) if body.phase == ONSET else self._end(body, tell=tell)

    def _onset(self, body: FindingBody, *, tell: bool) -> FindingBody | None:
        key = (body.rule, body.tag)
        if self._knows(body):
            self._open[key] = body.at_ms
            return None
        if key in self._open or (body.rule == MODEL and self._model_open() is not None):
            return None
        if not tell or not self._pace.allows(body.at_ms):
            self._held_back += tell
            self._hidden.add(key)
            return None
        self._hidden.discard(key)
        self._open[key] = body.at_ms
        found = replace(body, evidence={**body.evidence, "held_back": self._held_back}) if self._held_back else body
        self._held_back = 0
        self._told.add((body.rule, body.tag, body.at_ms, body.phase))
        return found

    def _end(self, body: FindingBody, *, tell: bool) -> FindingBody | None:
        key = self._model_open() if body.rule == MODEL else (body.rule, body.tag)
        if key is None or key not in self._open:
            self._hidden.clear() if body.rule == MODEL else self._hidden.discard((body.rule, body.tag))
            return None
        body = replace(body, tag=key[1])
        if self._knows(body):
            self._open.pop(key)
            return None
        if not tell:
            return None
        self._open.pop(key)
        self._told.add((body.rule, body.tag, body.at_ms, body.phase))
        return body

    def _knows(self, body: FindingBody) -> bool:
        return (body.rule, body.tag, body.at_ms, body.phase) in self._told

    def _model_open(self) -> tuple[str, str] | None:
        return next((key for key in self._open if key[0] == MODEL), None)
