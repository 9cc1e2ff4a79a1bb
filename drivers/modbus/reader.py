"""Reads tag groups of one unit: the safe plan first, then whatever can be learned in the time that is left.

Room: ground, driver `modbus`. `driver.py` makes one per unit and gives it the way to ask. A unit that has no secrets left costs one
request per planned block and nothing else. It never publishes what was read directly after an unproven hole (see `proof.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from hashlib import sha256
from typing import Final

from drivers.driver import Clock, DriverError
from drivers.memory import Memory
from drivers.modbus.alone import sent_causes
from drivers.modbus.config import DeviceOptions
from drivers.modbus.exception_codes import address_codes, busy_codes, gateway_codes
from drivers.modbus.group_plan import GroupPlan, make_plan, status_of
from drivers.modbus.layout import Layout
from drivers.modbus.learned import LearnedMap, from_plain
from drivers.modbus.planned_read import Pace, read_planned
from drivers.modbus.planner import Block, block_of, plan_blocks
from drivers.modbus.proving import Prover
from drivers.modbus.request import RefusalError
from drivers.modbus.searching import Lengths, Searcher, atoms_of
from drivers.modbus.suspicions import Suspicions
from drivers.modbus.turn import Ask, Asker, Owe, Seclude, Turn
from drivers.reading import Scan, Status, TagGroup

learn_share: Final = 0.5
"""Of a group's period: how long its read may go on for the sake of learning."""
busy_tries: Final = 2
busy_pause_s: Final = 0.02
identify_ms: Final = 600_000
"""How often the firmware is asked for on one connection; besides when what was answered is refused."""
identify_again_ms: Final = 10_000
CONNECTED: Final = -1
"""In place of a time: it is to be asked at once, since a connection was made after it was asked last."""
reads_max: Final = 2
"""So often one group is read for one due where the unit became another while it was read."""
in_service_ms: Final = 60_000
"""A unit that gave data so lately is in service: what it refuses now, it refuses for good."""
refused_whole_max: Final = 3
"""So many reads in a row may be refused as a whole by a unit that answered before; then its map is searched, not its state blamed."""
silent_reads_max: Final = 3
"""Of so many reads in a row that brought nothing, one begins with a short request: some units keep silent when asked for too much, or
refuse all of it (exception 4) for one value that they cannot give."""

Identity = Callable[[float], Awaitable[bytes]]
"""Until when -> bytes that are the same as long as the unit is. Raises RefusalError, DriverError."""


class UnitReader:
    """The plans of one unit's groups, and what it taught."""

    def __init__(
        self,
        options: DeviceOptions,
        clock: Clock,
        ask: Ask,
        resync: Callable[[], None],
        memory: Memory,
        place: str = "",
        identity: Identity | None = None,
        alone: Seclude = lambda _until: nullcontext(),
        tell: Owe = lambda _owed: None,
        connection: Callable[[], object] = lambda: None,
    ) -> None:
        """`ask` sends one request; `resync` makes sure that no old answer can come; `memory` holds what was learned of the unit at `place`.

        `identity` tells what the unit is, where the options want that of it; `alone` keeps others from asking it, `tell` says what
        they have to ask first, `connection` what the last request went over. Nothing is asked yet.
        """
        self._options, self._clock = options, clock
        self._ask = Asker(ask, resync, alone, tell, connection)
        self._pace = Pace()
        self._plans: dict[int, GroupPlan] = {}
        self._heard_ms: int | None = None
        table, start, count = options.firmware_registers
        self._firmware = Block(table, start, count, ())
        self._identity = identity if options.firmware == "identification" else self._firmware_registers if table else None
        self._identify_at_ms = 0
        self._memory, self._place = memory, place
        self._begin(self._recalled())

    def _recalled(self) -> LearnedMap:
        """Return the map that was kept, if it is of this place and makes sense; else an empty one."""
        facts = self._memory.recall()
        if facts is not None:
            try:
                known = from_plain(facts)
            except ValueError as error:
                self._memory.reject(str(error))
            else:
                if known.place == self._place:
                    return known
        return LearnedMap(self._place)

    def _begin(self, learned: LearnedMap) -> None:
        """Go on with another map."""
        lengths = Lengths()
        self._heard_ms = None  # what it refuses before it gave anything may be that it starts
        self._forgotten, self._kept_version = self._memory.forgotten, learned.version
        self.learned = learned
        self._searcher = Searcher(learned, lengths, self._ask)
        self._prover = Prover(learned, lengths, self._ask, self._clock)
        self._suspicions = Suspicions(learned, self._clock)
        self._plans.clear()

    async def _firmware_registers(self, until: float) -> bytes:
        return await self._ask(self._firmware, until)

    async def _identify(self, identity: Identity, until: float) -> None:
        """Ask which firmware the unit has. Another one than the map was learned of: the map is learned anew.

        Raises DriverError where it could not even be asked on a new connection: until it is, nothing is believed.
        """
        try:
            found = sha256(await identity(until)).hexdigest()[:16]
        except (RefusalError, DriverError) as error:
            if self._identify_at_ms == CONNECTED and isinstance(error, DriverError) and error.cause not in sent_causes:
                raise
            self._identify_at_ms = self._clock.mono_ms() + identify_again_ms  # the plan's own requests tell what is wrong
            return
        self._identify_at_ms = self._clock.mono_ms() + identify_ms  # now: asking may have made the connection
        if not self.learned.firmware:
            self.learned.firmware = found
            self.learned.version += 1
        elif self.learned.firmware != found:
            self._begin(LearnedMap(self._place, found, given=self.learned.ever_given()))
            self._memory.keep(self.learned.plain())

    def reconnected(self) -> None:
        """The connection is another: so may be the unit, or its firmware. It is asked before anything read since then is believed."""
        self._identify_at_ms = CONNECTED

    def note_other_request(self) -> None:
        """The unit was asked something else (a write): no proof may be under way over it."""
        self._ask.sent += 1

    async def read(self, group: TagGroup, until: float) -> Scan:
        """Read all blocks of the group by `until` (event loop time).

        A block that fails gives its own tags a bad status and is read last the next time, so that it cannot starve the
        others. Raises DriverError when the unit answered nothing at all, or became another again and again.
        """
        for _ in range(reads_max):
            if (scan := await self._read_once(group, until)) is not None:
                return scan
        raise DriverError("bad_answer", Status.BAD_DECODING_ERROR, detail="another firmware with every connection")

    async def _read_once(self, group: TagGroup, until: float) -> Scan | None:
        """Read the group; None when the unit turned out to be another meanwhile: what was read over its old map's holes is not believed."""
        await self._ask.settle(until)
        if self._memory.forgotten != self._forgotten:
            self._begin(LearnedMap(self._place))
        if self._identity is not None and self._clock.mono_ms() >= self._identify_at_ms:
            await self._identify(self._identity, until)
            if until - asyncio.get_running_loop().time() < self._pace.least_s:
                raise DriverError("unit_busy", Status.BAD_TIMEOUT)  # it was asked what it is, and another time what it holds
        self._prover.wake()
        plan, learned = self._plan(group), self.learned
        arrangement = plan.arrangement
        now = asyncio.get_running_loop().time()
        turn = Turn(until, min(until, now + group.period_ms / 1000 * learn_share), plan.is_settled, arrangement.reads)
        turn.answer_s, turn.least_s = min(self._options.request_timeout_s, until - now), self._pace.least_s
        await self._ask_first(plan, turn)
        await read_planned(self._ask, plan, turn, learned, self._pace)
        if await self._became_another(learned, until):
            return None
        if turn.data_count:
            self._heard_ms = self._clock.mono_ms()
            plan.troubles.answered(turn)
        troubles = plan.troubles
        if turn.is_fruitless:
            troubles.fruitless += 1
        elif turn.data_count or turn.refused:
            troubles.fruitless = 0
        troubles.is_crowded = turn.cut_at is not None
        if not turn.refused and turn.cut_at is None:
            troubles.unsearched = False
        if turn.lost_at is not None or turn.cut_at is not None or troubles.late:
            troubles.late.note(turn, is_first_fruitless=troubles.fruitless == 1, period_ms=group.period_ms)
            plan.rearrange(turn)
        troubled = turn.refused or turn.odd or turn.silent or self._suspicions or plan.has_alone
        if plan.is_settled and not troubled and turn.lost is None:
            return plan.layout.scan(arrangement, turn.answers, self._clock.wall_ms())
        await self._learn(plan, turn)
        if await self._became_another(learned, until):
            return None
        if self.learned.version != self._kept_version:
            self._kept_version = self.learned.version
            self._memory.keep(self.learned.plain())
        if turn.lost is not None and not turn.was_heard:
            raise turn.lost
        pieces = [*zip(turn.reads, turn.answers, strict=True), *turn.pieces]
        newest = self._plan(group).arrangement.unreadable
        return plan.layout.scan_of(pieces, newest, self._clock.wall_ms())

    async def _became_another(self, learned: LearnedMap, until: float) -> bool:
        """Tell whether the unit that answers on a new connection is another one than the map was learned of that a read went by.

        A read-back under way at the same time may have found that out.
        """
        if self._identity is not None and self._identify_at_ms == CONNECTED:
            await self._identify(self._identity, until)
        if self.learned is learned:
            return False
        self._ask.resync()  # this read may have gone over a hole of the old map, and the next answer be spoiled
        return True

    async def _ask_first(self, plan: GroupPlan, turn: Turn) -> None:
        """Ask what comes before the plan, now and then. Raises DriverError when all time went and nothing was heard."""
        troubles = plan.troubles
        if troubles.fruitless % silent_reads_max == silent_reads_max - 1:
            await self._ask_for_little(plan, turn)
        elif troubles.is_crowded and not troubles.lost_came_first and self._is_in_service():  # there is no time behind the plan
            before = self._ask.sent
            await self._ask_for_one_lost(turn, plan.layout, is_first=True)
            troubles.lost_came_first = self._ask.sent > before
        else:
            troubles.lost_came_first = False
        if turn.lost is None or turn.was_heard:
            return
        if turn.lost.cause == "unit_unreachable" or not turn.has_time():  # this is how the read ends
            troubles.fruitless += turn.lost.cause in {*sent_causes, "unit_unreachable"}
            raise turn.lost

    async def _ask_for_little(self, plan: GroupPlan, turn: Turn) -> None:
        """Ask for one value of a longer block, another one each time, to see whether the unit keeps silent for length or for one of them.

        Every second time for one that was lost, where one is due.
        """
        times = plan.troubles.fruitless // silent_reads_max
        if times % 2:
            await self._ask_for_one_lost(turn, plan.layout)
        blocks = sorted((read.block for read in turn.reads), key=lambda block: (block.table, block.start))  # not in the order of the turns
        longer = [atoms for block in blocks if len(atoms := atoms_of(block.spans)) > 1]
        if longer and turn.has_time():
            atoms = longer[times % len(longer)]
            little = plan.layout.compile(block_of(atoms[times // len(longer) % len(atoms)]))
            try:
                turn.take(little, await self._ask(little.block, turn.until))
                turn.is_sounding = True
            except RefusalError as refusal:
                if refusal.code in gateway_codes:
                    turn.lost = DriverError("unit_unreachable", status_of(refusal.code), code=refusal.code)
            except DriverError as error:
                turn.lost = error

    async def _learn(self, plan: GroupPlan, turn: Turn) -> None:
        """Make the best of a read that was not whole, and of a map that is not known."""
        await self._ask_again(turn)
        self._suspicions.judge(plan, turn)
        if any(code in address_codes and self._gave(turn.reads[at].block) for at, code in turn.refused):
            self._identify_at_ms = min(self._identify_at_ms, 0)  # it gave this before: another map? CONNECTED stays, and is before 0
        if self._may_search(plan, turn):
            plan.troubles.unsearched = not turn.has_time()
            refused = [(turn.reads[at], code) for at, code in turn.refused if code in address_codes]
            await self._searcher.run(turn, plan.layout, refused, in_service=self._is_in_service())
        await self._ask_for_lost(turn, plan.layout)
        if turn.refused:
            await self._read_the_rest(plan, turn)
        if turn.data_count:
            await self._prover.run(turn, self._plan(plan.layout.group), lambda: self._plan(plan.layout.group))
        if self.learned.has_passing(silent=False):
            self._suspicions.wait()
        self._suspicions.tell_time()

    async def _ask_again(self, turn: Turn) -> None:
        """Ask once more, after all others, for what a busy unit put off or what came in the wrong form; twice if it must be."""
        reads = turn.reads
        waiting = [at for at, code in turn.refused if code in busy_codes] + turn.odd
        for _ in range(busy_tries):
            if not waiting or asyncio.get_running_loop().time() + busy_pause_s >= turn.until:
                return
            await asyncio.sleep(busy_pause_s)
            left = []
            for at in waiting:
                try:
                    turn.take(reads[at], await self._ask(reads[at].block, turn.until))
                except RefusalError as refusal:
                    if refusal.code in busy_codes:
                        left.append(at)
                except DriverError:
                    return
            waiting = left

    def _may_search(self, plan: GroupPlan, turn: Turn) -> bool:
        """Tell whether refusals are to be taken as the map's.

        A unit that gave all of this before and now refuses everything has another trouble (a program is being loaded, say), unless
        it goes on.
        """
        blocks = [turn.reads[at].block for at, code in turn.refused if code in address_codes]
        if not blocks:
            return False
        if turn.data_count or plan.troubles.unsearched or not all(self._gave(block) for block in blocks):
            return True
        refused = plan.troubles.refused
        if any(refused.get(block) for block in blocks):
            return True
        refused.update((block, False) for block in blocks)
        plan.troubles.refused_whole += 1
        return plan.troubles.refused_whole > refused_whole_max

    def _gave(self, block: Block) -> bool:
        """Tell whether the unit answered all of a block before."""
        return self.learned.answered[block.table].covers(block.start, block.end)

    def _is_in_service(self) -> bool:
        return self._heard_ms is not None and self._clock.mono_ms() - self._heard_ms < in_service_ms

    async def _ask_for_lost(self, turn: Turn, layout: Layout) -> None:
        """Ask again for a value that was answered once and then refused, when its pause is over; for the others as long as they come."""
        if turn.reads and not turn.was_heard:
            return  # nothing is heard of it just now; where it is silent `_ask_for_little` asks, once in a while
        while turn.has_time() and await self._ask_for_one_lost(turn, layout):
            if not turn.may_learn():
                return

    async def _ask_for_one_lost(self, turn: Turn, layout: Layout, *, is_first: bool = False) -> bool:
        """Ask for the lost value that is due longest; True when it came. What keeps the unit from being asked is the read's own fault.

        `is_first`: nothing else of this read was asked, and the unit is in service.
        """
        due = self._suspicions.due_lost(layout, at_once=self._heard_ms is None)
        if due is None:
            return False
        block, lost = due
        try:
            data = await self._ask(block, turn.until)
        except RefusalError as refusal:
            was_asked = refusal.code not in gateway_codes and refusal.code not in busy_codes
            if refusal.code in gateway_codes:
                turn.lost = turn.lost or DriverError("unit_unreachable", status_of(refusal.code), code=refusal.code)
            else:
                turn.was_heard = True
            is_answer = was_asked or is_first or turn.data_count > 0
        except DriverError as error:
            turn.lost = turn.lost or error
            is_answer = (is_first or turn.data_count > 0) and error.cause in sent_causes
        else:
            turn.take(layout.compile(block), data)
            self.learned.reopen(block.table, lost)
            self._suspicions.found_again(block.table, lost)
            return True
        if is_answer:
            self._suspicions.still_lost(block.table, lost, in_service=self._is_in_service())
        else:
            self._suspicions.put_off(block.table, lost, at_once=not turn.data_count)
        return False

    async def _read_the_rest(self, plan: GroupPlan, turn: Turn) -> None:
        """Read what refused blocks held besides the values at fault, as far as nothing brought it yet."""
        group = plan.layout.group
        given = {i for read, _ in turn.pieces for i in read.decoder.order}
        asked = {at for at, code in turn.refused if code in address_codes}
        refused = {turn.reads[at].block for at in asked}
        open_spans = {span.index for at in asked for span in turn.reads[at].block.spans} - given
        newest = self._plan(group)
        wanted = [span for span in newest.readable if span.index in open_spans]
        for block in plan_blocks(wanted, self.learned.rules(self._options, hopeful=False)):
            if not turn.has_time() or not turn.data_count:
                return
            if block in refused or not self.learned.answered[block.table].covers(block.start, block.end):
                continue  # not searched yet: the next read goes on with it
            try:
                turn.take(plan.layout.compile(block), await self._ask(block, turn.until))
            except RefusalError as refusal:
                if refusal.code in address_codes:
                    self.learned.note_refusal(block.table, (block.start, block.end), refusal.code, lasting=False)
            except DriverError:
                return

    def _plan(self, group: TagGroup) -> GroupPlan:
        """Return the group's plan, made anew for a changed group or after something was learned."""
        known = self._plans.get(group.uid)
        if known is not None and known.layout.group is group and known.version == self.learned.version:
            return known
        try:
            if known is None or known.layout.group is not group:
                layout, known = Layout(group, self._options), None
            else:
                layout = known.layout
            plan = make_plan(layout, self.learned, self._options, self._prover.may_hope, known)
        except ValueError as error:
            raise DriverError("address_unusable", Status.BAD_CONFIGURATION_ERROR, detail=str(error)) from error
        self._plans[group.uid] = plan
        return plan
