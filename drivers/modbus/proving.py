"""Proves holes before they are read over in earnest, and convicts those that the unit refuses or that poison its next answer.

Room: ground, driver `modbus`. `reader.py` calls `run` with the time that a read has left. The rule stands in `proof.py`. Nothing
that is read here is published: each read over an unproven hole is directly followed by a control read, and both are thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from itertools import pairwise
from typing import Final

from drivers.driver import Clock, DriverError
from drivers.modbus.address import bit_tables
from drivers.modbus.alone import sent_causes
from drivers.modbus.exception_codes import address_codes
from drivers.modbus.finder import Found, search
from drivers.modbus.group_plan import GroupPlan
from drivers.modbus.learned import ODD, LearnedMap
from drivers.modbus.planner import Block, Span, block_of
from drivers.modbus.proof import Sample, controls, disagreements, repeats
from drivers.modbus.request import RefusalError
from drivers.modbus.searching import Lengths, atoms_of
from drivers.modbus.turn import Asker, Turn

undecided_max: Final = 3
"""So many undecided proofs of a block, and its holes rest."""
rest_ms: Final = 600_000
strikes_max: Final = 2
"""So many times the line may fail around a read over a hole before that counts against the hole: once may be noise."""
control_tries: Final = 4
control_registers_max: Final = 8


class Verdict(Enum):
    """What came of reading over a hole once."""

    FINE = "fine"
    REFUSED = "refused"
    UNDECIDED = "undecided"
    REPEATED = "repeated"
    """The answer begins with the bytes of the control read, so that this one would not notice a repetition."""


class Prover:
    """Proves the holes of one unit."""

    def __init__(self, learned: LearnedMap, lengths: Lengths, ask: Asker, clock: Clock) -> None:
        self._learned, self._lengths, self._ask, self._clock = learned, lengths, ask, clock
        self._undecided: dict[tuple[str, int, int], int] = {}
        self._strikes: dict[tuple[str, int, int], int] = {}
        self._resting: dict[tuple[str, int, int], int] = {}

    def may_hope(self, table: str, start: int, end: int) -> bool:
        """Tell whether a hole may be tried: it does not rest after proofs that decided nothing."""
        return (table, start, end) not in self._resting

    def wake(self) -> None:
        """Let holes be tried again whose rest is over."""
        if not self._resting:
            return
        now_ms = self._clock.mono_ms()
        resting = {hole: until_ms for hole, until_ms in self._resting.items() if now_ms < until_ms}
        if len(resting) != len(self._resting):
            self._resting = resting
            self._learned.version += 1

    async def run(self, turn: Turn, plan: GroupPlan, replan: Callable[[], GroupPlan]) -> None:
        """Prove what the hopeful plan reads over, as far as the time goes. `replan` gives the plan after something was learned."""
        if not plan.unproven or not turn.may_learn():
            return
        found = await self._choose_controls(turn)
        tried: set[Block] = set()
        while turn.may_learn():
            block = next((each for each in plan.unproven if each not in tried), None)
            if block is None:
                return
            tried.add(block)
            if not found or not await self._prove(turn, plan, block, found):
                self._leave(plan, block)
            plan = replan()

    async def _choose_controls(self, turn: Turn) -> list[Sample]:
        """Return up to two steady control reads, or three where none convinces alone."""
        steady: list[Sample] = []
        tries = control_tries
        for sample in controls(piece for each in turn.samples for piece in _pieces(each)):
            if any((each.block.table, each.block.start) == (sample.block.table, sample.block.start) for each in steady):
                continue
            if not tries or not turn.may_learn() or len(steady) == (2 if any(each.convinces for each in steady) else 3):
                break
            tries -= 1
            try:
                if await self._ask(sample.block, turn.until) == sample.data:
                    steady.append(sample)
            except (RefusalError, DriverError):
                break
        return steady

    async def _prove(self, turn: Turn, plan: GroupPlan, block: Block, found: list[Sample]) -> bool:
        """Prove one block of the hopeful plan, or find what of it cannot be; False when nothing was decided."""
        table, before = block.table, self._learned.version
        verdict, code = await self._cross(turn, block, found)
        if verdict is Verdict.UNDECIDED:
            return False
        if verdict is Verdict.FINE:
            self._learned.note_answer(table, block.start, block.end)
            self._learned.note_crossable(table, plan.holes(block))
            return True
        self._learned.note_refusal(table, (block.start, block.end), code, lasting=False)
        pieces = self._pieces_between_holes(plan, block)
        short = _trimmed(pieces, 0, len(pieces) - 1)
        if code != ODD and (short.start, short.end) != (block.start, block.end):
            verdict, _ = await self._cross(turn, short, found)
            if verdict is Verdict.FINE:
                self._learned.note_crossable(table, plan.holes(block))
                self._lengths.note(self._learned, table, (block.start, block.end), code)
                return True
            if verdict is Verdict.UNDECIDED:
                return False
        await self._search(turn, plan, pieces, found, code)
        return self._learned.version != before

    async def _search(self, turn: Turn, plan: GroupPlan, pieces: list[list[Span]], found: list[Sample], code: int) -> None:
        """The block is refused, or odd: find the smallest part of it that is."""
        table, codes = pieces[0][0].table, {(0, len(pieces) - 1): code}
        at_fault: list[Found] = []

        def known(first: int, last: int) -> bool | None:
            if first == last:
                return True
            block = _trimmed(pieces, first, last)
            if self._learned.is_refused(table, (block.start, block.end)):
                return False
            crossable = all(self._learned.crossable[table].covers(*hole) for hole in plan.holes(block))
            return True if crossable else None

        steps = search(len(pieces), at_fault.append, known)
        try:
            stretch = next(steps)
            while turn.may_learn():
                block = _trimmed(pieces, *stretch)
                verdict, code = await self._cross(turn, block, found)
                if verdict is Verdict.UNDECIDED:
                    break
                if verdict is Verdict.FINE:
                    self._learned.note_crossable(table, plan.holes(block))
                else:
                    codes[stretch] = code
                    self._learned.note_refusal(table, (block.start, block.end), code, lasting=False)
                stretch = steps.send(verdict is Verdict.FINE)
        except StopIteration:
            pass
        for each in at_fault:
            block = _trimmed(pieces, each.first, each.last)
            code = min((last - first, code) for (first, last), code in codes.items() if first <= each.first and each.last <= last)[1]
            if each.last - each.first > 1:
                self._lengths.note(self._learned, table, (block.start, block.end), code)
            else:
                self._learned.note_refusal(table, (block.start, block.end), code, lasting=True)

    async def _cross(self, turn: Turn, block: Block, found: list[Sample]) -> tuple[Verdict, int]:
        """Read over holes, twice with controls that do not convince alone, and judge it; the code says how it was refused."""
        fit = [each for each in found if (each.block.table, each.block.start) != (block.table, block.start)]
        if not fit:
            return Verdict.UNDECIDED, 0
        conviction = 0
        for control in fit * 2 if len(fit) == 1 else fit:
            try:
                verdict, code = await self._cross_once(turn, block, control, found)
            except DriverError:
                turn.is_over = True  # the line is not well: no more of this now
                return self._struck(block)
            if verdict is Verdict.REPEATED:
                continue
            if verdict is not Verdict.FINE:
                return verdict, code
            conviction += 2 if control.convinces else 1
            if conviction >= 2:
                self._strikes.pop((block.table, block.start, block.end), None)
                return verdict, code
        return Verdict.UNDECIDED, 0

    async def _cross_once(self, turn: Turn, block: Block, control: Sample, found: list[Sample]) -> tuple[Verdict, int]:
        try:
            async with self._ask.alone(turn.learn_until):
                before = self._ask.sent
                code, data, seen, is_one_way = await self._ask_pair(turn, block, control.block)
        except TimeoutError:
            return Verdict.UNDECIDED, 0  # others ask it all the time
        if not is_one_way:
            self._ask.resync()
            return Verdict.UNDECIDED, 0
        if self._ask.sent != before + 2:
            return Verdict.UNDECIDED, 0  # something else was asked in between, and may have got the wrong answer
        if seen != control.data:
            return await self._judge_control(turn, control, found), ODD
        if code:
            return (Verdict.REFUSED, code) if code in address_codes else (Verdict.UNDECIDED, 0)
        if repeats(control, data):
            return Verdict.REPEATED, 0
        if await self._contradicts_itself(turn, block, data):
            return Verdict.REFUSED, ODD
        return Verdict.FINE, 0

    async def _ask_pair(self, turn: Turn, block: Block, control: Block) -> tuple[int, bytes, bytes, bool]:
        """Return the code or the data of a read over holes, what the control read gave directly after it, and whether both went one way.

        Where another unit of the line had the connection made anew between the two, or only the first went over the second connection,
        the control tells nothing, and what the hole may have spoiled is still to come.
        """
        code, data, seen = 0, b"", b""
        self._ask.owe(control)  # until it is answered the next answer may be a wrong one, whoever asks
        try:
            data = await self._ask(block, turn.until)
        except RefusalError as refusal:
            code = refusal.code
        except DriverError as error:
            if error.cause not in sent_causes:
                self._ask.owe(None)
            raise
        way = self._ask.connection()
        try:
            seen = await self._ask(control, turn.until)
        except RefusalError:
            pass
        self._ask.owe(None)  # not where it fails or is cut off: what it would have taken waits for whoever asks next
        return code, data, seen, self._ask.connection() == way

    async def _judge_control(self, turn: Turn, control: Sample, found: list[Sample]) -> Verdict:
        """The control read differed: by the hole's fault when a fresh connection brings the old bytes again."""
        self._ask.resync()
        try:
            again = await self._ask(control.block, turn.until)
        except RefusalError:
            again = b""
        if again == control.data:
            return Verdict.REFUSED
        if control in found:
            found.remove(control)
        return Verdict.UNDECIDED

    async def _contradicts_itself(self, turn: Turn, block: Block, data: bytes) -> bool:
        """Tell whether a crossing answer has other values than reads without crossing, where those stand still."""
        for sample in disagreements(block, data, turn.samples):
            try:
                fresh = await self._ask(sample.block, turn.until)
            except RefusalError:
                continue
            if sample.block.table in bit_tables:
                if fresh == sample.data:
                    return True
                continue
            at = (sample.block.start - block.start) * 2
            crossed = data[at : at + len(fresh)]
            if any(fresh[n : n + 2] == sample.data[n : n + 2] != crossed[n : n + 2] for n in range(0, len(fresh), 2)):
                return True
        return False

    def _struck(self, block: Block) -> tuple[Verdict, int]:
        key = block.table, block.start, block.end
        self._strikes[key] = self._strikes.get(key, 0) + 1
        return (Verdict.REFUSED, ODD) if self._strikes[key] >= strikes_max else (Verdict.UNDECIDED, 0)

    def _leave(self, plan: GroupPlan, block: Block) -> None:
        """Nothing was decided: after some times, the holes rest."""
        key = block.table, block.start, block.end
        self._undecided[key] = self._undecided.get(key, 0) + 1
        if self._undecided[key] < undecided_max:
            return
        del self._undecided[key]
        until_ms = self._clock.mono_ms() + rest_ms
        for hole in plan.holes(block):
            if not self._learned.crossable[block.table].covers(*hole):
                self._resting[block.table, *hole] = until_ms
        self._learned.version += 1

    def _pieces_between_holes(self, plan: GroupPlan, block: Block) -> list[list[Span]]:
        """Return the block's values, cut at each hole that is not proven."""
        unproven = [hole for hole in plan.holes(block) if not self._learned.crossable[block.table].covers(*hole)]
        pieces: list[list[Span]] = [[]]
        for atom in atoms_of(block.spans):
            while unproven and atom[0].start >= unproven[0][1]:
                unproven.pop(0)
                pieces.append([])
            pieces[-1] += atom
        return pieces


def _trimmed(pieces: list[list[Span]], first: int, last: int) -> Block:
    """Return the shortest block over the holes between pieces: from the last value of the first to the first one of the last."""
    if first == last:
        return block_of(pieces[first])
    begin = max(pieces[first], key=lambda span: (span.end, span.start))
    between = [span for piece in pieces[first + 1 : last] for span in piece]
    return block_of([begin, *between, pieces[last][0]])


def _pieces(sample: Sample) -> Iterator[Sample]:
    """Yield parts of a sample that may be control reads: some neighbouring registers each."""
    block = sample.block
    if block.table in bit_tables:
        yield sample
        return
    atoms = atoms_of(block.spans)
    ranges: list[tuple[int, int]] = [(atom[0].start, atom[0].end) for atom in atoms]
    ranges += [(a[0], b[1]) for a, b in pairwise(ranges) if a[1] == b[0]]
    for start, end in ranges:
        if end - start <= control_registers_max:
            at = (start - block.start) * 2
            yield Sample(Block(block.table, start, end - start, ()), sample.data[at : at + (end - start) * 2])
