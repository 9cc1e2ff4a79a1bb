"""Hostile bodies: whatever the bytes, a FormatError or the truth, and never more than bounded time and memory.

The mutations go inside the compression and the hash (the detail is made to fit), so that they reach the deep parsers: this is
what a device with a stolen key could sign. WITNESSMARK_SEED replays a run.
"""

from __future__ import annotations

import random
import time
import tracemalloc
import zlib
from collections.abc import Callable
from hashlib import sha256

import pytest

from ledger_client import cbor
from ledger_client.body import read_body
from ledger_client.deflate import deflate
from ledger_client.errors import FormatError
from ledger_client.leaves import disclose, parse_disclosure, root_of_disclosure
from ledger_client.schema import SchemaState
from tests.rigs.batches import SECRET, T0_MS, every_codec, exactly, schema_of
from tests.rigs.mutations import mutated


def refit(detail: tuple[object, ...], inner: bytes) -> tuple[bytes, tuple[object, ...]]:
    body = SECRET + deflate(inner)
    return body, (*detail[:5], len(body), sha256(body).digest(), *detail[7:])


@pytest.mark.parametrize("span", [1, 16])
def test_a_mutated_body_is_refused_or_says_the_same(span: int, count: Callable[[int, int, int], int], seed: int) -> None:
    rng = random.Random(seed)
    batch = every_codec(span)
    sealed = batch.seal()
    inner = zlib.decompress(sealed.body[32:], -15)
    for _ in range(count(300, 20_000, 200_000)):
        body, detail = refit(sealed.detail, mutated(rng, inner))
        try:
            read = read_body(body, detail, batch.schema, check_root=True)
        except FormatError:
            continue
        rows = [(r.descriptor.uid, r.time_ms, r.source_ms, r.status, exactly(r.value)) for r in read.readings()]
        assert sorted(rows, key=repr) == batch.expected()


def test_mutated_sections_that_fit_their_cbor_are_refused_or_say_the_same(count: Callable[[int, int, int], int], seed: int) -> None:
    """Here the CBOR around stays whole, so that nearly every mutation reaches the column parsers."""
    rng = random.Random(seed)
    batch = every_codec(16)
    sealed = batch.seal()
    value = cbor.decode(zlib.decompress(sealed.body[32:], -15), size_max=1 << 20, what="inner")
    deep = 0
    for _ in range(count(300, 20_000, 200_000)):
        section = list(value[2][0])
        place = rng.choice((2, 3, 4, 5, 5, 5, 5))
        section[place] = mutated(rng, section[place])
        body, detail = refit(sealed.detail, cbor.encode([1, value[1], [section, value[2][1]]]))
        try:
            read = read_body(body, detail, batch.schema)
        except FormatError:
            continue
        deep += 1
        if read.root(16) == sealed.detail[7]:
            rows = [(r.descriptor.uid, r.time_ms, r.source_ms, r.status, exactly(r.value)) for r in read.readings()]
            assert sorted(rows, key=repr) == batch.expected()
    assert deep, "the mutations no longer reach past the parsers"


def test_random_bytes_are_refused(count: Callable[[int, int, int], int], seed: int) -> None:
    rng = random.Random(seed)
    batch = every_codec(1)
    sealed = batch.seal()
    for _ in range(count(200, 5_000, 50_000)):
        noise = rng.randbytes(rng.randrange(200))
        for body in (noise, SECRET + noise, SECRET + deflate(noise)):
            detail = (*sealed.detail[:5], len(body), sha256(body).digest(), *sealed.detail[7:])
            with pytest.raises(FormatError):
                read_body(body, detail, batch.schema)


def test_a_mutated_schema_body_is_refused_or_hangs_together(count: Callable[[int, int, int], int], seed: int) -> None:
    rng = random.Random(seed)
    state = schema_of(3, 2)
    inner = zlib.decompress(state.full_body(), -15)
    for _ in range(count(300, 20_000, 200_000)):
        body = deflate(mutated(rng, inner)) if rng.random() < 0.8 else mutated(rng, state.full_body())
        try:
            found = SchemaState().apply(body, full=True)
        except FormatError:
            continue
        assert all(uid in found.descriptors for group in found.groups.values() for uid in group.tag_uids)
        assert (found.state_hash == state.state_hash) == (found == state)


def test_a_mutated_disclosure_leads_elsewhere_or_shows_the_same(count: Callable[[int, int, int], int], seed: int) -> None:
    rng = random.Random(seed)
    batch = every_codec(16)
    sealed = batch.seal()
    shown = disclose(sealed.body, sealed.detail, batch.schema, 2, T0_MS + 500 + batch.scans[5].time_ms % 10)
    raw = cbor.encode(shown.row())
    for _ in range(count(300, 20_000, 200_000)):
        try:
            found = parse_disclosure(cbor.decode(mutated(rng, raw), size_max=4096, what="disclosure"))
            root = root_of_disclosure(found)
        except FormatError:
            continue
        if root == sealed.detail[7]:
            assert (found.descriptor, found.readings) == (shown.descriptor, shown.readings)


def hostile(sections: list[list[object]], readings: int) -> tuple[bytes, tuple[object, ...]]:
    body, detail = refit((0, 0, readings, 0, 0, 0, b"", bytes(32), 1), cbor.encode([1, 0, sections]))
    return body, detail


WIDE, CONSTANTS = bytes([7]) * 1024, bytes([1, 0, 0]) * 1024
ONE_SCAN = [1, 1, b"\0", b"", WIDE, CONSTANTS]


def narrow(codec: int, data: bytes) -> list[object]:
    """A section of 64 scans of which only the first column's data matter."""
    return [1, 64, bytes(64), b"", bytes([codec]) * 1024, data]


def zeros() -> tuple[bytes, tuple[object, ...]]:
    context = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = SECRET + b"".join([context.compress(bytes(1 << 20)) for _ in range(100)] + [context.flush()])
    return stream, (0, 0, 9, 0, 0, len(stream), sha256(stream).digest(), bytes(32), 1)


BOMBS: dict[str, Callable[[], tuple[bytes, tuple[object, ...]]]] = {
    "inflates to 100 MB": zeros,
    "more readings than allowed": lambda: hostile([ONE_SCAN] * 300, 1 << 20),
    "more readings than it says": lambda: hostile([ONE_SCAN] * 300, 9),
    "more sections than allowed": lambda: hostile([ONE_SCAN] * 4097, 1 << 18),
    "more scans than allowed": lambda: hostile([[1, 1 << 40, *ONE_SCAN[2:]]], 1 << 18),
    "runs without end": lambda: hostile([narrow(0x81, bytes([0, 0]) + b"\xff" * 9 + b"\x01")], 9),
    "one long rice code": lambda: hostile([narrow(1, bytes([1, 0, 0]) + b"\xff\xff\x3f" + bytes(1 << 20))], 1 << 18),
    "a large dictionary": lambda: hostile([narrow(6, b"\xff\xff\xff\x7f")], 1 << 18),
}
"""Small bodies that ask for much."""


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_cost_bounded_time_and_memory(name: str) -> None:
    body, detail = BOMBS[name]()
    schema = schema_of(1024)
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(FormatError):
            read_body(body, detail, schema)
        taken_s, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken_s < 5, name
    assert peak < 64 << 20, f"{name}: {peak >> 20} MiB"


@pytest.mark.full
def test_the_largest_body_allowed_is_read_in_bounded_time_and_memory() -> None:
    body, detail = hostile([ONE_SCAN] * 256, 1 << 18)
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(FormatError, match="readings_root_mismatch"):
            read_body(body, detail, schema_of(1024), check_root=True)
        taken_s, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken_s < 60
    assert peak < 400 << 20
