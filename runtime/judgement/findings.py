"""Which findings of one model are new: each is recorded once, its end too, however often the judge is started again. Pure.

Room: hall, judgement; the judge's process. It is told what rules and the model find and gives back what is to be recorded. The model's
decision is restored to the bit, so its turns are known again by rule, tag, time and phase. Rules begin anew a while before the place where
an earlier judge ended and may see the same thing a moment later, or name another tag of its device: of them, all up to the newest that
the ledger has counts as said. What goes on there by the ledger goes on when its rule finds it again; what is not found again by the time
that reading has passed where it was told, nobody can tell the end of: it is interrupted.
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
OF_DEVICES: Final = frozenset({"dropout", "clock", "late"})
"""Rules that find what a whole device does, and name the first of its tags."""
EVER: Final = 1 << 62
NEVER: Final = -1
Told = tuple[str, str, int, int]
Key = tuple[str, str]


class Findings:
    """The findings of one model. An alarm of the model names the tag of its onset at its end too, whatever weighs most by then."""

    def __init__(self, told: Iterable[Told], until_ms: int = EVER, *, decides_anew: bool = False) -> None:
        """`told` in the order of the ledger; what the model decided after `until_ms` is decided again, and then known.

        `decides_anew`: the decision up to there is not at hand, it begins anew: what goes on of the model from before is interrupted.
        """
        told = list(told)
        self._told = set(told)
        self._open: dict[Key, int] = {}
        """Those that go on, with their times."""
        for rule, tag, at_ms, phase in (each for each in told if each[0] != MODEL or each[2] <= until_ms):
            self._open.pop((rule, tag), None)
            if phase == ONSET:
                self._open[rule, tag] = at_ms
        self._before = dict(self._open)
        """What of those that go on was told by an earlier judge."""
        self._found_again: set[Key] = set()
        self._other_names: dict[Key, Key] = {}
        """As what rules name now what an earlier judge told under another tag of its device."""
        self._decides_anew = decides_anew
        self._said_ms = NEVER
        self.reading_begins(EVER)
        self._pace = Pace(MOST, PER_S)
        self._held_back = 0

    def reading_begins(self, now_ms: int) -> None:
        """Nothing is read of before the clock was set back, and it is `now_ms`: what was told of later times says nothing of what comes."""
        self._said_ms = max((at_ms for rule, _, at_ms, _ in self._told if rule != MODEL and at_ms <= now_ms), default=NEVER)

    def rules_begin_anew(self) -> None:
        """The clock was set back: the rules know nothing any more of what they found, and what was said was said in another time.

        From here on they find the same as an earlier judge whose rules began here, at the same times: that is known one by one.
        """
        self._said_ms = NEVER
        self._found_again.clear()
        self._other_names.clear()
        self._before |= {key: at_ms for key, at_ms in self._open.items() if key[0] not in {MODEL, DRIFT}}

    def interrupted(self, read_to_ms: int) -> list[Told]:
        """Return the ends, without their time (it is that of the onset), of what went on and whose watch is cut off: drifts always.

        Ask once reading is beyond what the earlier judge scored; `read_to_ms`: what was told by then the rules have seen, or never will.
        """
        found = [(*key, at_ms, 1) for key, at_ms in self._before.items() if self._is_cut_off(key, read_to_ms)]
        for rule, tag, _, _ in found:
            self._open.pop((rule, tag), None)
            self._before.pop((rule, tag))
        return found

    def _is_cut_off(self, key: Key, read_to_ms: int) -> bool:
        match key[0]:
            case "drift":
                return True
            case "model":
                return self._decides_anew
        return key not in self._found_again and self._before[key] <= read_to_ms

    def going_on(self) -> list[tuple[str, str, int]]:
        """Return rule, tag and time of the findings of rules that had not ended when the judge began."""
        return [(rule, tag, at_ms) for (rule, tag), at_ms in self._before.items() if rule not in {MODEL, DRIFT}]

    def new(self, body: FindingBody, *, tell: bool) -> FindingBody | None:
        """Return what is to be recorded of a finding, None for nothing. `tell` False: nobody is to hear of its onset.

        Of an end whoever heard of the onset hears in any case.
        """
        key = self._going_on(body)
        if body.phase == ONSET and key is not None:
            self._find_again(body, key)
        if body.rule != MODEL and body.at_ms < self._said_ms and not self._is_end_of(body, key):
            return None
        return self._onset(body, tell=tell) if body.phase == ONSET else self._end(body)

    def _onset(self, body: FindingBody, *, tell: bool) -> FindingBody | None:
        if self._knows(body):
            self._open[body.rule, body.tag] = body.at_ms
            return None
        if self._going_on(body) is not None or not tell:
            return None
        if not self._pace.allows(body.at_ms):
            self._held_back += 1
            return None
        found = replace(body, evidence={**body.evidence, "held_back": self._held_back}) if self._held_back else body
        self._held_back = 0
        self._open[body.rule, body.tag] = body.at_ms
        self._told.add((body.rule, body.tag, body.at_ms, body.phase))
        return found

    def _is_end_of(self, body: FindingBody, key: Key | None) -> bool:
        return body.phase != ONSET and key is not None and body.at_ms > self._open[key]

    def _end(self, body: FindingBody) -> FindingBody | None:
        key = self._going_on(body)
        if key is None:  # an end of what was not told
            return None
        body = replace(body, tag=key[1])
        known = self._knows(body)
        self._open.pop(key)
        self._before.pop(key, None)
        self._other_names = {other: known for other, known in self._other_names.items() if known != key}
        self._told.add((body.rule, body.tag, body.at_ms, body.phase))
        return None if known else body

    def _knows(self, body: FindingBody) -> bool:
        return (body.rule, body.tag, body.at_ms, body.phase) in self._told

    def _going_on(self, body: FindingBody) -> Key | None:
        """Return which of those that go on a finding is; an earlier judge may have told a device's under another of its tags."""
        key = (body.rule, body.tag)
        if body.rule == MODEL:
            return next((known for known in self._open if known[0] == MODEL), None)
        if key in self._open or body.rule not in OF_DEVICES:
            return key if key in self._open else None
        if key in self._other_names or body.phase != ONSET:
            return self._other_names.get(key)
        unseen = (known for known in self._before if known in self._open and known not in self._found_again)
        return next((known for known in unseen if _device(known) == _device(key)), None)

    def _find_again(self, body: FindingBody, key: Key) -> None:
        """Note that a rule sees what goes on; by its own name it is that, and what was taken for it is another one."""
        own = body.rule, body.tag
        if own == key:
            self._other_names = {other: known for other, known in self._other_names.items() if known != key}
        elif body.rule != MODEL:
            self._other_names[own] = key
        self._found_again.add(key)


def _device(key: Key) -> Key:
    return key[0], key[1].rpartition("/")[0]
