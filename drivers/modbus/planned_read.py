"""Asks the blocks of a group's plan, once each and in their order, and notes in the turn what came of each.

Room: ground, driver `modbus`. `reader.py` does the rest of a read: what it begins with, and what is learned of it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from math import inf
from typing import Final

from drivers.driver import DriverError
from drivers.modbus.alone import sent_causes
from drivers.modbus.exception_codes import address_codes, gateway_codes
from drivers.modbus.group_plan import GroupPlan, status_of
from drivers.modbus.learned import LearnedMap
from drivers.modbus.link import over_s
from drivers.modbus.proof import Sample
from drivers.modbus.request import RefusalError
from drivers.modbus.turn import Asker, Turn
from drivers.reading import Status

odd_max: Final = 2
"""So many answers of the wrong form, and a read goes no further."""
whole_time: Final = 0.9
"""Of the time that a request has when it is asked first: what took less of it is not blamed for having given nothing."""


@dataclass(slots=True)
class Pace:
    """How quickly a unit answers: a request that has less time than that is not begun, since it would only cost the connection."""

    least_s: float = over_s
    _before_s: float = 0.0

    def note(self, quickest_s: float) -> None:
        """The quickest answer of a read took so long. One read in which the unit was slow says nothing yet."""
        self.least_s = max(over_s, min(self._before_s, quickest_s))
        self._before_s = quickest_s


async def read_planned(ask: Asker, plan: GroupPlan, turn: Turn, learned: LearnedMap, pace: Pace) -> None:
    """Ask every block once that does not rest, as far as there is time."""
    time, late, answers = asyncio.get_running_loop().time, plan.troubles.late or None, turn.answers
    until, is_settled = turn.until, turn.is_settled
    now, quickest_s = time(), inf
    for at, read in enumerate(turn.reads):
        if late is not None and turn.data_count and (status := late.resting(read.block)) is not None:
            turn.resting.add(at)
            answers.append(status)
            continue
        if (answers or (turn.was_heard and not turn.is_sounding)) and until - now < turn.least_s:
            turn.cut_off(at, int(Status.BAD_TIMEOUT))
            break
        began = now
        try:
            data = await ask(read.block, until)
        except RefusalError as refusal:
            now = time()
            _refused(turn, at, refusal.code, now - began)
            if plan.troubles.unsearched and refusal.code in address_codes:  # so that there is time for its search, now or in the next read
                turn.cut_off(at + 1, int(Status.BAD_TIMEOUT))
                turn.cut_at = at if at and turn.until - now < turn.least_s else at + 1
                break
            continue
        except DriverError as error:
            now = time()
            if not _failed(turn, at, error, now - began, now):
                break
            continue
        now = time()
        if now - began < quickest_s:
            quickest_s = now - began
            turn.least_s = max(over_s, min(turn.least_s, quickest_s))
        answers.append(data)
        turn.data_count += 1
        turn.was_heard = True
        if not is_settled:
            learned.note_answer(read.block.table, read.block.start, read.block.end)
            turn.samples.append(Sample(read.block, data))
    if quickest_s < inf:
        pace.note(quickest_s)


def _refused(turn: Turn, at: int, code: int, took_s: float) -> None:
    status = status_of(code)
    turn.answers.append(status)
    turn.refused.append((at, code))
    if code not in gateway_codes:
        turn.was_heard = True
        return
    turn.lost, turn.lost_at = DriverError("unit_unreachable", status, code=code), at
    if took_s >= whole_time * turn.answer_s:
        turn.blamed.add(at)


def _failed(turn: Turn, at: int, error: DriverError, took_s: float, now: float) -> bool:
    """Note that a block brought nothing; return whether the read goes on."""
    turn.lost, turn.lost_at = error, at
    match error.cause:
        case "no_answer":
            turn.silent.append(at)
        case "bad_answer":
            turn.odd.append(at)
        case "connection_lost":
            turn.broken.append(at)
    goes_on = error.cause == "no_answer" or (error.cause == "bad_answer" and len(turn.odd) < odd_max)
    has_time = turn.until - now >= over_s
    if error.cause in sent_causes and (took_s >= whole_time * turn.answer_s or (has_time and not goes_on)):
        turn.blamed.add(at)  # it took its time for nothing, or ended the read for those behind it
    if goes_on and has_time:
        turn.answers.append(error.status)
        return True
    turn.cut_off(at, error.status, was_asked=error.cause in sent_causes)
    return False
