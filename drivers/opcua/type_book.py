"""The structured data types of one session: their definitions are asked for when a value of theirs comes, and kept.

Room: ground, driver `opcua`. `driver.py` and `stream.py` pass samples through `decoded`. Bounded in types, requests and depth; a type
that cannot be understood is remembered as such, and its values are bad readings (BadDataEncodingUnsupported), never guesses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from drivers.opcua.answers import browse_answer, read_answer
from drivers.opcua.binary import Array, Extension, MalformedError, int32
from drivers.opcua.codec import Sample, structures_in
from drivers.opcua.link import Link
from drivers.opcua.nodes import NodeId
from drivers.opcua.requests import (
    browse_parameters,
    browse_service,
    data_type_definition_attribute,
    has_encoding,
    has_subtype,
    inverse,
    read_parameters,
    read_service,
)
from drivers.opcua.structures import (
    Definition,
    Structure,
    built_in,
    decode_structure,
    enum_definition,
    kinds_in,
    parse_definition,
    structure_type,
)

types_max: Final = 300
encodings_max: Final = 300
supertypes_max: Final = 10
again_s: Final = 60.0
"""Definitions that fitted and do no more are asked for again no more often than this."""
bad_encoding_unsupported: Final = 0x80390000


class TypeBook:
    """Definitions of one session."""

    def __init__(self, link: Link, request_timeout_s: float) -> None:
        """`link` is where definitions are asked for."""
        self._link, self._request_timeout_s = link, request_timeout_s
        self._by_encoding: dict[NodeId, Structure | None] = {}
        self._definitions: dict[NodeId, Definition] = {}
        self._asked: set[NodeId] = set()
        self._fitted: set[NodeId] = set()
        """Encodings of which a value has been read: a later one that does not fit says that the type was changed, as by a download."""
        self._is_changed = False
        self._again_at = 0.0
        """Loop time."""

    async def decoded(self, samples: Sequence[Sample], until: float) -> list[Sample]:
        """Return samples with their structured values decoded, asking for what is not known yet. Raises DriverError."""
        await self._learn_all(samples, until)
        made = [self._decode(sample) for sample in samples]
        now = asyncio.get_running_loop().time()
        if not self._is_changed or now < self._again_at:
            return made
        self._is_changed, self._again_at = False, now + again_s
        self._by_encoding, self._definitions, self._asked, self._fitted = {}, {}, set(), set()  # who asks now goes on with the old ones
        await self._learn_all(samples, until)
        return [self._decode(sample) for sample in samples]

    async def encoded_as(self, kind: NodeId, until: float) -> int | None:
        """Return the built-in type that values of a data type are encoded as; None for a structure, or one that is not understood."""
        simple = built_in(kind)
        if simple is None:
            definition = await self._definition(kind, until)
            simple = definition if isinstance(definition, int) else None
        return simple

    async def _learn_all(self, samples: Sequence[Sample], until: float) -> None:
        known = self._by_encoding
        for sample in samples:
            for structure in structures_in(sample[0]):
                if structure.encoding not in known and len(known) < encodings_max:
                    known[structure.encoding] = await self._learn(structure.encoding, until)

    def _decode(self, sample: Sample) -> Sample:
        value, status, source_ms, server_ms = sample
        if not structures_in(value):
            return sample
        try:
            if isinstance(value, Array):
                made: Any = Array(tuple([self._one(element) for element in value.elements]), value.lengths)
            else:
                made = self._one(value)
        except MalformedError:
            return None, status if status >> 30 else bad_encoding_unsupported, source_ms, server_ms
        return made, status, source_ms, server_ms

    def _one(self, value: Any) -> Any:
        if not isinstance(value, Extension):
            return value
        definition = self._by_encoding.get(value.encoding)
        if definition is None:
            raise MalformedError("a type that is not understood")
        try:
            found = decode_structure(value.body, definition, self._definitions)
        except MalformedError:
            self._is_changed = self._is_changed or value.encoding in self._fitted
            raise
        self._fitted.add(value.encoding)
        return found

    async def _learn(self, encoding: NodeId, until: float) -> Structure | None:
        """Return the definition of the type that an encoding belongs to, with all that its fields need; None: not understood."""
        definitions, asked = self._definitions, self._asked
        kind = await self._other_end(encoding, has_encoding, until)
        if kind is None:
            return None
        waiting = [kind]
        while waiting and len(asked) < types_max:
            wanted = waiting.pop()
            if wanted in asked:
                continue
            asked.add(wanted)
            definition = await self._definition(wanted, until)
            if definition is not None:
                definitions[wanted] = definition
                waiting += kinds_in(definition)
        found = definitions.get(kind)
        return found if isinstance(found, Structure) else None

    async def _definition(self, kind: NodeId, until: float) -> Definition | None:
        parameters = read_parameters([kind], data_type_definition_attribute)
        sample = (await self._link.ask(read_service, parameters, lambda reader: read_answer(reader, 1), self._limit_s(until)))[0]
        names_values = isinstance(sample[0], Extension) and sample[0].encoding == enum_definition
        if isinstance(sample[0], Extension) and not names_values:
            try:
                return parse_definition(sample[0])
            except MalformedError:
                return None
        above = kind
        for _ in range(supertypes_max):  # encoded as the built-in type that it is derived from: also a set of options, which may be a Byte
            found = await self._other_end(above, has_subtype, until)
            if found is None or found == structure_type:
                break
            if (simple := built_in(found)) is not None:
                return simple
            above = found
        return int32 if names_values and found is None else None

    async def _other_end(self, node: NodeId, reference: NodeId, until: float) -> NodeId | None:
        """Return the node at the other end of an inverse reference, None where there is none."""
        parameters = browse_parameters([node], reference, inverse, 1)
        found = (await self._link.ask(browse_service, parameters, lambda reader: browse_answer(reader, 1), self._limit_s(until)))[0]
        targets = [reference.target for reference in found.references if reference.local]
        return targets[0] if targets else None

    def _limit_s(self, until: float) -> float:
        return min(until - asyncio.get_running_loop().time(), self._request_timeout_s)
