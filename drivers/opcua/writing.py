"""Values on their way to a server: what fits a node's type, and the text forms of a method's arguments. Pure.

Room: ground, driver `opcua`. Called by `driver.py` before anything is sent. A value that does not fit is refused here; nothing is
rounded or cut.
"""

from __future__ import annotations

import json
import math
from types import MappingProxyType
from typing import Final

from drivers.opcua import binary
from drivers.opcua.binary import put_number, put_text
from drivers.reading import Value

float32_max: Final = 3.4028234663852886e38
integer_bounds: Final = MappingProxyType(
    {
        binary.sbyte: (-(1 << 7), (1 << 7) - 1),
        binary.byte: (0, (1 << 8) - 1),
        binary.int16: (-(1 << 15), (1 << 15) - 1),
        binary.uint16: (0, (1 << 16) - 1),
        binary.int32: (-(1 << 31), (1 << 31) - 1),
        binary.uint32: (0, (1 << 32) - 1),
        binary.int64: (-(1 << 63), (1 << 63) - 1),
        binary.uint64: (0, (1 << 64) - 1),
    }
)
"""Built-in integer types -> lowest and highest value."""
type_names: Final = MappingProxyType(
    {
        "boolean": binary.boolean, "sbyte": binary.sbyte, "byte": binary.byte, "int16": binary.int16, "uint16": binary.uint16,
        "int32": binary.int32, "uint32": binary.uint32, "int64": binary.int64, "uint64": binary.uint64,
        "float": binary.float32, "double": binary.float64, "string": binary.string,
    }
)  # fmt: skip
"""Names that an argument's type may have."""


def encode_variant(value: Value, kind: int) -> bytes:
    """Return a Variant of a built-in type. Raises ValueError when the value does not fit it, or the type cannot be written."""
    if kind in integer_bounds:
        low, high = integer_bounds[kind]
        if isinstance(value, bool | str) or value is None or not math.isfinite(value) or int(value) != value or not low <= value <= high:
            raise ValueError(f"{value} does not fit")
        return bytes((kind,)) + put_number(kind, int(value))
    if kind in {binary.float32, binary.float64}:
        if isinstance(value, bool | str) or value is None or (kind == binary.float32 and math.isfinite(value) and abs(value) > float32_max):
            raise ValueError(f"{value} does not fit")
        return bytes((kind,)) + put_number(kind, float(value))
    if kind == binary.boolean and isinstance(value, bool):
        return bytes((kind, value))
    if kind == binary.string and isinstance(value, str):
        return bytes((kind,)) + put_text(value)
    raise ValueError(f"{value} does not fit")


def parse_argument(text: str) -> bytes:
    """Return the Variant of an argument as written: its type, a colon, its value: `int16:5`, `double:1.5`, `boolean:true`, `string:a b`.

    Raises ValueError.
    """
    name, colon, written = text.partition(":")
    kind = type_names.get(name.strip().lower())
    if kind is None or not colon:
        raise ValueError(f"{text[:80]!r}: write int16:5, double:1.5, boolean:true or string:text")
    if kind == binary.string:
        return encode_variant(written, kind)
    value = json.loads(written)
    return encode_variant(value if isinstance(value, bool | int | float) else None, kind)
