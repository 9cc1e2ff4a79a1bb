"""The book's files: the release before reads what this one wrote, and this one what any has written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ledger_client import cbor
from ledger_client.disk import write_atomically
from ledger_client.event_bodies import LABELS, LabelBody
from runtime.config_model import Models
from runtime.judgement.book import ModelBook
from runtime.judgement.desk import JudgementDesk
from runtime.judgement.label_file import OLD
from tests.rigs.judged import FOLDER, Judged, finding, judged, refused, run
from tests.simulation.disk import ShimDisk

BOOK, LABELLED = FOLDER / "book.cbor", FOLDER / "labelled.cbor"


def read(disk: ShimDisk, path: Any) -> Any:
    handle = disk.open(path, write=False)
    try:
        return cbor.decode(disk.pread(handle, 1 << 20, 0), size_max=1 << 20, what="file")
    finally:
        disk.close(handle)


def write(disk: ShimDisk, path: Any, value: Any) -> None:
    write_atomically(disk, path, cbor.encode(value))


def the_release_before_reads(book: Any) -> bool:
    """Its patterns, in words of this test: version 1, four parts, thirteen in a row, the labels exactly two lists."""
    version, epoch, seq, rows = book
    return (version, type(epoch), type(seq)) == (1, int, int) and all(_row(row) for row in rows)


def _row(row: list[Any]) -> bool:
    name, state, manifest, model, trust, since, cell, receipt, refusal, checked, told, seqs, labels = row
    good = isinstance(name, str) and state in {"off", "learning", "checking", "shadow", "armed"} and isinstance(since, int)
    good = good and all(each is None or len(each) == 32 for each in (manifest, model))
    good = good and (trust is None or len(trust) == 2) and all(each is None or isinstance(each, int) for each in (cell, receipt))
    good = good and (refusal is None or len(refusal) == 2) and all(len(each) == 2 for each in checked)
    good = good and all(len(each) == 4 for each in told) and all(isinstance(each, int) for each in seqs)
    onsets, given = labels
    return good and all(len(each) == 2 for each in onsets) and all(len(each) == 4 and each[3] in LABELS for each in given)


async def labelled(work: ThreadPoolExecutor) -> tuple[Judged, int]:
    """A line with a finding that Ana labelled, and the seq of the finding."""
    line = await judged(work=work)
    assert await refused(line.desk, finding(line)) == ""
    seq = line.log.size - 1
    await line.desk.record(LabelBody("line", line.kept.manifest_hash, seq, 5, 5, "normal", "ana"))
    await line.desk.save()
    return line, seq


async def begun_again(line: Judged, work: ThreadPoolExecutor) -> JudgementDesk:
    desk = JudgementDesk(line.log, line.log, line.desk.store._disk, FOLDER, line.clock, work, lambda: Models(enabled=True))
    await desk.open()
    return desk


def test_the_release_before_reads_the_book_of_this_one() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line, seq = await labelled(work)
        assert the_release_before_reads(read(line.desk.store._disk, BOOK))
        assert (await begun_again(line, work)).model_rows()[0]["labelled"] == [[seq, "normal", "ana", line.log.wall_ms]]

    run(scenario)


@pytest.mark.parametrize("told", ["nothing of it", "in the book"])
def test_a_book_of_any_earlier_build_is_read(told: str) -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line, seq = await labelled(work)
        disk = line.desk.store._disk
        book = read(disk, BOOK)
        if told == "in the book":
            book[3][0][12].append([[seq, "ana", 77]])
        write(disk, BOOK, book)
        disk.unlink(LABELLED)
        later = ModelBook(disk, FOLDER, 1)
        later.load()
        assert later.page("line").trust == line.desk.book.page("line").trust is not None
        assert later.page("line").labels.labelled() == [[seq, "normal", *(("ana", 77) if told == "in the book" else ("", 0))]]

    run(scenario)


def test_what_was_labelled_while_the_release_before_was_at_work_is_read_from_the_ledger() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line, seq = await labelled(work)
        disk = line.desk.store._disk
        before = read(disk, LABELLED)
        line.log.wall_ms += 5_000
        await line.desk.record(LabelBody("line", line.kept.manifest_hash, seq, 5, 5, "not_normal", "bo"))
        await line.desk.save()
        write(disk, LABELLED, before)  # it writes the book alone
        assert (await begun_again(line, work)).model_rows()[0]["labelled"] == [[seq, "not_normal", "bo", line.log.wall_ms]]

    run(scenario)


@pytest.mark.parametrize("bytes_", [b"", b"\x9f\x9f", b"\x84\x01\x01\x05\x81\x81\x01"])
def test_a_damaged_file_of_names_costs_names_only(bytes_: bytes) -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line, seq = await labelled(work)
        disk = line.desk.store._disk
        write_atomically(disk, LABELLED, bytes_)
        assert (await begun_again(line, work)).model_rows()[0]["labelled"] == [[seq, "normal", "", 0]]

    run(scenario)


def test_names_are_written_when_they_are_new_or_seen_long_ago() -> None:
    async def scenario(work: ThreadPoolExecutor) -> None:
        line, _ = await labelled(work)
        disk, book = line.desk.store._disk, line.desk.book
        first = read(disk, LABELLED)
        for seen, told in ((first[2] + OLD - 1, first[2]), (first[2] + OLD, first[2] + OLD)):
            book.save(seen)
            assert read(disk, LABELLED) == [1, 1, told, first[3]]

    run(scenario)
