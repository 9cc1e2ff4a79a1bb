"""Which nodes are asked for so that every tag of a group gets its value, and how answers become samples of tags. Pure.

Room: ground, driver `opcua`. `driver.py` and `stream.py` make one plan per session and group, because a namespace's index may differ
after each start of a server. A node that several tags look into is asked for once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from drivers.opcua.codec import Sample, pick, python_types
from drivers.opcua.config import Address
from drivers.opcua.nodes import NodeId
from drivers.opcua.requests import Wanted, read_parameters
from drivers.reading import Tag, TagGroup

bad_node_id_unknown: Final = 0x80340000
unknown: Final[Sample] = (None, bad_node_id_unknown, None, None)


class Plan:
    """The nodes of one group in one session. `nodes` are distinct; `types` are the Python types of the tags."""

    def __init__(self, group: TagGroup, namespaces: Sequence[str]) -> None:
        """`namespaces` is the session's namespace array; a tag whose URI is not in it has no node, and the status says so."""
        self.group = group
        self.types: list[type] = []
        self.nodes: list[NodeId] = []
        self._places: list[int] = []
        """Per tag: the place of its node, -1 where it has none."""
        self._tags: list[list[int]] = []
        """Per node: the tags that look into it."""
        self._deadbands: list[float | None] = []
        known: dict[NodeId, int] = {}
        for n, tag in enumerate(group.tags):
            address = address_of(tag)
            self.types.append(python_types[address.type])
            node = address.name.resolve(namespaces)
            if node is None:
                self._places.append(-1)
                continue
            place = known.setdefault(node, len(self.nodes))
            if place == len(self.nodes):
                self.nodes.append(node)
                self._tags.append([])
                self._deadbands.append(address.server_deadband)
            elif self._deadbands[place] != address.server_deadband:
                self._deadbands[place] = None  # two tags that want different ones get every change
            self._places.append(place)
            self._tags[place].append(n)
        self._parts = [address_of(tag).part for tag in group.tags]
        self.structured = any(isinstance(step, str) for part in self._parts for step in part)
        """Whether a tag looks into a structure, whose definition is needed."""
        self._straight = self._places == list(range(len(group.tags))) and not any(self._parts)
        self._requests: tuple[int, list[tuple[int, bytes]]] | None = None

    def requests(self, size: int) -> list[tuple[int, bytes]]:
        """Return (nodes, parameters) of each read, with at most `size` nodes in one; made once per size."""
        if self._requests is None or self._requests[0] != size:
            chunks = [self.nodes[at : at + size] for at in range(0, len(self.nodes), size)]
            self._requests = size, [(len(chunk), read_parameters(chunk)) for chunk in chunks]
        return self._requests[1]

    def wanted(self) -> list[Wanted]:
        """Return what is to be monitored; a node's place is its handle."""
        return [Wanted(place, node, band) for place, (node, band) in enumerate(zip(self.nodes, self._deadbands, strict=True))]

    def samples(self, read: list[Sample]) -> list[Sample]:
        """Return one sample per tag out of one per node."""
        if self._straight:
            return read
        return [unknown if place < 0 else pick(read[place], part) for place, part in zip(self._places, self._parts, strict=True)]

    def notified(self, samples: Sequence[tuple[int, Sample]]) -> list[tuple[int, Sample]]:
        """Return (tag, sample) pairs out of (handle, sample) pairs. Raises LookupError for a handle that was not given."""
        if self._straight:
            if any(handle >= len(self.nodes) for handle, _ in samples):
                raise LookupError("a handle that was not given")
            return list(samples)
        return [(tag, pick(sample, self._parts[tag])) for handle, sample in samples for tag in self._tags[handle]]

    def without_node(self) -> list[tuple[int, Sample]]:
        """Return what there is to say of tags whose namespace the server does not have."""
        return [(n, unknown) for n, place in enumerate(self._places) if place < 0]


def address_of(tag: Tag) -> Address:
    """Return a tag's address. Raises TypeError for one of another driver."""
    if not isinstance(tag.address, Address):
        raise TypeError(f"not an OPC UA address: {tag.address!r}")
    return tag.address
