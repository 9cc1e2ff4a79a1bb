"""Columns that nobody asked for are passed over exactly: what is read of a body is what a whole reading of it gives."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.body_reader import Section, Some, read_body
from ledger_client.errors import FormatError
from ledger_client.skip import skip_columns
from tests.rigs.batches import BatchOf, batches, every_codec, exactly


def shown(sections: list[Section]) -> list[tuple[object, ...]]:
    return [
        (c.descriptor.uid, s.times[scan], s.sources[scan], status, exactly(value))
        for s in sections
        for c in s.columns
        for scan, status, value in zip(c.scans, c.statuses, c.values, strict=True)
    ]


def check(batch: BatchOf, uids: set[int]) -> None:
    sealed = batch.seal()
    whole = read_body(sealed.body, sealed.detail, batch.schema)
    wanted = [row for row in shown(list(whole.sections)) if row[0] in uids]
    assert shown(Some(batch.schema, uids).read(sealed.body, sealed.detail)) == wanted


@pytest.mark.parametrize("span", [1, 16])
@pytest.mark.parametrize("uid", range(1, 13))
def test_each_codec_is_passed_over(span: int, uid: int) -> None:
    check(every_codec(span), {uid})


@given(batches(), st.sets(st.integers(1, 13), min_size=1))
def test_any_tags_of_any_batch(batch: BatchOf, uids: set[int]) -> None:
    check(batch, uids)


@given(st.binary(max_size=60), st.binary(min_size=1, max_size=4), st.integers(1, 1024))
def test_whatever_the_bytes_are_the_place_is_within_them_or_it_is_refused(data: bytes, codecs: bytes, scans: int) -> None:
    with contextlib.suppress(FormatError):
        assert 0 <= skip_columns(data, 0, codecs, scans) <= len(data)


def test_a_body_that_is_not_the_entrys_is_refused() -> None:
    batch = every_codec(1)
    sealed = batch.seal()
    with pytest.raises(FormatError, match="body_hash_mismatch"):
        Some(batch.schema, {1}).read(sealed.body[:40] + bytes([sealed.body[40] ^ 1]) + sealed.body[41:], sealed.detail)
