"""What entries say of tags: order, quality, gaps, withheld and damaged bodies; the same on every reading of the ledger."""

from __future__ import annotations

from hashlib import sha256
from random import Random

import pytest

from ledger_client.event_bodies import MODEL, ModelBody
from ledger_client.heads import Heads
from ledger_client.kinds import Kind
from ledger_client.schema import SchemaState
from runtime.acquisition.poller import STOPPING
from runtime.judgement.follower import Follower, first_seq_at
from tests.rigs.batches import T0_MS, BatchOf, ScanOf, schema_of
from tests.rigs.small_log import SmallLog

UNCERTAIN, BAD = 0x40900000, 0x80050000


class LogReader:
    """A SmallLog as a reader gives it; bodies in `withheld` are gone."""

    def __init__(self, schema: SchemaState) -> None:
        self.log, self.schema, self.withheld = SmallLog(), schema, set[int]()

    def entry(self, seq: int) -> bytes:
        return self.log.entries[seq]

    def body(self, seq: int) -> bytes | None:
        return None if seq in self.withheld else self.log.bodies[seq]

    def schema_at(self, seq: int) -> SchemaState:
        return self.schema

    def heads(self, at: int) -> Heads:
        raise AssertionError(at)

    def batch(self, *scans: ScanOf) -> int:
        sealed = BatchOf(self.schema, list(scans)).seal()
        self.log.add(Kind.BATCH, sealed.detail, sealed.body)
        return self.log.size - 1


@pytest.fixture
def reader() -> LogReader:
    return LogReader(schema_of(2, 1))


def test_samples_come_by_time_group_and_column(reader: LogReader) -> None:
    reader.batch(
        ScanOf(2, T0_MS + 10, T0_MS + 1, [5.0]), ScanOf(1, T0_MS + 10, None, [1.0, 2.0]), ScanOf(1, T0_MS + 20, None, [1.5, 2.5]),
        ScanOf(2, T0_MS + 5, None, [4.0]),
    )  # fmt: skip
    taken = Follower(reader, 0, {1, 2, 3}).take()
    assert taken.samples == (
        (3, T0_MS + 5, 4.0, None), (1, T0_MS + 10, 1.0, None), (2, T0_MS + 10, 2.0, None), (3, T0_MS + 10, 5.0, T0_MS + 1),
        (1, T0_MS + 20, 1.5, None), (2, T0_MS + 20, 2.5, None),
    )  # fmt: skip
    assert taken.until_ms == T0_MS + 20


def test_only_good_numbers_are_values_and_nothing_is_zero(reader: LogReader) -> None:
    values = [(1.0, 0), (1.0, BAD), (1.0, UNCERTAIN), (None, 0), ("text", 0), (float("nan"), 0), (float("inf"), 0), (True, 0), (1 << 63, 0)]
    for i, (value, status) in enumerate(values):
        reader.batch(ScanOf(2, T0_MS + i, None, [value], [status]))
    follower = Follower(reader, 0, {3})
    assert [follower.take().samples[0][2] for _ in values] == [1.0, None, None, None, None, None, None, 1.0, float(1 << 63)]


def test_tags_that_nobody_asked_for_are_left_out(reader: LogReader) -> None:
    reader.batch(ScanOf(1, T0_MS, None, [1.0, 2.0]))
    assert Follower(reader, 0, {2}).take().samples == ((2, T0_MS, 2.0, None),)
    assert Follower(reader, 0).take().samples == ()


def test_a_gap_silences_its_group_and_a_gap_of_the_gateway_all(reader: LogReader) -> None:
    reader.log.add(Kind.GAP, ((1, T0_MS, T0_MS + 9, "timeout", 3), (None, T0_MS + 4, T0_MS + 5, "evidence_behind", 1)))
    assert Follower(reader, 0, {1, 3}).take().silent == ((1, T0_MS), (1, T0_MS + 4), (3, T0_MS + 4))


def test_a_gap_that_the_gateway_made_by_stopping_silences_nothing(reader: LogReader) -> None:
    reader.log.add(Kind.GAP, ((1, T0_MS, T0_MS + 9, STOPPING, 1), (2, T0_MS + 4, T0_MS + 5, "timeout", 1)))
    assert Follower(reader, 0, {1, 3}).take().silent == ((3, T0_MS + 4),)


def test_withheld_readings_are_said_and_so_are_damaged_ones(reader: LogReader) -> None:
    first = reader.batch(ScanOf(1, T0_MS, None, [1.0, 2.0]))
    second = reader.batch(ScanOf(1, T0_MS + 1, None, [1.0, 2.0]))
    reader.withheld.add(first)
    reader.log.bodies[second] = b"x" + reader.log.bodies[second][1:]
    follower = Follower(reader, 0, {1})
    taken = follower.take()
    assert (taken.withheld, taken.until_ms, taken.samples) == (True, T0_MS, ())
    assert follower.take().withheld


def test_a_clock_that_was_set_back_and_events_are_said(reader: LogReader) -> None:
    body = ModelBody("line", "off", "learn_interrupted").encode()
    reader.log.add(Kind.CLOCK, (T0_MS, T0_MS - 5000, 2, 4))
    reader.log.add(Kind.CLOCK, (T0_MS, T0_MS + 5000, 2, 4))
    reader.log.add(Kind.EVENT, (MODEL, 1, sha256(body).digest(), len(body)), body)
    reader.log.add(Kind.CLOSE, ("stopped",))
    reader.log.add(Kind.BOOT, ("0.1.0", "sim", 1, 0))
    follower = Follower(reader, 0, {1})
    assert [follower.take().set_back for _ in range(2)] == [True, False]
    event = follower.take().event
    assert isinstance(event, ModelBody)
    assert event.code == "learn_interrupted"
    closed, begun = follower.take(), follower.take()
    assert (closed.event, closed.begun, begun.begun) == (None, False, True)


def test_the_same_entries_say_the_same_wherever_reading_begins(reader: LogReader) -> None:
    rng = Random(7)
    for i in range(30):
        reader.batch(*(ScanOf(rng.choice((2,)), T0_MS + 100 * i + rng.randrange(90), None, [rng.random()]) for _ in range(3)))
    whole = Follower(reader, 0, {3})
    all_taken = [whole.take() for _ in range(30)]
    for start in (1, 12, 29):
        later = Follower(reader, start, {3})
        assert [later.take() for _ in range(start, 30)] == all_taken[start:]


def test_a_batch_of_nothing_says_nothing(reader: LogReader) -> None:
    sealed = BatchOf(reader.schema, []).seal()
    reader.log.add(Kind.BATCH, sealed.detail, sealed.body)
    taken = Follower(reader, 0, {1}).take()
    assert taken.until_ms is None
    assert taken.samples == ()


def test_an_entry_is_found_by_its_time(reader: LogReader) -> None:
    for _ in range(20):
        reader.log.add(Kind.CLOSE, ("x",))
    base = 1_700_000_000_000  # SmallLog writes entry n at base + n
    assert [first_seq_at(reader, base + at, 20) for at in (-5, 0, 1, 7, 19, 99)] == [0, 0, 1, 7, 19, 20]
