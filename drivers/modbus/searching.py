"""A block was refused for what it asks: find the values, junctions or lengths at fault, and note them.

Room: ground, driver `modbus`. `reader.py` calls it for a block of the safe plan, `proving.py` uses `Lengths`. It sends what `finder.py`
asks for; every answer that comes on the way is data for the scan.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from drivers.driver import DriverError
from drivers.modbus.exception_codes import address_codes
from drivers.modbus.finder import Found, search
from drivers.modbus.intervals import Interval
from drivers.modbus.layout import Layout, ReadBlock
from drivers.modbus.learned import LearnedMap, kind_of
from drivers.modbus.planner import Block, Span, block_of
from drivers.modbus.request import RefusalError
from drivers.modbus.turn import Asker, Turn

unheard_max: Final = 24
"""Refusals that a unit which has answered nothing may give in one read before it is let alone until the next."""
unread_table_after: Final = 2
"""So many values refused with exception 1, none of their table ever answered: the unit has no function for the table."""


@dataclass(slots=True)
class Lengths:
    """Tells requests that are too long from places that cannot be read together.

    Such a refusal is a barrier where it stands. When a second one comes and nothing as long was ever answered, length it is.
    """

    seen: dict[str, list[int]] = field(default_factory=dict)

    def note(self, learned: LearnedMap, table: str, interval: Interval, code: int) -> None:
        """A request was refused although all of its parts are answered."""
        kind, count = kind_of(table), interval[1] - interval[0]
        counts = [each for each in self.seen.get(kind, []) if each > learned.reach[kind]]
        counts.append(count)
        self.seen[kind] = counts
        if count > learned.reach[kind] and (len(counts) > 1 or kind in learned.longest):
            learned.note_longest(table, min(each for each in counts if each > learned.reach[kind]) - 1)
        else:
            learned.note_refusal(table, interval, code, lasting=True)


class Searcher:
    """Searches refused blocks of one unit."""

    def __init__(self, learned: LearnedMap, lengths: Lengths, ask: Asker) -> None:
        self._learned, self._lengths, self._ask = learned, lengths, ask

    async def run(self, turn: Turn, layout: Layout, refused: Iterable[tuple[ReadBlock, int]], *, in_service: bool) -> None:
        """Search blocks (each with its exception code) until all is found or the time is over; what was seen by then is noted.

        `in_service`: the unit has answered something lately, so that a refusal is its map's and not its state's. An answer on the
        way says as much.
        """
        searched = []
        for read, code in refused:
            searched.append(_BlockSearch(self._learned, layout, read.block, code))
            await self._search(turn, layout, searched[-1], in_service=in_service)
        for search_of in searched:
            self._close(search_of, in_service or turn.data_count > 0)
            self._note(search_of, lasting=in_service or turn.data_count > 0)

    async def _search(self, turn: Turn, layout: Layout, search_of: _BlockSearch, *, in_service: bool) -> None:
        steps = search(len(search_of.atoms), search_of.found.append, search_of.known)
        try:
            stretch = next(steps)
            while turn.has_time() and (turn.data_count or turn.refusal_count < unheard_max) and not self._close(search_of, in_service):
                answered = await self._step(turn, layout, search_of, *stretch)
                if answered is None:
                    return
                stretch = steps.send(answered)
        except StopIteration:
            return

    async def _step(self, turn: Turn, layout: Layout, search_of: _BlockSearch, first: int, last: int) -> bool | None:
        """Ask one stretch; None when the answer says nothing of the map."""
        block = search_of.block(first, last)
        try:
            data = await self._ask(block, turn.until)
        except RefusalError as refusal:
            if refusal.code not in address_codes:
                return None
            turn.refusal_count += 1
            search_of.refusals.append(((block.start, block.end), refusal.code))
            return False
        except DriverError:
            turn.is_over = True  # the line is not well: no more of this now
            return None
        self._learned.note_answer(block.table, block.start, block.end)
        turn.take(layout.compile(block), data)
        return True

    def _note(self, search_of: _BlockSearch, *, lasting: bool) -> None:
        table = search_of.table
        smallest = set()
        for each in search_of.found:
            block = search_of.block(each.first, each.last)
            interval = block.start, block.end
            smallest.add(interval)
            code = search_of.code_of(interval)
            if each.last - each.first > 1:
                self._lengths.note(self._learned, table, interval, code)
            else:
                self._learned.note_refusal(table, interval, code, lasting=lasting, is_value=each.first == each.last)
        for interval, code in search_of.refusals:
            if interval not in smallest and interval[1] - interval[0] <= self._learned.longest.get(kind_of(table), 1 << 20):
                self._learned.note_refusal(table, interval, code, lasting=False)

    def _close(self, search_of: _BlockSearch, in_service: bool) -> bool:
        """Tell whether the unit has no function for the whole table, and note it."""
        table, learned = search_of.table, self._learned
        if table in learned.closed:
            return True
        alone = sum(each.first == each.last for each in search_of.found) + len(learned.barriers[table])
        only = all(code == 1 for _, code in search_of.refusals) and set(learned.barriers[table].values()) <= {1}
        if in_service and alone >= unread_table_after and only and not learned.was_given(table):
            learned.close(table, 1)
            return True
        return False


class _BlockSearch:
    """The values of one refused block in a row, and what was seen of them."""

    def __init__(self, learned: LearnedMap, layout: Layout, block: Block, code: int) -> None:
        self._learned = learned
        self.table = block.table
        self.atoms: list[list[Span]] = atoms_of(block.spans)
        self.found: list[Found] = []
        self.refusals: list[tuple[Interval, int]] = [((block.start, block.end), code)]
        # Where all was answered before, the map has changed, and what was seen then says nothing.
        self._trusts_answers = not learned.answered[block.table].covers(block.start, block.end)

    def block(self, first: int, last: int) -> Block:
        return block_of([span for atom in self.atoms[first : last + 1] for span in atom])

    def known(self, first: int, last: int) -> bool | None:
        block = self.block(first, last)
        if self._learned.is_refused(self.table, (block.start, block.end)):
            return False
        if self._trusts_answers and self._learned.answered[self.table].covers(block.start, block.end):
            return True
        return None

    def code_of(self, interval: Interval) -> int:
        """Return the code of the refusal of an interval, or of the shortest one that contains it."""
        around = [(end - start, code) for (start, end), code in self.refusals if start <= interval[0] and interval[1] <= end]
        return min(around)[1]


def atoms_of(spans: Sequence[Span]) -> list[list[Span]]:
    """Return spans in address order, those of the very same registers together: they can only fail together."""
    return [list(same) for _, same in groupby(spans, key=lambda span: (span.start, span.count))]
