"""The history's own store: rollups, and which entry holds which group's readings when, in pages. Rebuildable from the ledger.

Room: hall, history. `follow` feeds it entries in order up to the durable head; `trends`, `raw` and `query` ask. What was read since the
last page is in memory (`Gathered`), is part of every answer, and is read from the ledger again after a crash: so the flash is written
to once in half an hour, and not once for every batch. Longer spans are made of pages of shorter ones when enough of those have come
together. Old pages go by age and by the size of all; what they said is then drawn from longer spans.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self, TypeVar

import structlog

from ledger_client.body_reader import Section
from ledger_client.disk import Disk, RealDisk, write_atomically
from ledger_client.float_columns import CodecHints
from runtime.history.catalogue import Catalogue, EventRow, GapRow, PageRow, SpoiledIndexError
from runtime.history.gather import Gathered, Held
from runtime.history.page import Block, DamagedPageError, Page, held_block, page_bytes, read_held, read_strip, strip_block
from runtime.history.rollups import SPANS_MS, Strip

HELD: Final = 0
"""The level of pages that say which entries hold the readings of a group."""
DAY_MS: Final = 86_400_000
PAGE_MS: Final = 1_800_000
ROWS_MAX: Final = 400_000
"""Rollups gathered before a page is written, however short the time: about 20 MB."""
WIDEN_MS: Final[Mapping[int, int]] = MappingProxyType({SPANS_MS[0]: DAY_MS // 4, SPANS_MS[1]: 7 * DAY_MS})
"""Span -> how much time of its pages is put together into one page of the next longer span."""
WIDEN_PAGES: Final = 48
"""The same by their number: where starts and stops have made many small ones."""
DIRECTORIES_KEPT: Final = 96
AGED_AT_ONCE: Final = 4
"""Pages that go by age at one commit: a clock that is in another century for a moment must not take all of them along."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept, in pages and catalogue together.

    `keep_ms`: level -> for how long; a level that is not named stays until the size is reached.
    """

    size_bytes_max: int = 1 << 30
    keep_ms: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({SPANS_MS[0]: 7 * DAY_MS, SPANS_MS[1]: 90 * DAY_MS}))


class Index:
    """The pages, their catalogue, and what is in memory; `read_to` is the first entry that it has not been given yet."""

    def __init__(self, path: Path, origin: str, limits: Limits | None = None, disk: Disk | None = None) -> None:
        self._limits, self._disk = limits or Limits(), disk or RealDisk()
        self.catalogue = Catalogue(path, origin, self._limits.size_bytes_max)
        self._folder = path.with_suffix(".pages")
        self._gathered, self._hints = Gathered(), CodecHints()
        self._events: list[EventRow] = []
        self._gaps: list[GapRow] = []
        self._pages: list[PageRow] = []
        self._forgotten: dict[int, int] = {}
        self._open_pages: OrderedDict[str, Page] = OrderedDict()
        self._since_ms: int | None = None
        self.read_to = 0

    def __enter__(self) -> Self:
        """Open; files that the catalogue does not name go, and where one is missing all is built again. Raises OSError, sqlite3 errors."""
        self._disk.mkdir(self._folder)
        self.catalogue.__enter__()
        self._pages, self._forgotten = self.catalogue.pages(), self.catalogue.forgotten()
        if not {page.name for page in self._pages} <= set(self._disk.names(self._folder)):
            self.begin_anew()
        self._sweep()
        self.read_to = self.catalogue.next_seq
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.catalogue.__exit__(kind, error, trace)

    @property
    def spoiled(self) -> SpoiledIndexError | None:
        """The damage that was met, None when there is none."""
        return self.catalogue.spoiled

    @property
    def rows(self) -> int:
        """Rollups in memory, 48 bytes each."""
        return self._gathered.rows

    @property
    def size_bytes(self) -> int:
        """Bytes of all pages and of the catalogue."""
        return sum(page.size for page in self._pages) + self.catalogue.size_bytes

    def begin_anew(self) -> None:
        """Forget everything: what was kept is not of this ledger."""
        self.catalogue.begin_anew()
        self._pages, self._forgotten, self.read_to = [], {}, 0
        self._sweep()
        self._open_pages.clear()
        self._gathered, self._since_ms = Gathered(), None

    def take(self, seq: int, section: Section) -> None:
        """Count in one section of the batch of entry `seq`."""
        self._gathered.take(seq, section)

    def add_event(self, seq: int, wall_ms: int, kind: int, detail: bytes | None = None, told: bytes | None = None) -> None:
        """Note an entry that is not a batch."""
        self._events.append((seq, wall_ms, kind, detail, told))

    def add_gaps(self, rows: list[GapRow]) -> None:
        """Note when a group, or all, were not read."""
        self._gaps += rows

    def seen(self, next_seq: int, wall_ms: int) -> None:
        """Say that everything before `next_seq` has been given, and what time it was then. Stores what happened, but no page."""
        if self._events or self._gaps:
            self.catalogue.note(self._events, self._gaps)
            self._events.clear()
            self._gaps.clear()
        self.read_to = next_seq
        if self._since_ms is None or wall_ms < self._since_ms:
            self._since_ms = wall_ms

    def is_due(self, wall_ms: int) -> bool:
        """Whether a page should be written now."""
        return self._gathered.rows >= ROWS_MAX or (self._since_ms is not None and wall_ms - self._since_ms >= PAGE_MS)

    def write(self) -> Iterator[None]:
        """Write what was gathered as pages, in short steps; take nothing meanwhile. Raises OSError and what `commit` raises."""
        first, gathered, added = self.catalogue.next_seq, self._gathered, []
        self._hints.next_batch()
        blocks: list[Block] = []
        for uid in sorted(gathered.strips):
            if gathered.strips[uid]:
                blocks.append(self._block_of(uid, gathered.strips[uid], SPANS_MS[0]))
                yield
        for level, found in ((SPANS_MS[0], blocks), (HELD, [held_block(uid, held) for uid, held in sorted(gathered.held.items())])):
            if found:
                added.append(self._write_page(level, first, self.read_to, found))
                yield
        self._commit(added, [], self.read_to)
        self._gathered, self._since_ms = Gathered(), None

    def widen(self) -> Iterator[None]:
        """Make longer spans of what has come together, in short steps. Raises as `write`."""
        for level, longer in pairwise(SPANS_MS):
            yield from self._widen(level, longer)

    def strip(self, uid: int, span_ms: int, t0_ms: int, t1_ms: int) -> Strip:
        """Return the rollups of one tag over spans that touch [t0, t1], in order. Raises SpoiledIndexError, OSError."""
        found, low_ms = Strip(), t0_ms - span_ms + 1
        for level in reversed(SPANS_MS[: SPANS_MS.index(span_ms) + 1]):
            for page in self._pages:
                if page.level == level and (level == span_ms or not page.widened):
                    data = self._block(page, uid, low_ms, t1_ms)
                    if data is not None:
                        part = self._read(read_strip, data, level)
                        found.extend(part) if level == span_ms else found.add_all(part.rows(), span_ms)
        if (fresh := self._gathered.strips.get(uid)) is not None:
            found.add_all(fresh.rows(), span_ms)
        return found.in_order().between(low_ms, t1_ms)

    def batches(self, group_uid: int, t0_ms: int, t1_ms: int, after: int = -1) -> Iterator[int]:
        """Yield seqs behind `after` of batches with readings of the group in [t0, t1], in the order of the ledger.

        A page is read when its turn comes. Raises SpoiledIndexError, OSError.
        """
        for held in self._held(group_uid, t0_ms, t1_ms, after):
            for seq, a, b in zip(held.seqs, held.first_ms, held.last_ms, strict=True):
                if seq > after and b >= t0_ms and a <= t1_ms:
                    yield seq

    def _held(self, group_uid: int, t0_ms: int, t1_ms: int, after: int) -> Iterator[Held]:
        for page in self._pages:
            if page.level == HELD and page.to_seq > after + 1 and (data := self._block(page, group_uid, t0_ms, t1_ms)) is not None:
                yield self._read(read_held, data)
        if (fresh := self._gathered.held.get(group_uid)) is not None:
            yield fresh

    def reaches(self, level: int, t0_ms: int) -> bool:
        """Whether nothing of a level from t0 on has been let go."""
        return t0_ms > self._forgotten.get(level, -1)

    def _sweep(self) -> None:
        """Remove files that the catalogue does not name."""
        for name in set(self._disk.names(self._folder)) - {page.name for page in self._pages}:
            self._disk.unlink(self._folder / name)

    def _block(self, row: PageRow, number: int, t0_ms: int, t1_ms: int) -> bytes | None:
        if row.t1_ms < t0_ms or row.t0_ms > t1_ms:
            return None
        try:
            page = self._open_pages.get(row.name)
            if page is None:
                page = self._open_pages[row.name] = Page(self._folder / row.name)
                if len(self._open_pages) > DIRECTORIES_KEPT:
                    self._open_pages.popitem(last=False)
            return page.block(number, t0_ms, t1_ms)
        except (DamagedPageError, FileNotFoundError) as error:
            self.catalogue.spoiled = SpoiledIndexError(f"{row.name}: {error}")
            raise self.catalogue.spoiled from error

    def _read(self, reader: Callable[..., T], *args: Any) -> T:
        try:
            return reader(*args)
        except DamagedPageError as error:
            self.catalogue.spoiled = SpoiledIndexError(str(error))
            raise self.catalogue.spoiled from error

    def _widen(self, level: int, longer: int) -> Iterator[None]:
        """Put the pages of a level that have come together into one of the next longer span."""
        rows = [page for page in self._pages if page.level == level and not page.widened]
        if not rows or (max(p.t1_ms for p in rows) - min(p.t0_ms for p in rows) < WIDEN_MS[level] and len(rows) < WIDEN_PAGES):
            return
        t0_ms, t1_ms = min(p.t0_ms for p in rows), max(p.t1_ms for p in rows)
        blocks: list[Block] = []
        for uid in sorted({number for row in rows for number in self._directory(row).numbers}):
            strip = Strip()
            for row in rows:
                if (data := self._block(row, uid, t0_ms, t1_ms)) is not None:
                    strip.add_all(self._read(read_strip, data, level).rows(), longer)
                    yield
            blocks.append(self._block_of(uid, strip, longer))
        page = self._write_page(longer, rows[0].from_seq, rows[-1].to_seq, blocks)
        yield
        self._commit([page], [row.name for row in rows], self.catalogue.next_seq)

    def _block_of(self, uid: int, strip: Strip, span_ms: int) -> Block:
        return strip_block(uid, strip, span_ms, self._hints)

    def _directory(self, row: PageRow) -> Page:
        self._block(row, 0, row.t0_ms, row.t1_ms)
        return self._open_pages[row.name]

    def _write_page(self, level: int, from_seq: int, to_seq: int, blocks: list[Block]) -> PageRow:
        name = f"{level // 1000}s-{from_seq:012}-{to_seq:012}.page" if level else f"held-{from_seq:012}-{to_seq:012}.page"
        data = page_bytes(blocks)
        write_atomically(self._disk, self._folder / name, data)
        return PageRow(name, level, from_seq, to_seq, min(b[1] for b in blocks), max(b[2] for b in blocks), len(data))

    def _commit(self, added: list[PageRow], widened: list[str], next_seq: int) -> None:
        pages = [replace(page, widened=True) if page.name in widened else page for page in self._pages] + added
        gone = self._too_much(pages)
        self.catalogue.commit(added, widened, gone, next_seq)
        for page in gone:
            self._forgotten[page.level] = max(page.t1_ms, self._forgotten.get(page.level, -1))
            self._open_pages.pop(page.name, None)
            self._disk.unlink(self._folder / page.name)
        self._pages = sorted((page for page in pages if page not in gone), key=lambda page: page.from_seq)
        if gone:
            structlog.get_logger("history").info("history_pages_let_go", count=len(gone), size_bytes=sum(page.size for page in gone))

    def _too_much(self, pages: list[PageRow]) -> list[PageRow]:
        """Return the pages that age or size no longer allow; of the shortest span first, and none that nothing longer was made of yet."""
        newest = max((page.t1_ms for page in pages), default=0)
        keep = self._limits.keep_ms
        gone = [p for p in pages if p.level in keep and p.widened and p.t1_ms < newest - keep[p.level]][:AGED_AT_ONCE]
        size = self.catalogue.size_bytes + sum(page.size for page in pages) - sum(page.size for page in gone)
        for level in (*SPANS_MS[:-1], HELD, SPANS_MS[-1]):
            for page in pages:
                if size <= self._limits.size_bytes_max:
                    return gone
                if page.level == level and page not in gone and (page.widened or level in {HELD, SPANS_MS[-1]}):
                    gone.append(page)
                    size -= page.size
        return gone
