"""Which encoding a table is in: the same for one of many pieces as for all of it at once, and a long one keeps nobody waiting."""

from __future__ import annotations

import asyncio
import re
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.tag_sheet import encodings
from runtime.tag_sheet.encodings import PIECE, guesses, is_common_gbk, is_western

WESTERN = re.compile(
    "([\x20-\x7e\t\r\n]|(?<![À-ÿ])[°µ²³±€](?![À-ÿ°µ²³±€])|[ÀÁÂÄÅÆÇÉÈÊËÍÑÓÖØÚÜ]*[ßàáâãäåæçèéêëìíîïñòóôõöøùúûüý]*(?![À-ÿ]))*"
)
"""All of a text at once: what is meant, but with a memory of 150 times the text."""
GBK = re.compile(rb"([\x00-\x7f]|[\xa1-\xf7][\xa1-\xfe])*")
MEGABYTE = 1 << 20

texts = st.lists(
    st.sampled_from([*(bytes([n]) for n in range(256)), b"caf\xe9 ", b"\xc9t\xe9", b"12\xb0 ", b"\xb5m", "温度".encode("gbk")])
).map(b"".join)


@given(texts | st.binary(), st.integers(2, 9))
def test_in_pieces_it_is_judged_as_at_once(data: bytes, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encodings, "PIECE", piece)
        assert is_western(data) is (WESTERN.fullmatch(data.decode("windows-1252", "replace")) is not None)
        assert is_common_gbk(data) is (GBK.fullmatch(data) is not None)


@pytest.mark.parametrize("at", [-1, 0, 1])
def test_what_stands_where_two_pieces_meet_is_seen(at: int) -> None:
    before = b"x" * (PIECE - 1 + at)
    assert guesses(before + b"\xe9 \xb0") == ["windows-1252"]
    assert guesses(before + "温度".encode("gbk")) == ["gbk"]
    for wrong in (b"\xe9\xc9", b"\xe9\xb0", b"\xb0\xe9", b"\xb0\xb0", b"\xe9\xd0"):
        assert not is_western(before + wrong)
    for wrong in (b"\xe9", b"\xe9x", b"\xe9\xff", b"\xf8\xa1"):
        assert not is_common_gbk(before + wrong)


@pytest.mark.parametrize("row", [b"caf\xe9 12\xb0 \r\n", b"\xc0", b"\xc0\xe0", b"\xe9\xe9\xe9\xe9 ", "温度,".encode("gbk"), b"x,\xb0\r\n"])
def test_a_table_of_megabytes_is_judged_beside_others_and_with_little_memory(row: bytes) -> None:
    data, worst = (row * (8 * MEGABYTE // len(row)))[: 8 * MEGABYTE], 0.0

    async def test() -> None:
        nonlocal worst
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as worker:
            judging = loop.run_in_executor(worker, guesses, data)
            while not judging.done():
                began = time.perf_counter()
                await asyncio.wait({judging}, timeout=0.005)
                worst = max(worst, time.perf_counter() - began - 0.005)

    asyncio.run(test())
    assert worst < 0.5, "before, held for the time that all of it takes, a second and more"
    tracemalloc.start()
    guesses(data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 40 * MEGABYTE, "an attempt at UTF-8, and a piece"
