"""Structured values are decoded by definitions that are theirs, or not at all: widths of enumerations and option sets, bytes left over."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any

import pytest

from drivers.opcua.answers import Browsed, Reference
from drivers.opcua.binary import Extension, MalformedError, Reader, put_node, put_text
from drivers.opcua.nodes import NodeId
from drivers.opcua.requests import (
    Service,
    browse_parameters,
    browse_service,
    data_type_definition_attribute,
    has_encoding,
    has_subtype,
    inverse,
    read_parameters,
)
from drivers.opcua.structures import Field, Structure, decode_structure, enum_definition, plain, structure_definition
from drivers.opcua.type_book import TypeBook, bad_encoding_unsupported

ENCODING, MOTOR, STATE = NodeId(2, "i", 10), NodeId(2, "i", 11), NodeId(2, "i", 12)
BYTE, UINT16, INT32, DOUBLE, STRUCTURE, ENUMERATION, ANYTHING = (NodeId(0, "i", n) for n in (3, 5, 6, 11, 22, 29, 24))
TWO = Structure(plain, (Field("State", STATE, -1, False), Field("Speed", DOUBLE, -1, False)))


def definition_of(fields: dict[str, NodeId]) -> Extension:
    """A StructureDefinition as a server shows it."""
    parts = [
        put_text(name) + b"\0" + put_node(kind) + struct.pack("<i", -1) + struct.pack("<iI", 0, 0) + b"\0" for name, kind in fields.items()
    ]
    head = put_node(ENCODING) + put_node(STRUCTURE) + struct.pack("<ii", plain, len(parts))
    return Extension(structure_definition, head + b"".join(parts))


class Types:
    """The part of a link that a type book asks, over a small type system: data types with definitions and supertypes."""

    def __init__(self, definitions: dict[NodeId, Extension], above: dict[NodeId, NodeId]) -> None:
        self.reads = 0
        self.show(definitions)
        self._above = {browse_parameters([kind], has_subtype, inverse, 1): other for kind, other in above.items()}
        self._above[browse_parameters([ENCODING], has_encoding, inverse, 1)] = MOTOR

    def show(self, definitions: dict[NodeId, Extension]) -> None:
        self._reads = {read_parameters([kind], data_type_definition_attribute): found for kind, found in definitions.items()}

    async def ask(self, service: Service, parameters: bytes, read: Callable[[Reader], Any], limit_s: float) -> Any:
        if service == browse_service:
            other = self._above.get(parameters)
            return [Browsed(0, None, [] if other is None else [Reference(has_subtype, False, other, True, (0, ""), 64)])]
        self.reads += 1
        return [(self._reads.get(parameters), 0, None, None)]


def decoded(types: Types, body: bytes) -> tuple[Any, int]:
    async def ask() -> tuple[Any, int]:
        until = asyncio.get_running_loop().time() + 5
        found = await TypeBook(types, 1.0).decoded([(Extension(ENCODING, body), 0, None, None)], until)  # type: ignore[arg-type]
        return found[0][0], found[0][1]

    return asyncio.run(ask())


@pytest.mark.parametrize(("base", "form"), [(BYTE, "B"), (UINT16, "H"), (INT32, "i"), (ENUMERATION, "i")])
@pytest.mark.parametrize("shown", [True, False])
def test_named_values_are_as_wide_as_what_they_are_derived_from(base: NodeId, form: str, shown: bool) -> None:
    definitions = {MOTOR: definition_of({"State": STATE, "Speed": DOUBLE})}
    if shown:  # servers of before 1.04 show none
        definitions[STATE] = Extension(enum_definition, b"")
    types = Types(definitions, {STATE: base, ENUMERATION: ANYTHING})
    assert decoded(types, struct.pack(f"<{form}d", 5, 21.5)) == ({"State": 5, "Speed": 21.5}, 0)


def test_named_values_without_a_supertype_are_an_enumeration() -> None:
    types = Types({MOTOR: definition_of({"State": STATE, "Speed": DOUBLE}), STATE: Extension(enum_definition, b"")}, {})
    assert decoded(types, struct.pack("<id", 5, 21.5)) == ({"State": 5, "Speed": 21.5}, 0)


def test_a_structure_that_shows_no_definition_is_not_guessed() -> None:
    types = Types({MOTOR: definition_of({"State": STATE, "Speed": DOUBLE})}, {STATE: STRUCTURE, STRUCTURE: ANYTHING})
    body = put_node(NodeId(0, "i", 0)) + b"\0" + struct.pack("<d", 21.5)
    assert decoded(types, body) == (None, bad_encoding_unsupported)


def test_a_definition_that_leaves_bytes_over_is_not_this_values() -> None:
    definitions = {STATE: 6}
    whole = struct.pack("<id", 5, 21.5)
    assert decode_structure(whole, TWO, definitions) == {"State": 5, "Speed": 21.5}
    with pytest.raises(MalformedError):
        decode_structure(struct.pack("<id", 7, 0.5) + whole, TWO, definitions)  # two fields of a supertype before them
    with pytest.raises(MalformedError):
        decode_structure(whole[:-1], TWO, definitions)


def test_a_type_that_a_download_changed_is_asked_for_again_and_one_that_never_fitted_is_not() -> None:
    before, after = struct.pack("<d", 21.5), struct.pack("<dd", 21.5, 7.0)

    async def test() -> None:
        types = Types({MOTOR: definition_of({"Speed": DOUBLE})}, {})
        until = asyncio.get_running_loop().time() + 5
        never, book = TypeBook(types, 1.0), TypeBook(types, 1.0)  # type: ignore[arg-type]

        async def read(by: TypeBook, body: bytes) -> Any:
            return (await by.decoded([(Extension(ENCODING, body), 0, None, None)], until))[0][0]

        assert [await read(never, after), await read(never, after)] == [None, None]
        assert types.reads == 1
        assert await read(book, before) == {"Speed": 21.5}
        types.show({MOTOR: definition_of({"Speed": DOUBLE, "Load": DOUBLE})})
        assert await read(book, after) == {"Speed": 21.5, "Load": 7.0}
        assert types.reads == 3
        for _ in range(10):  # one that changes its mind all the time is not asked all the time
            assert [await read(book, before), await read(book, after)] == [None, {"Speed": 21.5, "Load": 7.0}]
        assert types.reads == 3

    asyncio.run(test())
