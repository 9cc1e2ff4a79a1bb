"""The frames between worker and client come back as they were, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.worker_frames import DTYPES, SIZES, Answer, FrameError, Request, length_of, read_answer, read_request


@given(st.integers(1, 3), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 1), st.binary(max_size=99))
def test_requests_come_back(kind: int, model: int, columns: int, dtype: int, data: bytes) -> None:
    request = Request(kind, model, columns, dtype, data)
    framed = request.framed()
    assert length_of(framed[:4]) == len(framed) - 4
    assert read_request(framed[4:]) == request


@given(st.integers(1, 9), st.integers(0, 1), st.integers(0, 4))
def test_answers_come_back_in_whole_rows(columns: int, dtype: int, rows: int) -> None:
    answer = Answer(columns, dtype, bytes(rows * columns * SIZES[dtype]))
    assert read_answer(answer.framed()[4:]) == answer
    if columns * SIZES[dtype] > 1:
        with pytest.raises(FrameError):
            read_answer(answer.framed()[4:] + b"\0")


def test_refusals_come_back() -> None:
    refusal = Answer(0, 0, b"", "model_rows", "wanted 3")
    assert read_answer(refusal.framed()[4:]) == refusal


@given(st.binary(max_size=40))
def test_other_bytes_are_no_frame_or_a_harmless_one(body: bytes) -> None:
    for read in (read_request, read_answer):
        try:
            found = read(body)
        except FrameError:
            continue
        assert found.dtype < len(DTYPES)


@pytest.mark.parametrize("length", [0, 2**31, 2**32 - 1])
def test_lengths_are_bounded(length: int) -> None:
    with pytest.raises(FrameError):
        length_of(length.to_bytes(4, "little"))
