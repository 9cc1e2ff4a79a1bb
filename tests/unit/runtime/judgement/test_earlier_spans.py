"""The times of an earlier model's scores as spans: joined, with their holes, and right after a clock that was set back."""

from __future__ import annotations

from ledger_client.event_bodies import ScoreReceipt
from runtime.judgement.score_query import others

A, B, NOW = b"a" * 32, b"b" * 32, b"c" * 32


def receipt(manifest: bytes, first: int, last: int) -> ScoreReceipt:
    """Return a receipt of cells of one second, [first, last) s."""
    count = last - first
    return ScoreReceipt("line", manifest, manifest, 1, 2, 1_000, ((first + 1, count),), (0.1,) * count, bytes(count), manifest)


def spans(*found: ScoreReceipt) -> list[list[int]]:
    return [[start // 1_000, end // 1_000] for start, end in others(list(found), NOW, 0, 10_000_000)]


def test_spans_are_joined_and_a_hole_stays() -> None:
    assert spans(receipt(A, 100, 110), receipt(A, 110, 120), receipt(B, 123, 130), receipt(B, 140, 150)) == [[100, 130], [140, 150]]
    assert spans(receipt(A, 100, 110), receipt(NOW, 110, 120)) == [[100, 110]]


def test_a_clock_that_was_set_back_turns_and_shrinks_none() -> None:
    assert spans(receipt(A, 1_000, 1_100), receipt(B, 800, 850), receipt(B, 850, 900)) == [[1_000, 1_100], [800, 900]]
    assert spans(receipt(A, 1_000, 1_100), receipt(B, 1_020, 1_030)) == [[1_000, 1_100]]
