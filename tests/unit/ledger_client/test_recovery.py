"""Opening after a torn write, a torn roll-over, damage and rubbish."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.entry import parse
from ledger_client.errors import CorruptError, FormatError, LedgerError, StoreError
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader, ledger_folder
from ledger_client.records import HEADER_UNIT, SEGMENT_MAGIC, pack_header, pack_record, parse_header, record_at
from ledger_client.recovery import read_newest, recover, scan, segment_path
from tests.rigs.shim_ledger import STATE, create, opened, prepared
from tests.simulation.disk import SECTOR, Image, ShimDisk
from tests.simulation.loop import VirtualClock, run

FOLDER = ledger_folder(STATE, 1)
FIRST = segment_path(FOLDER, 0)


def play(story: Callable[[ShimDisk, VirtualClock], Awaitable[Any]], disk: ShimDisk | None = None) -> Any:
    async def program(clock: VirtualClock) -> Any:
        used = disk or prepared(ShimDisk())
        if disk is None:
            await create(used, clock)
        return await story(used, clock)

    return run(program, seed=1, for_s=3600)


def closed_ledger(entries: int) -> Image:
    async def story(disk: ShimDisk, clock: VirtualClock) -> Image:
        async with opened(disk, clock) as chain:
            for number in range(entries):
                await chain.append(Kind.CLOSE, (f"{number} " + "x" * 900,))
        return disk.image()

    return play(story)


@cache
def small_image() -> Image:
    return closed_ledger(4)


def test_every_subset_of_the_last_record_s_sectors_is_cut_or_whole() -> None:
    """2^4 states: the record of about 1,100 bytes spans up to four sectors, the first one shared with its neighbour."""
    image = closed_ledger(2)
    data = image[FIRST]
    assert data is not None
    whole = read_newest(ShimDisk.from_image(image), FOLDER)
    last = whole.places[-1]
    sectors = range(last.offset // SECTOR, -(-last.end // SECTOR))
    before = data[: last.offset] + bytes(len(data) - last.offset)
    cut = 0
    for kept in itertools.product((False, True), repeat=len(sectors)):
        torn = bytearray(before)
        for sector, keep in zip(sectors, kept, strict=True):
            if keep:
                torn[sector * SECTOR : (sector + 1) * SECTOR] = data[sector * SECTOR : (sector + 1) * SECTOR]
        disk = ShimDisk.from_image(image | {FIRST: bytes(torn)})
        seen, _handle = recover(disk, FOLDER)
        assert seen.fault is None
        assert seen.size == (whole.size if all(kept) else whole.size - 1)
        assert (seen.torn_bytes > 0) == (any(kept) and not all(kept))
        cut += seen.size < whole.size
        assert not any((disk.image()[FIRST] or b"")[seen.end :])
    assert cut == 2 ** len(sectors) - 1


def test_the_boot_entry_tells_what_was_cut() -> None:
    image = closed_ledger(2)
    data = bytearray(image[FIRST] or b"")
    end = read_newest(ShimDisk.from_image(image), FOLDER).end
    data[end : end + 700] = b"\xa5" * 700

    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        async with opened(disk, clock) as chain:
            assert parse(LedgerReader(disk, STATE, 1).entry(chain.size - 1)).payload.detail == ("1.0", "sim", 0, 700)

    play(story, ShimDisk.from_image(image | {FIRST: bytes(data)}))


def test_a_copy_of_an_old_record_inside_a_torn_body_is_no_alarm() -> None:
    """Who controls a body could put any old record there; only an entry that is still to come would prove damage."""
    image = closed_ledger(3)
    data = bytearray(image[FIRST] or b"")
    seen = read_newest(ShimDisk.from_image(image), FOLDER)
    old = seen.places[1]
    torn = b"\xff\xff\0\0" + bytes(4) + data[old.offset : old.end]
    data[seen.end : seen.end + len(torn)] = torn
    again = read_newest(ShimDisk.from_image(image | {FIRST: bytes(data)}), FOLDER)
    assert (again.fault, again.torn_bytes > 0) == (None, True)


def test_a_named_segment_without_a_header_or_records_is_passed_over() -> None:
    image = closed_ledger(3)
    empty = segment_path(FOLDER, read_newest(ShimDisk.from_image(image), FOLDER).size)
    disk = ShimDisk.from_image(image | {empty: b"WMSEG1\n" + bytes(12_000)})
    seen, _handle = recover(disk, FOLDER)
    assert (seen.header.first_seq, seen.fault) == (0, None)
    assert empty not in disk.image()


def test_a_damaged_header_in_front_of_records_is_an_alarm() -> None:
    image = closed_ledger(3)
    data = bytearray(image[FIRST] or b"")
    data[20] ^= 1
    with pytest.raises(CorruptError, match="segment_header_damaged"):
        recover(ShimDisk.from_image(image | {FIRST: bytes(data)}), FOLDER)

    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        async with opened(disk, clock) as chain:
            assert (chain.state, chain.size) == ("read_only", 0)
            for request in (chain.append(Kind.CLOSE, ("x",)), chain.checkpoint()):
                with pytest.raises(StoreError):
                    await request

    play(story, ShimDisk.from_image(image | {FIRST: bytes(data)}))


@given(st.integers(0, 2000), st.integers(0, 7))
def test_no_bit_flip_of_a_ledger_passes_as_good(position: int, bit: int) -> None:
    """Whatever a flip hits: the good part is a true prefix, and more than the last record is never cut."""
    image = small_image()
    data = bytearray(image[FIRST] or b"")
    whole = read_newest(ShimDisk.from_image(image), FOLDER)
    offset = HEADER_UNIT + position % (whole.end - HEADER_UNIT)
    data[offset] ^= 1 << bit
    seen = read_newest(ShimDisk.from_image(image | {FIRST: bytes(data)}), FOLDER)
    # Padding is the one place where a flip changes nothing that is read.
    untouched = seen.size == whole.size
    assert untouched or seen.fault is not None or seen.size == whole.size - 1
    assert seen.leaves == whole.leaves[: len(seen.leaves)]


@given(st.binary(max_size=300), st.integers(0, 200))
def test_rubbish_is_refused_in_bounded_time(rubbish: bytes, at: int) -> None:
    header = read_newest(ShimDisk.from_image(small_image()), FOLDER).header
    raw = pack_header(SEGMENT_MAGIC, header)
    assert parse_header(SEGMENT_MAGIC, raw) == (header, len(raw))
    for data in (rubbish, raw[:at] + rubbish, raw[:at] + rubbish + raw[at + len(rubbish) :]):
        try:
            parsed = parse_header(SEGMENT_MAGIC, data)[0]
        except FormatError:
            continue
        assert parsed == header
    record_at(rubbish, at % (len(rubbish) + 1))
    assert scan(raw + rubbish, header, len(raw)).size == header.first_seq


def test_a_reader_beside_a_writer_sees_whole_entries_only() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        reader = LedgerReader(disk, STATE, 1)
        bound = LedgerReader(disk, STATE, 1, head=lambda: 4)
        async with opened(disk, clock) as chain:
            chain.subscribe(lambda size: sizes.append((size, reader.size(), bound.size())))
            sizes: list[tuple[int, int, int]] = []
            async with asyncio.TaskGroup() as tasks:
                for number in range(50):
                    tasks.create_task(chain.append(Kind.CLOSE, (f"{number}",)))
            assert sizes == [(n, n, min(n, 4)) for n in range(3, 53)]
            assert reader.subtree(0, 32) == chain.subtree(0, 32)
            with pytest.raises(IndexError):
                reader.entry(chain.size)

    play(story)


def test_nothing_there_is_said() -> None:
    with pytest.raises(LedgerError, match="ledger_missing"):
        LedgerReader(prepared(ShimDisk()), STATE, 1).size()


@pytest.mark.parametrize("entry", [b"\x01", b"\xd2\x80", b"\xd2\x84\x40\xa0\x41\x01\x40", b"\xa0", b"\xd2\x84\x40\xa0\x40\x40"])
def test_a_record_with_a_right_checksum_and_no_entry_in_it_is_damage_and_no_crash(entry: bytes) -> None:
    image = dict(small_image())
    data = image[FIRST]
    assert data is not None
    end = read_newest(ShimDisk.from_image(image), FOLDER).end
    record = pack_record(entry, b"")
    image[FIRST] = data[:end] + record + data[end + len(record) :]
    fault = read_newest(ShimDisk.from_image(image), FOLDER).fault
    assert fault is not None
    assert fault.code in {"record_invalid", "record_misfit"}
