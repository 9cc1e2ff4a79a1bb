"""Writes a .tflite: a chain of dense int8 layers as the bytes that the TFLite runtime loads, the same bytes for the same layers.

Room: ground, pure. `commission` calls it with what `quantise` made; `gatekeeper` and the runtime read the result like anybody's file.
It never chooses a scale and never reads a model. Why our own, and its oracle: docs/decisions/0016-our-own-int8-writer.md.

Sources: FlatBuffers internals (tables, vtables, vectors; offsets are unsigned and point forward, so a table is written before what it
points to) and the TFLite schema, version 3 (field numbers beside the names below).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

INT8, INT32 = 9, 2  # TensorType
FULLY_CONNECTED: Final = 9  # BuiltinOperator
FULLY_CONNECTED_VERSION: Final = 5
"""The version with weights scaled per output channel."""
FULLY_CONNECTED_OPTIONS: Final = 8  # BuiltinOptions
RELU: Final = 1  # ActivationFunctionType
SCHEMA_VERSION: Final = 3
DATA_ALIGN: Final = 16
"""Weights start at multiples of this (force_align in the schema)."""


@dataclass(frozen=True, slots=True)
class Affine:
    """real value = (stored - zero_point) * scale, per tensor."""

    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True)
class DenseInt8:
    """One FULLY_CONNECTED layer: output = activation(weights . input + bias).

    weights: int8, row-major, [outputs, inputs]; weight_scales: one for each output; bias: int32 in units of input scale x weight scale.
    """

    inputs: int
    outputs: int
    weights: bytes
    weight_scales: tuple[float, ...]
    bias: tuple[int, ...]
    output: Affine
    relu: bool


def write_model(first: Affine, layers: Sequence[DenseInt8], description: str) -> bytes:
    """Return the .tflite of the chain: input [1, inputs] int8, output [1, outputs] int8, version 3 of the schema.

    Raises ValueError when layers do not fit one another or a buffer has not the size that its shape says.
    """
    _check(layers)
    buffers: list[Vector | None] = [None]
    tensors = [_tensor("x", (1, layers[0].inputs), INT8, 0, [first.scale], [first.zero_point])]
    operators: list[Node] = []
    before = first
    for number, layer in enumerate(layers):
        here = len(tensors)
        buffers += [
            Vector(layer.weights, 1, DATA_ALIGN),
            Vector(b"".join(value.to_bytes(4, "little", signed=True) for value in layer.bias), 1, DATA_ALIGN),
        ]
        bias_scales = [_single(before.scale) * _single(scale) for scale in layer.weight_scales]
        zeros = [0] * layer.outputs
        tensors += [
            _tensor(f"w{number}", (layer.outputs, layer.inputs), INT8, len(buffers) - 2, layer.weight_scales, zeros),
            _tensor(f"b{number}", (layer.outputs,), INT32, len(buffers) - 1, bias_scales, zeros),
            _tensor(f"y{number}", (1, layer.outputs), INT8, 0, [layer.output.scale], [layer.output.zero_point]),
        ]
        source = 0 if number == 0 else here - 1
        operators.append(_dense_operator(source, here, here + 1, here + 2, relu=layer.relu))
        before = layer.output
    subgraph = Node({0: Tables(tensors), 1: _ints([0]), 2: _ints([len(tensors) - 1]), 3: Tables(operators), 4: Text("main")})
    code = Node({0: Plain("<b", FULLY_CONNECTED), 2: Plain("<i", FULLY_CONNECTED_VERSION), 3: Plain("<i", FULLY_CONNECTED)})
    model = Node(
        {
            0: Plain("<I", SCHEMA_VERSION),
            1: Tables([code]),
            2: Tables([subgraph]),
            3: Text(description),
            4: Tables([Node({} if data is None else {0: data}) for data in buffers]),
        }
    )
    return _Bytes().file(model, b"TFL3")


def _check(layers: Sequence[DenseInt8]) -> None:
    if not layers:
        raise ValueError("a chain has at least one layer")
    for number, layer in enumerate(layers):
        if number and layer.inputs != layers[number - 1].outputs:
            raise ValueError(f"layer {number} takes {layer.inputs} values, the one before gives {layers[number - 1].outputs}")
        if len(layer.weights) != layer.inputs * layer.outputs or not len(layer.bias) == len(layer.weight_scales) == layer.outputs:
            raise ValueError(f"layer {number}: buffers have not the size of {layer.outputs} x {layer.inputs}")


def _single(value: float) -> float:
    """Return the value as a float32 holds it: the runtime checks the bias scale against the product of the other two."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def _tensor(name: str, shape: Sequence[int], kind: int, buffer: int, scales: Sequence[float], zero_points: Sequence[int]) -> Node:
    quantised = Node(
        {
            2: Vector(b"".join(struct.pack("<f", scale) for scale in scales), 4),
            3: Vector(b"".join(struct.pack("<q", point) for point in zero_points), 8),
        }
    )
    return Node({0: _ints(shape), 1: Plain("<b", kind), 2: Plain("<I", buffer), 3: Text(name), 4: quantised})


def _dense_operator(source: int, weights: int, bias: int, target: int, *, relu: bool) -> Node:
    options = Node({0: Plain("<b", RELU)} if relu else {})
    return Node({1: _ints([source, weights, bias]), 2: _ints([target]), 3: Plain("<B", FULLY_CONNECTED_OPTIONS), 4: options})


# ------------------------------------------------------------------------------------------------- any flatbuffer
@dataclass(frozen=True, slots=True)
class Plain:
    """A number that lies inside its table."""

    form: str
    value: int


@dataclass(frozen=True, slots=True)
class Vector:
    """Numbers one after another, little-endian; `width` bytes each."""

    data: bytes
    width: int
    align: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    """A string: its bytes, and a zero behind them that the length does not count."""

    text: str


@dataclass(frozen=True, slots=True)
class Node:
    """A table: field number -> value."""

    fields: dict[int, Field]


@dataclass(frozen=True, slots=True)
class Tables:
    """A vector of tables."""

    nodes: Sequence[Node]


Field = Plain | Vector | Text | Tables | Node


def _ints(values: Sequence[int]) -> Vector:
    return Vector(b"".join(value.to_bytes(4, "little", signed=True) for value in values), 4)


class _Bytes:
    """The file as it grows; every method returns where what it wrote begins."""

    def __init__(self) -> None:
        self._out = bytearray()

    def file(self, root: Node, identifier: bytes) -> bytes:
        self._out += bytes(4) + identifier
        self._point(0, self._table(root))
        self._pad(DATA_ALIGN)
        return bytes(self._out)

    def _table(self, node: Node) -> int:
        """Write vtable and table, then everything that the table points to."""
        inside: dict[int, tuple[int, int]] = {}  # field number -> offset in the table, width
        size = 4
        for number, field in sorted(node.fields.items(), key=lambda pair: -_width(pair[1])):
            inside[number] = (size, _width(field))
            size += _width(field)
        count = max(node.fields, default=-1) + 1
        vtable_size = 4 + 2 * count
        self._pad(4, ahead=vtable_size)
        vtable = len(self._out)
        self._out += struct.pack("<HH", vtable_size, size)
        self._out += b"".join(struct.pack("<H", inside.get(number, (0, 0))[0]) for number in range(count))
        table = len(self._out)
        self._out += struct.pack("<i", table - vtable) + bytes(size - 4)
        for number, field in sorted(node.fields.items()):
            at = table + inside[number][0]
            if isinstance(field, Plain):
                struct.pack_into(field.form, self._out, at, field.value)
            else:
                self._point(at, self._child(field))
        return table

    def _child(self, field: Vector | Text | Tables | Node) -> int:
        if isinstance(field, Node):
            return self._table(field)
        if isinstance(field, Tables):
            return self._tables(field.nodes)
        if isinstance(field, Text):
            data = field.text.encode()
            at = self._vector(Vector(data, 1))
            self._out.append(0)
            return at
        return self._vector(field)

    def _vector(self, vector: Vector) -> int:
        self._pad(max(vector.align, vector.width, 4), ahead=4)
        at = len(self._out)
        self._out += struct.pack("<I", len(vector.data) // vector.width) + vector.data
        return at

    def _tables(self, nodes: Sequence[Node]) -> int:
        self._pad(4)
        at = len(self._out)
        self._out += struct.pack("<I", len(nodes)) + bytes(4 * len(nodes))
        for number, node in enumerate(nodes):
            self._point(at + 4 + 4 * number, self._table(node))
        return at

    def _point(self, at: int, target: int) -> None:
        struct.pack_into("<I", self._out, at, target - at)

    def _pad(self, align: int, *, ahead: int = 0) -> None:
        """Fill with zeros until what stands `ahead` bytes further is aligned."""
        self._out += bytes(-(len(self._out) + ahead) % align)


def _width(field: Field) -> int:
    return struct.calcsize(field.form) if isinstance(field, Plain) else 4
