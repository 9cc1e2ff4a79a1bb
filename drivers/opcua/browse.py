"""A walk through a server's address space, bounded in nodes, depth and time, that no loop of references can keep going.

Room: ground, driver `opcua`. `driver.py` starts it for the verb `browse`; polling never does. Every node is visited once, wherever it
hangs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from drivers.abilities import Bounds, Found
from drivers.driver import DriverError
from drivers.opcua import binary
from drivers.opcua.answers import Browsed, Reference, browse_answer, read_answer
from drivers.opcua.codec import Sample
from drivers.opcua.link import Link, too_many_codes
from drivers.opcua.nodes import NodeId, node_text, parse_node
from drivers.opcua.requests import (
    access_level_attribute,
    browse_next_parameters,
    browse_next_service,
    browse_parameters,
    browse_service,
    data_type_attribute,
    forward,
    hierarchical_references,
    read_pairs,
    read_service,
    value_rank_attribute,
)
from drivers.opcua.type_book import TypeBook
from drivers.reading import Status

objects_folder: Final = NodeId(0, "i", 85)
server_object: Final = NodeId(0, "i", 2253)
"""Left out below the objects folder: hundreds of nodes about the server itself. `--from i=2253` shows them."""
kinds: Final = {1: "folder", 2: "variable", 4: "method"}
"""NodeClass -> what it is called here; types and views are not shown."""
nodes_per_request: Final = 50
references_max: Final = 200
"""References in one answer; more are asked for by continuation points."""
names_size_max: Final = 200
read_bit, write_bit = 1, 2
texts: Final = frozenset(
    {binary.string, binary.date_time, binary.guid, binary.localized_text, binary.qualified_name, binary.node_id, binary.xml_element}
)
"""Built-in types that a tag can have as text."""
type_names: Final = (
    "Null", "Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64",
    "UInt64", "Float", "Double", "String", "DateTime", "Guid", "ByteString", "XmlElement", "NodeId",
    "ExpandedNodeId", "StatusCode", "QualifiedName", "LocalizedText", "Structure", "DataValue", "Variant", "DiagnosticInfo",
)  # fmt: skip
"""Built-in types by number."""


class Walk:
    """One walk. `stopped` tells which bound ended it."""

    def __init__(self, link: Link, types: TypeBook, request_timeout_s: float, bounds: Bounds, take: Callable[[Found], None]) -> None:
        """Starts nothing."""
        self._link, self._types, self._timeout_s, self._bounds, self._take = link, types, request_timeout_s, bounds, take
        self._until = asyncio.get_running_loop().time() + bounds.time_s
        self._seen: set[NodeId] = set()
        self._kinds: dict[NodeId, tuple[str, str]] = {}
        self._batch = min(link.limits.browse or nodes_per_request, nodes_per_request)
        self.stopped: str | None = None

    async def go(self, start: NodeId) -> None:
        """Visit everything below `start`, level by level. Raises DriverError."""
        self._seen.add(start)
        level: list[tuple[NodeId, tuple[str, ...]]] = [(start, ())]
        for _ in range(self._bounds.depth):
            below: list[tuple[NodeId, tuple[str, ...]]] = []
            at = 0
            while at < len(level) and self.stopped is None:
                some = level[at : at + self._batch]
                try:
                    browsed = await self._browse([node for node, _ in some])
                except DriverError as error:
                    if error.params.get("code") not in too_many_codes or self._batch == 1:
                        raise
                    self._batch = max(1, self._batch // 2)
                    continue
                at += len(some)
                fresh = [row for (_, path), found in zip(some, browsed, strict=True) for row in await self._children(path, found)]
                await self._tell(fresh)
                below += [(reference.target, path) for reference, path in fresh]
            if not below or self.stopped is not None:
                return
            level = below

    async def _children(self, path: tuple[str, ...], found: Browsed) -> list[tuple[Reference, tuple[str, ...]]]:
        """Return references to nodes that were not seen yet, with their paths; what was held back is asked for, within bounds."""
        fresh: list[tuple[Reference, tuple[str, ...]]] = []
        while True:
            for reference in found.references:
                target = reference.target
                unwanted = target == server_object and not path
                if reference.node_class not in kinds or not reference.local or target in self._seen or unwanted:
                    continue
                if len(self._seen) > self._bounds.count:
                    self.stopped = "count"
                    break
                self._seen.add(target)
                fresh.append((reference, (*path, reference.name[1][:names_size_max])))
            if asyncio.get_running_loop().time() >= self._until:  # it also ends a server that always has more
                self.stopped = self.stopped or "time"
            if found.point is None:
                return fresh
            (found,) = await self._next(found.point, release=self.stopped is not None)

    async def _tell(self, fresh: list[tuple[Reference, tuple[str, ...]]]) -> None:
        variables = [reference.target for reference, _ in fresh if kinds[reference.node_class] == "variable"]
        about = dict(zip(variables, await self._about(variables), strict=True))
        for reference, path in fresh:
            kind, node = kinds[reference.node_class], node_text(reference.target, self._link.namespaces)
            word, data, writable = about.get(reference.target, ("", "", False))
            self._take(Found(path, kind, node, word, writable, {"node": node, "data": data} if data else {}))

    async def _about(self, nodes: Sequence[NodeId]) -> list[tuple[str, str, bool]]:
        """Return of each variable: its type in words, `data` of a tag (empty: it cannot be one as it is), whether it may be written."""
        attributes = (data_type_attribute, value_rank_attribute, access_level_attribute)
        pairs = [(node, attribute) for node in nodes for attribute in attributes]
        samples: list[Sample] = []
        while len(samples) < len(pairs):
            some = pairs[len(samples) : len(samples) + self._link.limits.read]
            try:
                samples += await self._link.ask(read_service, read_pairs(some), partial(read_answer, count=len(some)), self._limit_s())
            except DriverError as error:
                if error.params.get("code") not in too_many_codes or not self._link.limits.shrink("read", len(some)):
                    raise
        told = []
        for at in range(0, len(samples), len(attributes)):
            kind, rank, access = (sample[0] for sample in samples[at : at + len(attributes)])
            word, data = await self._type_of(kind) if isinstance(kind, str) else ("", "")
            array = isinstance(rank, int) and rank >= 0
            levels = access if type(access) is int else read_bit
            told.append((word + "[]" * array, data if not array and levels & read_bit else "", bool(levels & write_bit)))
        return told

    async def _type_of(self, text: str) -> tuple[str, str]:
        kind = parse_node(text).id
        if kind not in self._kinds:
            if len(self._kinds) > self._bounds.count:
                return text, ""
            built = await self._types.encoded_as(kind, self._until)
            self._kinds[kind] = (type_names[built] if built else text), _data_of(built)
        return self._kinds[kind]

    async def _browse(self, nodes: Sequence[NodeId]) -> list[Browsed]:
        parameters = browse_parameters(nodes, hierarchical_references, forward, references_max)
        return await self._link.ask(browse_service, parameters, partial(browse_answer, count=len(nodes)), self._limit_s())

    async def _next(self, point: bytes, *, release: bool) -> list[Browsed]:
        parameters = browse_next_parameters([point], release=release)
        read = _nothing if release else partial(browse_answer, count=1)
        return await self._link.ask(browse_next_service, parameters, read, self._limit_s())

    def _limit_s(self) -> float:
        return max(0.0, min(self._timeout_s, self._until - asyncio.get_running_loop().time() + 1.0))


def start_of(text: str | None, namespaces: Sequence[str]) -> NodeId:
    """Return the node to start at. Raises DriverError `address_unusable`."""
    try:
        node = objects_folder if text is None else parse_node(text).resolve(namespaces)
    except ValueError:
        node = None
    if node is None:
        raise DriverError("address_unusable", Status.BAD_CONFIGURATION_ERROR, detail=str(text)[:200])
    return node


def _nothing(_: object) -> list[Browsed]:
    """Take whatever is answered when a continuation point is given back."""
    return [Browsed(0, None, [])]


def _data_of(built: int | None) -> str:
    if built is None:
        return ""
    if binary.sbyte <= built <= binary.uint64 or built == binary.status_code:
        return "int"
    plain = {binary.boolean: "bool", binary.float32: "float32", binary.float64: "float64"}
    return plain.get(built, "text" if built in texts else "")
