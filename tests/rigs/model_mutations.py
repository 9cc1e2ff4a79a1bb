"""Damage to .tflite files that keeps them plausible: one field of the schema's tree, one offset or vtable slot, or plain bytes.

Room: tests. Draws from a seeded generator, so that a seed replays it. The tree is the schema's own, not ours.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.rigs.model_files import packed
from tests.rigs.mutations import mutated

ODD = (-1, 0, 1, 2, 3, -2, 7, 127, 128, 255, 1 << 15, 1 << 16, (1 << 30), (1 << 31) - 1, -(1 << 31), (1 << 32) - 1, 1 << 62)
ODD_FLOATS = (0.0, -1.0, float("nan"), float("inf"), -float("inf"), 1e-45, 1e38, 1.0)


class Bender:
    """Makes endless bad files out of some good ones."""

    def __init__(self, rng: random.Random, good: Sequence[bytes]) -> None:
        self._rng, self._good = rng, good
        self._trees = []
        for raw in good:
            model = schema.ModelT.InitFromPackedBuf(raw, 0)
            places: list[tuple[Any, Any]] = []
            _collect(model, places)
            self._trees.append((model, places))

    def bent(self) -> bytes:
        """Return a file with one accident or trick in it, two in one case of ten."""
        kind = self._rng.choices((0, 1, 2), (6, 3, 1))[0]
        raw = self._tree() if kind == 0 else (_offsets, mutated)[kind - 1](self._rng, self._rng.choice(self._good))
        if self._rng.random() < 0.1 and len(raw) >= 16:
            raw = self._rng.choice((_offsets, mutated))(self._rng, raw)
        return raw

    def _tree(self) -> bytes:
        """Change one field, element or list of a tree, pack it, and put it back as it was; what cannot be packed is tried elsewhere."""
        for _ in range(20):
            model, places = self._rng.choice(self._trees)
            holder, key = self._rng.choice(places)
            old = holder[key] if isinstance(holder, list) else getattr(holder, key)
            try:
                _put(holder, key, _odd(self._rng, old))
                return packed(model)
            except Exception:
                continue
            finally:
                _put(holder, key, old)
        return mutated(self._rng, self._good[0])


def _collect(node: Any, places: list[tuple[Any, Any]]) -> None:
    """Find every (holder, key) below a node. Big arrays count as one place and one element, or weights would be nearly all."""
    for key, value in vars(node).items():
        if value is None or isinstance(value, bytes | str):
            places.append((node, key))
            continue
        places.append((node, key))
        if isinstance(value, list | np.ndarray):
            node.__dict__[key] = value = list(value)
            for n in range(min(len(value), 6)):
                if hasattr(value[n], "__dict__"):
                    _collect(value[n], places)
                else:
                    places.append((value, n))
            for each in value[6:]:
                if hasattr(each, "__dict__"):
                    _collect(each, places)
        elif hasattr(value, "__dict__"):
            _collect(value, places)


def _odd(rng: random.Random, value: Any) -> Any:
    """Return something else for a field."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, float | np.floating):
        return rng.choice((*ODD_FLOATS, float(value) * 1e6, -float(value)))
    if isinstance(value, int | np.integer):
        return rng.choice((*ODD, int(value) + 1, int(value) - 1, rng.randrange(-10, 300)))
    if isinstance(value, list):
        return rng.choice((value[:-1], value[1:], value + value[-1:], [], value * 2, list(reversed(value))))
    if value is None:
        return rng.choice(([1], [0, 0], [-1], b"x", [2**31 - 1] * 3))
    return None


def _put(holder: Any, key: Any, value: Any) -> None:
    if isinstance(holder, list):
        holder[key] = value
    else:
        setattr(holder, key, value)


def _offsets(rng: random.Random, raw: bytes) -> bytes:
    """Bend what holds the file together: an offset, a length, a slot of a vtable."""
    out = bytearray(raw)
    words = [at for at in range(0, len(out) - 4, 4) if abs(struct.unpack_from("<i", out, at)[0]) < len(out)]
    halves = [at for at in range(8, len(out) - 2, 2) if 0 < struct.unpack_from("<H", out, at)[0] < 64]
    if rng.random() < 0.5 and halves:
        at = rng.choice(halves)
        value = struct.unpack_from("<H", out, at)[0]
        struct.pack_into(
            "<H", out, at, rng.choice((0, 1, 2, 4, value + 1, value + 4, max(0, value - 4), 0xFFFF, 0x7FFF, rng.randrange(64)))
        )
    elif words:
        at = rng.choice(words)
        value = struct.unpack_from("<i", out, at)[0]
        other = struct.unpack_from("<i", out, rng.choice(words))[0]
        options = (0, 1, 3, 4, -4, value + 4, value - 4, value + 1, -value, other, len(out) - at, len(out), 0x7FFFFFFF, -1, -at)
        struct.pack_into("<i", out, at, rng.choice(options))
    return bytes(out)
