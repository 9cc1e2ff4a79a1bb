"""Structured values decoded by the definitions that the server itself shows. Pure.

Room: ground, driver `opcua`. `type_book.py` fetches definitions and keeps them for one session. Sources: OPC UA Part 3, 8.48
(StructureDefinition), Part 6, 5.2.6, 5.2.7 and 5.2.8 (structures, optional fields, unions). Definitions are data: nothing a server
says is ever executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from drivers.opcua.binary import Array, Extension, MalformedError, Reader, array_max, depth_max, int32, too_large, uint32, variant
from drivers.opcua.nodes import NodeId

structure_definition: Final = NodeId(0, "i", 122)
enum_definition: Final = NodeId(0, "i", 123)
structure_type: Final = NodeId(0, "i", 22)
enumeration_type: Final = NodeId(0, "i", 29)
fields_max: Final = 500
built_in_last: Final = 25
abstract_types: Final = frozenset({24, 26, 27, 28})
"""BaseDataType, Number, Integer, UInteger: a field of such a type is encoded as a Variant."""
plain, with_optional_fields, union = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Field:
    """One field: `kind` is its data type, `rank` -1 for a scalar, 1 or more for the dimensions of an array."""

    name: str
    kind: NodeId
    rank: int
    optional: bool


@dataclass(frozen=True, slots=True)
class Structure:
    """A structured data type. `form`: 0 plain, 1 with optional fields, 2 union."""

    form: int
    fields: tuple[Field, ...]


Definition = Structure | int
"""How values of a data type are encoded: as a structure, or as a built-in type of this number."""


def parse_definition(value: Extension) -> Structure | None:
    """Read the DataTypeDefinition of a data type; None for one that is no structure, or not understood. Raises MalformedError."""
    if value.encoding != structure_definition:
        return None
    reader = Reader(value.body)
    reader.node()
    reader.node()
    form = int(reader.number(int32))
    count = reader.count()
    if form not in {plain, with_optional_fields, union} or count > fields_max:
        return None
    return Structure(form, tuple([_field(reader) for _ in range(count)]))


def built_in(kind: NodeId) -> int | None:
    """Return the built-in type that a standard data type is encoded as, None for any other type."""
    if kind.namespace or not isinstance(kind.name, int):
        return None
    if kind.name in abstract_types:
        return variant
    if kind == enumeration_type:
        return int32
    return kind.name if 0 < kind.name <= built_in_last else None


def kinds_in(definition: Definition) -> list[NodeId]:
    """Return the data types of a definition's fields that need definitions themselves."""
    return [] if isinstance(definition, int) else [field.kind for field in definition.fields if built_in(field.kind) is None]


def decode_structure(body: bytes, definition: Structure, definitions: Mapping[NodeId, Definition]) -> dict[str, Any]:
    """Return the fields of a structured value by name.

    Raises MalformedError, also where a field's type is not known, and where bytes are left: then the definition is not this value's (it
    lacks the fields of its supertype, or has changed since), and every field could be another.
    """
    reader = Reader(body)
    found = _structure(reader, definition, definitions, 0)
    if reader.at != reader.end:
        raise MalformedError("more bytes than the definition has")
    return found


def _field(reader: Reader) -> Field:
    name = reader.text() or ""
    reader.localized_text()
    kind, rank = reader.node(), int(reader.number(int32))
    for _ in range(reader.count()):
        reader.u32()
    reader.u32()
    return Field(name, kind, rank, reader.u8() != 0)


def _structure(reader: Reader, definition: Structure, definitions: Mapping[NodeId, Definition], depth: int) -> dict[str, Any]:
    if depth > depth_max:
        raise MalformedError("nested too deeply")
    chosen = definition.fields
    if definition.form == union:
        switch = int(reader.number(uint32))
        if switch > len(chosen):
            raise MalformedError("a union without such a field")
        chosen = chosen[switch - 1 : switch] if switch else ()
    elif definition.form == with_optional_fields:
        mask, bit, kept = int(reader.number(uint32)), 0, []
        for field in chosen:
            if not field.optional or mask >> bit & 1:
                kept.append(field)
            bit += field.optional
        chosen = tuple(kept)
    return {field.name: _field_value(reader, field, definitions, depth) for field in chosen}


def _field_value(reader: Reader, field: Field, definitions: Mapping[NodeId, Definition], depth: int) -> Any:
    if field.rank == -1:
        return _scalar(reader, field.kind, definitions, depth)
    if field.rank < 1:
        raise MalformedError("a field of any rank")
    lengths: tuple[int, ...] = ()
    if field.rank > 1:
        lengths = reader.array(int32) or ()
        count = 1
        for length in lengths:
            count *= length
            if length < 0 or count > array_max:
                raise MalformedError("an array that is too large")
    else:
        simple = _simple(field.kind, definitions)
        if simple is not None:
            elements = reader.array(simple, depth)
            return elements if elements is None or elements is too_large else Array(elements, (len(elements),))
        count = reader.count()
    reader.work -= count
    if reader.work < 0:
        raise MalformedError("too many elements")
    return Array(tuple([_scalar(reader, field.kind, definitions, depth) for _ in range(count)]), lengths or (count,))


def _scalar(reader: Reader, kind: NodeId, definitions: Mapping[NodeId, Definition], depth: int) -> Any:
    simple = _simple(kind, definitions)
    if simple is not None:
        return reader.value(simple, depth)
    definition = definitions.get(kind)
    if not isinstance(definition, Structure):
        raise MalformedError("a field of an unknown type")
    return _structure(reader, definition, definitions, depth + 1)


def _simple(kind: NodeId, definitions: Mapping[NodeId, Definition]) -> int | None:
    simple = built_in(kind)
    if simple is None:
        definition = definitions.get(kind)
        return definition if isinstance(definition, int) else None
    return simple
