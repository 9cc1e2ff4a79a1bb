"""Raw deflate, in and out, with a hard cap on what comes out. Pure.

Room: ground, bottom floor. Batch and schema bodies call it. It never trusts a declared size: the cap is enforced while
inflating, and a stream that ends early, late or not at all is refused. Source: RFC 1951.
"""

from __future__ import annotations

import zlib
from typing import Protocol

from ledger_client.errors import FormatError

WINDOW_BITS = -15
"""Negative: no zlib header and no checksum; the body hash is the checksum."""
SMALL_MAX = 7_680
"""Bytes that fit the small window: to get the memory for a full one ready takes longer than to pack so few."""
_SMALL_WINDOW_BITS = -13


class Deflater(Protocol):
    """One deflate context: the shape of what zlib.compressobj gives."""

    def compress(self, data: bytes, /) -> bytes:
        """Take more bytes in; return those that are ready."""
        ...

    def flush(self) -> bytes:
        """End the stream; return the rest."""
        ...


def deflater(size_expected: int = SMALL_MAX + 1) -> Deflater:
    """Return a fresh context at the settings that bodies are written with. Of up to SMALL_MAX bytes the outcome is the same either way."""
    if size_expected <= SMALL_MAX:
        return zlib.compressobj(9, zlib.DEFLATED, _SMALL_WINDOW_BITS, 7)
    return zlib.compressobj(9, zlib.DEFLATED, WINDOW_BITS, 9)


def deflate(data: bytes) -> bytes:
    """Return one raw deflate stream."""
    context = deflater()
    return context.compress(data) + context.flush()


def inflate(data: bytes, *, size_max: int, what: str) -> bytes:
    """Return what one whole stream holds, at most size_max bytes. Raises FormatError: larger, damaged, cut off or followed by bytes."""
    context = zlib.decompressobj(WINDOW_BITS)
    try:
        out = context.decompress(data, size_max + 1)
    except zlib.error as error:
        raise FormatError("deflate_invalid", what=what) from error
    if len(out) > size_max:
        raise FormatError("deflate_too_long", what=what, size_max=size_max)
    if not context.eof or context.unused_data or context.unconsumed_tail:
        raise FormatError("deflate_invalid", what=what)
    return out
