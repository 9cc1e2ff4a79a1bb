"""Lines of a gauge: cut anywhere they are the same, and none that may be half of one, or two in one, is ever a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.manual.line_framer import LineFramer, line_bytes_max, long_pause_ms, pause_ms

LINES = [b"123.4 mm\r\n", b"1 mm\r", b"\n", b"LOT-7\n", b"\xff\xfe\n", b"x" * line_bytes_max + b"\n", b"x" * (line_bytes_max + 1) + b"\n"]


def rested() -> LineFramer:
    """At the beginning of a line: nothing came for a while after the port was opened."""
    framer = LineFramer("ascii")
    assert framer.waits_ms == pause_ms
    assert framer.paused() == []
    assert framer.waits_ms is None
    return framer


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False) if start < end]


@given(st.lists(st.sampled_from(LINES), max_size=8), st.lists(st.integers(0, 1500), max_size=12))
def test_lines_are_the_same_wherever_they_are_cut(lines: list[bytes], cuts: list[int]) -> None:
    framer, found, data = rested(), list[str | None](), b"".join(lines)
    for at, piece in enumerate(pieces_of(data, cuts)):
        found += framer.fed(piece, 1_000 + at * (pause_ms - 1))
    bare = [line.strip() for line in data.replace(b"\r", b"\n").split(b"\n") if line.strip()]
    assert found == [line.decode() if line.isascii() and len(line) <= line_bytes_max else None for line in bare]


@given(st.sampled_from([b"123.4 mm\r\n", b"9\n"]), st.integers(0, 12), st.lists(st.integers(0, 20), max_size=3))
def test_a_port_that_is_opened_within_a_line_gives_no_part_of_it(line: bytes, at: int, cuts: list[int]) -> None:
    framer, found = LineFramer("ascii"), list[str | None]()
    for piece in pieces_of(line[at:] + line, cuts):
        found += framer.fed(piece, 1_000)
    whole = line.decode().strip()
    assert found == ([None, whole] if line[at:].strip() else [whole] if line[at:] else [None]), "where it began a line nobody can tell"


@given(st.integers(1, 7), st.integers(0, 9), st.booleans())
def test_a_pause_within_a_line_spoils_it_and_a_long_one_ends_it(at: int, more: int, long: bool) -> None:
    framer, line = rested(), b"123.4 mm\r\n"
    assert framer.fed(line[:at], 1_000) == []
    assert framer.waits_ms == pause_ms
    assert framer.paused() == [None], "told while it stands open"
    assert framer.waits_ms == long_pause_ms
    if long:
        assert framer.paused() == []
        assert framer.fed(line, 9_000) == ["123.4 mm"]
    else:
        assert framer.fed(line[at:], 2_000) == [], "told already"
        assert framer.fed(line * more, 2_010) == ["123.4 mm"] * more


def test_a_loop_that_was_late_takes_no_two_bursts_for_one_line() -> None:
    framer = rested()
    assert framer.fed(b"45", 1_000) == []
    assert framer.fed(b"123.4 mm\r\n123.5 mm\r\n", 1_000 + pause_ms) == [None, "123.5 mm"]


@pytest.mark.parametrize("sent", [b"\x00" * 5_000, b" " * (line_bytes_max + 1)])
def test_what_never_ends_is_told_once(sent: bytes) -> None:
    framer = rested()
    assert framer.fed(sent, 1_000) == [None]
    assert framer.fed(sent, 1_010) == []
    assert framer.fed(b"1 mm\n2 mm\n", 1_020) == ["2 mm"]


def test_blanks_that_a_pause_follows_are_nothing() -> None:
    framer = rested()
    assert framer.fed(b"  ", 1_000) == []
    assert framer.paused() == []
    assert framer.waits_ms is None
    assert framer.fed(b" 1 mm\n", 5_000) == [" 1 mm"]


@pytest.mark.parametrize(
    ("encoding", "sent"), [("windows-1252", b"\xb0\n"), ("cp437", b"\xf8\n"), ("utf-8", b"\xc2\xb0\n"), ("gbk", b"\xa1\xe3\n")]
)
def test_characters_of_an_instrument(encoding: str, sent: bytes) -> None:
    framer = LineFramer(encoding)
    framer.paused()
    assert framer.fed(sent, 1_000) == ["°"]
    assert framer.fed(b"\x81\n", 1_010) == (["ü"] if encoding == "cp437" else [None])
