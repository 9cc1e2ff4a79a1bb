"""Split segments, deleted bodies, and the next epoch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger_client.archive import drop_bodies, split, split_closed
from ledger_client.disk import RealDisk
from ledger_client.entry import parse
from ledger_client.epochs import next_origin, open_next_epoch
from ledger_client.errors import CorruptError, SignerError
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader, epochs, ledger_folder
from ledger_client.recovery import BODIES_SUFFIX, ENTRIES_SUFFIX, segment_path
from ledger_client.verify import verify_ledger
from tests.rigs.evidence import EvidenceLog, policy_of
from tests.rigs.shim_ledger import ORIGIN, STATE, TINY, create, opened, prepared, signer
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run

FOLDER = ledger_folder(STATE, 1)


def play(story: Callable[[ShimDisk, VirtualClock], Awaitable[Any]]) -> Any:
    async def program(clock: VirtualClock) -> Any:
        disk = prepared(ShimDisk())
        await create(disk, clock)
        async with opened(disk, clock) as chain:
            for number in range(60):
                body = sha256(str(number).encode()).digest() * 4
                await chain.append(Kind.EVENT, ("witnessmark.example/test", 1, sha256(body).digest(), len(body)), body)
            await chain.checkpoint()
        return await story(disk, clock)

    return run(program, seed=1)


def contents(disk: ShimDisk) -> list[tuple[bytes, bytes | None]]:
    reader = LedgerReader(disk, STATE, 1)
    return [(reader.entry(seq), reader.body(seq)) for seq in range(reader.size())]


def test_a_split_ledger_reads_the_same() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        before = contents(disk)
        beside = LedgerReader(disk, STATE, 1)
        assert beside.size() == len(before)
        split = split_closed(disk, FOLDER)
        segments = LedgerReader(disk, STATE, 1).segments()
        assert [s for s, suffixes in segments.items() if suffixes == {ENTRIES_SUFFIX, BODIES_SUFFIX}] == split == list(segments)[:-1]
        assert split_closed(disk, FOLDER) == []
        assert contents(disk) == before
        assert beside.entry(1) == before[1][0]
        async with opened(disk.restart(), clock) as chain:
            assert chain.size == len(before) + 1

    play(story)


def test_deleted_bodies_are_withheld_and_the_chain_holds() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        before = contents(disk)
        first, second, *_rest = split_closed(disk, FOLDER)
        assert drop_bodies(disk, FOLDER, second)
        assert not drop_bodies(disk, FOLDER, second)
        with pytest.raises(ValueError, match="not split"):
            drop_bodies(disk, FOLDER, max(LedgerReader(disk, STATE, 1).segments()))
        after = contents(disk)
        assert [e for e, _b in after] == [e for e, _b in before]
        withheld = [seq for seq, (_e, body) in enumerate(after) if body is None]
        kinds = {seq: parse(entry).payload.kind for seq, (entry, _body) in enumerate(after)}
        assert withheld
        assert withheld[0] >= second
        assert not {Kind.RECEIPTS, Kind.SCHEMA} & {kinds[seq] for seq in withheld}
        assert all(after[seq] == before[seq] for seq in range(len(after)) if seq not in withheld)
        assert first == 0

    play(story)


def test_what_proves_times_and_names_tags_outlives_the_readings(tmp_path: Path) -> None:
    log = EvidenceLog().typical(6)
    folder = ledger_folder(log.write(tmp_path), 1)
    split(RealDisk(), folder, 0, log.size())
    assert drop_bodies(RealDisk(), folder, 0)
    reader = LedgerReader(RealDisk(), tmp_path, 1)
    report = verify_ledger(reader, policy_of())
    assert {name: c.status for name, c in report.claims.items() if c.status != "holds"} == {"withheld": "unknown"}
    assert report.claims["withheld"].count == 6
    assert reader.schema_at(reader.size()) == log.schema


def test_a_closed_segment_that_ends_early_is_not_split() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        handle = disk.open(segment_path(FOLDER, 0))
        disk.pwrite(handle, b"\xff", 4096 + 2000)
        disk.close(handle)
        with pytest.raises(CorruptError, match="segment_short"):
            split_closed(disk, FOLDER)
        assert segment_path(FOLDER, 0) in disk.image()

    play(story)


@pytest.mark.parametrize("suffix", [ENTRIES_SUFFIX, BODIES_SUFFIX])
def test_damage_in_a_split_file_is_noticed(suffix: str) -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        split_closed(disk, FOLDER)
        handle = disk.open(segment_path(FOLDER, 0, suffix))
        disk.pwrite(handle, b"\xff", 4096 + 100)
        disk.close(handle)
        with pytest.raises(CorruptError, match="record_invalid"):
            contents(disk)

    play(story)


def test_missing_entries_are_damage_and_no_end() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        split_closed(disk, FOLDER)
        disk.unlink(segment_path(FOLDER, 0, ENTRIES_SUFFIX))
        with pytest.raises(CorruptError, match="segment_missing"):
            LedgerReader(disk, STATE, 1).entry(0)

    play(story)


def test_the_next_epoch_names_the_old_head_and_the_old_one_is_over() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        old = LedgerReader(disk, STATE, 1)
        size = old.size()
        assert await open_next_epoch(disk, STATE, signer(disk), clock, shape=TINY) == 2
        assert epochs(disk, STATE) == [1, 2]
        genesis = parse(LedgerReader(disk, STATE, 2).entry(0)).payload
        assert genesis.detail[0] == next_origin(ORIGIN, 2) == "witnessmark.example/line-4/2"
        assert genesis.detail[4] == (ORIGIN, size, old.root_at(size))
        async with opened(disk, clock) as chain:
            assert (chain.epoch, chain.size) == (2, 2)
            await chain.checkpoint()
        with pytest.raises(SignerError, match="signer_rollback"):
            signer(disk).begin(1)

    play(story)


def test_a_head_that_the_operator_gives_is_the_one_that_is_named() -> None:
    async def story(disk: ShimDisk, clock: VirtualClock) -> None:
        given = (ORIGIN, 900, b"\x05" * 32)
        await open_next_epoch(disk, STATE, signer(disk), clock, head=given, shape=TINY)
        assert parse(LedgerReader(disk, STATE, 2).entry(0)).payload.detail[4] == given

    play(story)
