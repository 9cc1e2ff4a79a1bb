"""Damage for fuzz tests: bytes changed, cut, doubled and moved, from a seeded generator.

Room: tests. Every fuzz test that bends bytes draws from here, so that a seed replays it.
"""

from __future__ import annotations

import random


def mutated(rng: random.Random, raw: bytes) -> bytes:
    """Return raw after one to four small accidents."""
    out = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out) + 1)
        end = min(len(out), at + rng.choice((1, 1, 2, 8, 40)))
        match rng.randrange(6):
            case 0:
                out[at:end] = rng.randbytes(end - at)
            case 1:
                del out[at:end]
            case 2:
                out[at:at] = out[at:end]
            case 3:
                out[at:at] = rng.randbytes(rng.choice((1, 2, 9)))
            case 4:
                if at < len(out):
                    out[at] ^= 1 << rng.randrange(8)
            case _:
                if at < len(out):
                    out[at] = rng.choice((0, 1, 0x17, 0x18, 0x7F, 0x80, 0x9F, 0xFF, out[at] ^ 0x20))
        if not out:
            break
    return bytes(out)
