"""The chain on a disk in memory: order, roll-over, schema, reserve, and what each disk error does."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger_client.chain import Chain
from ledger_client.checkpoint import parse_checkpoint
from ledger_client.details import EMPTY_BODY_HASH
from ledger_client.entry import ZERO_HASH, parse
from ledger_client.errors import FormatError, SignerError, StoreError
from ledger_client.kinds import Kind
from ledger_client.merkle import consistency_path, consistent, leaf_hash, root_of
from ledger_client.note import device_note_key, parse_note, verified_by
from ledger_client.reader import LedgerReader, ledger_folder
from ledger_client.receipt import AKIND_TLOG, Receipt, receipts_entry
from ledger_client.recovery import segment_path
from ledger_client.schema import Descriptor, GroupRow, SchemaState
from tests.rigs.shim_ledger import ORIGIN, STATE, create, opened, prepared, signer
from tests.rigs.small_log import key_of
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run

Story = Callable[[ShimDisk, VirtualClock], Awaitable[Any]]


def play(story: Story) -> Any:
    async def program(clock: VirtualClock) -> Any:
        disk = prepared(ShimDisk(asyncio.get_running_loop().block))  # type: ignore[attr-defined]
        await create(disk, clock)
        return await story(disk, clock)

    return run(program, seed=1, for_s=3600)


def event(number: int, size: int = 200) -> tuple[int, tuple[Any, ...], bytes]:
    body = sha256(str(number).encode()).digest() * (size // 32)
    return Kind.EVENT, ("witnessmark.example/test", 1, sha256(body).digest(), len(body)), body


def schema(*uids: int) -> SchemaState:
    rows = {u: Descriptor(u, "plant/line/machine", f"filler/t{u}", "bar", "float64", None, "holding:1", "") for u in uids}
    return SchemaState({1: GroupRow(1, "filler", "fast", 100, "poll", tuple(uids))}, rows)


def check_ledger(disk: ShimDisk, size: int) -> list[bytes]:
    """The independent small checker: seq, prev and signature of every entry."""
    reader = LedgerReader(disk, STATE, 1)
    raws = list(reader.entries(0, size))
    prev = ZERO_HASH
    for seq, raw in enumerate(raws):
        entry = parse(raw)
        assert (entry.seq, entry.payload.prev) == (seq, prev)
        assert entry.verify_signature(key_of(1).public)
        prev = entry.hash
    assert len(raws) == size == reader.size()
    return raws


def test_entries_are_chained_across_segments_and_restarts() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        seen: list[int] = []
        async with opened(disk, clock) as chain:
            chain.subscribe(seen.append)
            for number in range(100):
                appended = await chain.append(*event(number))
                assert appended.seq == chain.size - 1
                assert appended.hash == chain.head_hash
            root, size = chain.root(), chain.size
        assert seen == list(range(3, 103))
        raws = check_ledger(disk, size)
        assert root == root_of([leaf_hash(raw) for raw in raws])
        assert len(LedgerReader(disk, STATE, 1).segments()) >= 4
        async with opened(disk.restart(), clock) as chain:
            assert chain.tree_ready
            path = consistency_path(chain.subtree, 37, chain.size)
            assert consistent(37, chain.size, root_of([leaf_hash(raw) for raw in raws[:37]]), chain.root(), path)
            boot = parse(LedgerReader(disk, STATE, 1).entry(size)).payload
            assert (boot.kind, boot.boot, boot.detail) == (Kind.BOOT, 3, ("1.0", "sim", 1, 0))
            await chain.append(Kind.CLOSE, ("stop",))
        async with opened(disk.restart(), clock) as chain:
            assert parse(LedgerReader(disk, STATE, 1).entry(chain.size - 1)).payload.detail == ("1.0", "sim", 0, 0)

    play(story)


def test_nothing_is_told_before_the_flush() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        async with opened(disk, clock) as chain:
            disk.faults.flush_s = 2.0
            told: list[int] = []
            chain.subscribe(told.append)
            async with asyncio.TaskGroup() as tasks:
                waiting = tasks.create_task(chain.append(*event(1)))
                await clock.sleep_until_mono(clock.mono_ms() + 1900)
                assert (told, chain.size, waiting.done()) == ([], 2, False)
                await clock.sleep_until_mono(clock.mono_ms() + 200)
                assert (told, chain.size, waiting.done()) == ([3], 3, True)

    play(story)


def test_a_cancelled_caller_leaves_a_whole_entry() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        async with opened(disk, clock) as chain:
            disk.faults.flush_s = 0.5
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await chain.append(*event(1))
            await chain.append(*event(2))
            assert chain.size == 4
        check_ledger(disk, 4)

    play(story)


def test_a_failed_flush_takes_those_behind_it_with_it() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        async with opened(disk, clock) as chain:
            await chain.append(*event(0))
            disk.faults.flush_s = 0.1
            outcomes = []
            async with asyncio.TaskGroup() as tasks:
                asked = [tasks.create_task(outcome(chain, number)) for number in range(6)]
                await clock.sleep_until_mono(clock.mono_ms() + 250)
                disk.faults.fail_sync_at = 1
            outcomes = [task.result() for task in asked]
            good = outcomes.count("stored")
            assert outcomes == ["stored"] * good + ["disk_error"] * (6 - good)
            assert 0 < good < 6
            assert chain.size == 3 + good
        disk.faults.flush_s = 0
        async with opened(disk.restart(), clock) as chain:
            assert chain.state == "ok"
            check_ledger(disk, chain.size)

    async def outcome(chain: Chain, number: int) -> str:
        try:
            await chain.append(*event(number))
        except StoreError as error:
            return error.code
        return "stored"

    play(story)


def test_each_segment_states_its_schema() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        async with opened(disk, clock) as chain:
            assert await chain.append_schema(schema(1, 2)) is not None
            for number in range(60):
                await chain.append(*event(number))
                if number == 40:
                    await chain.append_schema(schema(1, 2, 3))
                    assert await chain.append_schema(schema(1, 2, 3)) is None
            reader = LedgerReader(disk, STATE, 1)
            for first in list(reader.segments())[1:]:
                payload = parse(reader.entry(first)).payload
                assert (payload.kind, payload.detail[3]) == (Kind.SCHEMA, 1)
            assert reader.schema_at(2) == SchemaState()
            assert reader.schema_at(30) == schema(1, 2)
            assert reader.schema_at(chain.size) == schema(1, 2, 3)
        async with opened(disk.restart(), clock) as chain:
            assert chain.schema == schema(1, 2, 3)

    play(story)


def test_a_body_larger_than_a_segment_gets_one_of_its_own() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        async with opened(disk, clock) as chain:
            kind, detail, body = event(1, 200_000)
            appended = await chain.append(kind, detail, body)
            await chain.append(*event(2))
            assert LedgerReader(disk, STATE, 1).body(appended.seq) == body

    play(story)


def test_what_does_not_fit_the_format_is_refused_before_it_is_signed() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        async with opened(disk, clock) as chain:
            kind, detail, body = event(1)
            for wrong in ((kind, detail, body[1:]), (kind, detail[:3], body), (77, (), b""), (Kind.CLOSE, ("x" * 70_000,), b"")):
                with pytest.raises(FormatError):
                    await chain.append(*wrong)
            with pytest.raises(FormatError):
                await chain.append(Kind.SCHEMA, (0, EMPTY_BODY_HASH, ZERO_HASH, 1))
            assert (chain.size, chain.state) == (2, "ok")

    play(story)


def test_checkpoints_are_notes_of_the_durable_size() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        async with opened(disk, clock) as chain:
            await chain.append(*event(1))
            note = parse_note(await chain.checkpoint())
            assert verified_by(note, [device_note_key(ORIGIN, key_of(1).public)])
            checkpoint = parse_checkpoint(note.text)
            assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (ORIGIN, chain.size, chain.root())

    play(story)


@pytest.mark.parametrize("fault", ["fail_sync_at", "fail_write_at", "read_only"])
def test_a_disk_error_stops_the_chain_for_good(fault: str) -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        async with opened(disk, clock) as chain:
            await chain.append(*event(1))
            size = chain.size
            await asyncio.sleep(0)
            setattr(disk.faults, fault, fault == "read_only" or 1)
            for _attempt in range(2):
                with pytest.raises(StoreError) as caught:
                    await chain.append(*event(2))
                assert caught.value.code == ("disk_read_only" if fault == "read_only" else "disk_error")
            assert (chain.state, chain.size) == ("failed", size)
            with pytest.raises(StoreError):
                await chain.checkpoint()
            disk.faults.read_only = False
        async with opened(disk.restart(), clock) as chain:
            assert chain.state == "ok"
            check_ledger(disk, chain.size)

    play(story)


def test_a_full_disk_can_still_say_so_and_goes_on_when_there_is_space() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        async with opened(disk, clock) as chain:
            disk.faults.capacity_bytes = 20 << 10
            number = 0
            with pytest.raises(StoreError) as caught:
                for number in range(200):
                    await chain.append(*event(number))
            assert (caught.value.code, chain.state, chain.disk_full) == ("disk_full", "ok", True)
            gap = ((None, 1, 2, "disk_full", 1),)
            await chain.append(Kind.GAP, gap, reserve=True)
            with pytest.raises(StoreError):
                await chain.append(*event(number))
            disk.faults.capacity_bytes = None
            await chain.append(*event(number))
            assert not chain.disk_full
            check_ledger(disk, chain.size)

    play(story)


def test_damage_in_front_of_good_records_is_never_cut() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        async with opened(disk, clock) as chain:
            for number in range(5):
                await chain.append(*event(number))
        path = segment_path(ledger_folder(STATE, 1), 0)
        handle = disk.open(path)
        disk.pwrite(handle, b"\xff", 4096 + 900)
        disk.close(handle)
        before = disk.image()[path]
        async with opened(disk.restart(), clock) as chain:
            assert (chain.state, chain.fault is not None and chain.fault.code) == ("read_only", "record_damaged")
            with pytest.raises(StoreError):
                await chain.append(*event(9))
        assert disk.image()[path] == before

    play(story)


def test_the_signer_refuses_a_ledger_older_than_what_it_signed() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        async with opened(disk, clock) as chain:
            await chain.append(*event(1))
            old = {p: d for p, d in disk.image().items() if p.suffix == ".wmlog"}
            await chain.append(*event(2))
            await chain.checkpoint()
        rolled_back = ShimDisk.from_image(disk.image() | old)
        async with opened(rolled_back, clock) as chain:
            assert (chain.state, chain.fault is not None and chain.fault.code) == ("read_only", "signer_rollback")
            with pytest.raises(SignerError):
                await chain.append(*event(3))

    play(story)


def test_a_lost_index_is_built_again_beside_the_running_chain() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        async with opened(disk, clock) as chain:
            for number in range(60):
                await chain.append(*event(number))
            expected = chain.subtree(0, 32)
        image = {p: d for p, d in disk.image().items() if "index" not in p.parts}
        again = ShimDisk.from_image(image)
        async with opened(again, clock) as chain:
            await chain.append(*event(61))
            while not chain.tree_ready:
                with pytest.raises(StoreError):
                    chain.subtree(0, 32)
                await asyncio.sleep(0)
            assert chain.subtree(0, 32) == expected
            assert chain.subtree(chain.size - 1, 1) == leaf_hash(LedgerReader(again, STATE, 1).entry(chain.size - 1))

    play(story)


def test_time_never_runs_backwards_within_a_boot_and_receipts_are_named() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        async with opened(disk, clock) as chain:
            clock.reboot()
            appended = await chain.append(*event(1))
            receipts = [Receipt(AKIND_TLOG, name, 2, chain.root(), b"", 1) for name in ("w1", "w2")]
            await chain.append(Kind.RECEIPTS, *receipts_entry(receipts))
            await chain.append(*event(2))
            reader = LedgerReader(disk, STATE, 1)
            before, after = (parse(reader.entry(appended.seq + i)).payload for i in (-1, 0))
            assert (before.boot, before.mono_ms) == (after.boot, after.mono_ms)
            assert [parse(reader.entry(appended.seq + i)).payload.seen for i in (0, 1, 2)] == [None, None, receipts[1].hash]

    play(story)


def test_creating_twice_is_refused_and_opening_nothing_too() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        with pytest.raises(StoreError) as caught:
            await create(disk, clock)
        assert caught.value.code == "ledger_exists"
        empty = prepared(ShimDisk())
        with pytest.raises(StoreError) as caught:
            async with Chain.open(empty, STATE, signer(empty), clock, version="1", board="sim"):
                pass
        assert caught.value.code == "ledger_missing"

    play(story)


class _BadIndex(ShimDisk):
    """A disk that cannot read one of the index's files any more."""

    def open(self, path: Path, *, create: bool = False, write: bool = True) -> int:
        if path.name == "tree.0" and not create:
            raise OSError(errno.EIO, "unreadable")
        return super().open(path, create=create, write=write)


def test_an_unreadable_index_is_built_again_and_stops_nothing() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        async with opened(disk, clock) as chain:
            for _ in range(60):
                await chain.append(*event(1))
            expected = chain.subtree(0, 32)
        again = _BadIndex.from_image(disk.image())
        async with opened(again, clock) as chain:
            assert (chain.state, chain.fault) == ("ok", None)
            await chain.append(*event(2))
            async with asyncio.timeout(60):
                while not chain.tree_ready:
                    await asyncio.sleep(0.01)
            assert chain.subtree(0, 32) == expected

    play(story)
