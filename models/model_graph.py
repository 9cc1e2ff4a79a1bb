"""Reads a .tflite file into plain nouns: tensors, steps, and where each tensor's constant bytes lie. It judges form only, not sense.

Room: ground. Between `flat_reader` (bytes) and `gatekeeper` (sense). Whatever it has no noun for is refused: a field that is present
and not read here is one that the runtime might act on. Slots and types are those of TensorFlow Lite's schema, version 3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from models.flat_reader import FlatFile, FlatTable, malformed
from models.model_fault import ModelFault

IDENTIFIER: Final = b"TFL3"
TENSORS_MAX: Final = 512
STEPS_MAX: Final = 256
RANK_MAX: Final = 4
"""Kernels that broadcast lay out four dimensions and do not ask for more."""
CHANNELS_MAX: Final = 4_096
"""Scales of one tensor."""
METADATA: Final = frozenset({"min_runtime_version", "CONVERSION_METADATA", "TFLITE_METADATA"})
"""What converters add and the runtime does not act on. Others (control dependencies, for instance) it would."""
NAME_BYTES_MAX: Final = 1_024
OptionFields = dict[int, tuple[tuple[str, str, float], ...]]
"""By the number of an options table: its scalar fields in order, each (name, code of struct, default)."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor. `scales` is empty (float), one value, or one for each element of dimension `axis`."""

    shape: tuple[int, ...]
    kind: int
    buffer: int
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Step:
    """One operator of the graph; an input of -1 is left out. `options` by name; `new_shape` only when the file states one."""

    opcode: int
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options_kind: int
    options: dict[str, float]
    lists: dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Graph:
    """The one subgraph of a model. `buffers` are (start, end) in the file, empty when equal."""

    tensors: tuple[Tensor, ...]
    steps: tuple[Step, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    buffers: tuple[tuple[int, int], ...]
    signatures: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    """(inputs, outputs) of each signature."""


def read_graph(raw: bytes, options: OptionFields) -> Graph:
    """Return the graph of a file. Raises ModelFault on any byte that is followed and does not fit."""
    model = FlatFile(raw, IDENTIFIER).root(10)
    if model.whole(0, "I") != 3:
        raise malformed("Model.version", model.at)
    codes = tuple(_opcode(table) for table in model.tables(1, 4, "OperatorCode", 64))
    subgraphs = model.tables(2, 6, "SubGraph", 16)
    if len(subgraphs) != 1:
        raise ModelFault("model_subgraphs", {"count": len(subgraphs)})
    model.text(3, NAME_BYTES_MAX)
    buffers = tuple(_buffer(table, len(raw)) for table in model.tables(4, 3, "Buffer", TENSORS_MAX + 16))
    _metadata(model, len(buffers))
    signatures = tuple(_signature(table) for table in model.tables(7, 5, "SignatureDef", 8))
    for slot in (8, 9):
        if model.tables(slot, 0, "external buffer", 0):
            raise malformed("external buffer", model.at)
    model.finish()
    (graph,) = subgraphs
    tensors = tuple(_tensor(table) for table in graph.tables(0, 11, "Tensor", TENSORS_MAX))
    inputs, outputs = graph.wholes(1, "i", 16), graph.wholes(2, "i", 16)
    steps = tuple(_step(table, codes, options) for table in graph.tables(3, 14, "Operator", STEPS_MAX))
    graph.text(4, NAME_BYTES_MAX)
    _only(graph, 5, "i", -1)
    graph.finish()
    return Graph(tensors, steps, inputs, outputs, buffers, signatures)


def _only(table: FlatTable, slot: int, code: str, value: int) -> None:
    """Check that a field that we have no use for says nothing."""
    if table.whole(slot, code, value) != value:
        raise malformed(f"{table.what}, field {slot}", table.at)


def _truth(table: FlatTable, slot: int) -> None:
    """Check a field that is 0 or 1 and of no effect."""
    if table.whole(slot, "B") > 1:
        raise malformed(f"{table.what}, field {slot}", table.at)


def _opcode(table: FlatTable) -> tuple[int, int]:
    """Return (operator, version). Old files have the small field only, new ones both; a custom operator is none of ours."""
    small, large = table.whole(0, "b"), table.whole(3, "i")
    name = table.text(1, NAME_BYTES_MAX)
    version = table.whole(2, "i", 1)
    table.finish()
    if name is not None or small < 0 or large < 0 or (large and small != min(large, 127)):
        raise ModelFault("model_operator", {"operator": name or f"{small}/{large}"})
    return max(small, large), version


def _buffer(table: FlatTable, bytes_max: int) -> tuple[int, int]:
    _only(table, 1, "Q", 0)
    _only(table, 2, "Q", 0)
    found = table.blob(0, bytes_max)
    table.finish()
    return found


def _metadata(model: FlatTable, buffers: int) -> None:
    """Check what is written about the model; nothing of it is used."""
    named = model.wholes(5, "i", 64)
    for table in model.tables(6, 2, "Metadata", 64):
        name = table.text(0, NAME_BYTES_MAX)
        named += (table.whole(1, "I"),)
        table.finish()
        if name not in METADATA:
            raise ModelFault("model_metadata", {"name": name or ""})
    if any(not 0 <= number < buffers for number in named):
        raise ModelFault("model_index", {"where": "Metadata"})


def _signature(table: FlatTable) -> tuple[tuple[int, ...], tuple[int, ...]]:
    sides = []
    for slot in (0, 1):
        found = []
        for each in table.tables(slot, 2, "TensorMap", 16):
            each.text(0, NAME_BYTES_MAX)
            found.append(each.whole(1, "I"))
            each.finish()
        sides.append(tuple(found))
    table.text(2, NAME_BYTES_MAX)
    table.text(3, NAME_BYTES_MAX)
    _only(table, 4, "I", 0)
    table.finish()
    return sides[0], sides[1]


def _tensor(table: FlatTable) -> Tensor:
    shape = table.wholes(0, "i", RANK_MAX)
    kind, buffer = table.whole(1, "b"), table.whole(2, "I")
    table.text(3, NAME_BYTES_MAX)
    scales, zero_points, axis = _quantisation(table.table(4, 7, f"{table.what}.quantization"))
    for slot in (5, 10):
        _only(table, slot, "B" if slot == 5 else "I", 0)
    _signature_of_shape(table, shape)
    _truth(table, 8)
    if table.tables(9, 0, "variant tensor", 0):
        raise malformed("variant tensor", table.at)
    table.finish()
    return Tensor(shape, kind, buffer, scales, zero_points, axis)


def _signature_of_shape(table: FlatTable, shape: tuple[int, ...]) -> None:
    """Check the shape as it was before the batch was fixed: the same, or open (-1) in the first dimension, which is then 1."""
    stated = table.wholes(7, "i", RANK_MAX)
    if stated and (
        len(stated) != len(shape) or any(a not in {b, -1 if n == 0 else b} for n, (a, b) in enumerate(zip(stated, shape, strict=True)))
    ):
        raise malformed("Tensor.shape_signature", table.at)


def _quantisation(table: FlatTable | None) -> tuple[tuple[float, ...], tuple[int, ...], int]:
    """Return (scales, zero points, axis); both empty where there is none."""
    if table is None:
        return (), (), 0
    for slot in (0, 1):  # minimum and maximum seen in training: of no effect, but no place for oddities
        if not all(math.isfinite(value) for value in table.numbers(slot, "f", CHANNELS_MAX)):
            raise ModelFault("model_scale", {"where": table.what})
    scales = tuple(float(value) for value in table.numbers(2, "f", CHANNELS_MAX))
    zero_points = table.wholes(3, "q", CHANNELS_MAX)
    _only(table, 4, "B", 0)
    axis = table.whole(6, "i")
    table.finish()
    return scales, zero_points, axis


def _step(table: FlatTable, codes: tuple[tuple[int, int], ...], options: OptionFields) -> Step:
    number = table.whole(0, "I")
    if number >= len(codes):
        raise ModelFault("model_index", {"where": table.what})
    inputs, outputs = table.wholes(1, "i", 64), table.wholes(2, "i", 4)
    kind = table.whole(3, "B")
    found, lists = _options(table, kind, options)
    table.blob(5, 0)
    for slot, code, value in ((6, "b", 0), (9, "Q", 0), (10, "Q", 0), (11, "B", 0), (13, "i", -1)):
        _only(table, slot, code, value)
    if any(table.wholes(7, "B", 64)) or table.wholes(8, "i", 0):
        raise malformed(f"{table.what}, variables", table.at)
    table.finish()
    return Step(*codes[number], inputs, outputs, kind, found, lists)


def _options(table: FlatTable, kind: int, options: OptionFields) -> tuple[dict[str, float], dict[str, tuple[int, ...]]]:
    """Return an operator's options by name. A kind that no allowed operator has is refused."""
    if kind == 0:
        return {}, {}
    if kind not in options:
        raise ModelFault("model_options", {"where": table.what, "kind": kind})
    fields = options[kind]
    inner = table.table(4, len(fields), f"{table.what}.options")
    if inner is None:
        raise malformed(f"{table.what}, options", table.at)
    found: dict[str, float] = {}
    lists: dict[str, tuple[int, ...]] = {}
    for slot, (name, code, default) in enumerate(fields):
        if code == "[i]":
            if inner.has(slot):
                lists[name] = inner.wholes(slot, "i", RANK_MAX)
        else:
            found[name] = inner.number(slot, code, default)
    inner.finish()
    return found, lists
