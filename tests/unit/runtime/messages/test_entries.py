"""Entries in words: groups by their names, one full stop at most, nothing said of what did not happen."""

from __future__ import annotations

import pytest

from ledger_client.kinds import Kind
from runtime.messages.catalogue import catalogue, phrase
from runtime.messages.entries import describe


def test_gaps_name_the_group_and_are_punctuated_once() -> None:
    rows = [(1, 0, 15_000, "connect_failed", 31), (2, 0, 15_000, "no_answer", 3), (None, 0, 1_000, "evidence_behind", 2)]
    for lang in ("en", "zh"):
        text = describe(Kind.GAP, rows, lang, groups={1: "filler/fast"})
        assert text.count("filler/fast") == 1
        for cause in ("gpio_line_taken", "device_exception"):
            assert not set("{…（(") & set(describe(Kind.GAP, [(1, 0, 1, cause, 1)], lang)), "what is not known leaves no hole"
        assert not [pair for pair in (".;", ".:", "。;", "。；", "..") if pair in text]
    assert describe(Kind.GAP, rows[1:2]).startswith("Group 2: 3 scans")


RECEIPTS = (("a", 5, b"", b""), ("b", 5, b"", b""), ("c", 6, b"", b""))


@pytest.mark.parametrize(
    ("kind", "detail", "text"),
    [
        (Kind.CLOSE, ("stopped",), "Stopped in good order"),
        (Kind.BOOT, ("0.1.0", "sim", 1, 0), "Started after a stop without warning, version 0.1.0 on sim"),
        (Kind.BOOT, ("0.1.0", "sim", 0, 9), "Started, version 0.1.0 on sim, 9 bytes of an unfinished entry cut off"),
        (Kind.BATCH, (0, 5_000, 9, 0, 0, 70), "9 readings in 5.0 s, 70 bytes"),
        (Kind.BATCH, (0, 5_000, 9, 1, 2, 70), "10 readings in 5.0 s, 70 bytes, 1 bad, 2 dropped"),
        (Kind.GAP, ((1, 0, 0, "connect_failed", 1),), "Group 1: one scan missing: The device does not accept a connection"),
        (Kind.EVENT, ("https://witnessmark.example/event/finding", 1, b"", 0), "Finding of a model or its rules"),
        (Kind.EVENT, ("https://witnessmark.example/event/later", 1, b"", 0), "Event https://witnessmark.example/event/later, version 1"),
        (Kind.EVENT, ("urn:x", 2, b"", 0), "Event urn:x, version 2"),
        (Kind.RECEIPTS, (1, b"", RECEIPTS), "a, b confirmed the first 5 entries; c confirmed the first 6 entries"),
    ],
)
def test_what_happened_and_no_more(kind: int, detail: tuple[object, ...], text: str) -> None:
    assert describe(kind, detail) == text


def test_a_phrase_ends_without_its_full_stop() -> None:
    assert phrase("no_answer") + "." == catalogue("en")["no_answer"]
