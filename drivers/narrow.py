"""What a number loses where a device holds it in fewer bits than it is written with.

Room: ground; pure. Drivers ask it when a write is read back (`drivers.abilities.Resolving`).
"""

from __future__ import annotations

import math
import struct


def float32_loss(value: float) -> float:
    """Return how much a number loses in 32 bits; nothing where it does not fit."""
    try:
        (held,) = struct.unpack("<f", struct.pack("<f", value))
        return abs(float(value) - float(held)) if math.isfinite(value) else 0.0
    except (OverflowError, struct.error):  # struct.error: an int beyond a double
        return 0.0
