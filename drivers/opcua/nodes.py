"""Node ids: their text forms, what they stand for in one session, and where in a structured value a tag looks. Pure.

Room: ground, driver `opcua`. Called by `config.py` to judge what was written and by `plan.py` once a session's namespaces are known.
Sources: OPC UA Part 6, 5.3.1.10 (text of node ids) and Part 3, 8.2. A namespace's index may differ after each start of a server; its
URI does not.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

node_pattern: Final = re.compile(
    r"(?:ns=(?P<ns>\d{1,5});|nsu=(?P<nsu>[^;]{1,1000});)?"
    r"(?:i=(?P<i>\d{1,10})|s=(?P<s>.{1,4096})|g=(?P<g>[0-9a-fA-F-]{36})|b=(?P<b>[A-Za-z0-9+/=]{1,4096}))",
    re.DOTALL,
)
part_pattern: Final = re.compile(r"\.?([A-Za-z_][A-Za-z0-9_]{0,99})|\[(\d{1,6}(?:,\d{1,6}){0,3})\]")
part_steps_max: Final = 12

Step = str | tuple[int, ...]
"""One step into a value: a field's name, or the indices (from 0) of an element, one per dimension."""


class NodeId(NamedTuple):
    """A node id as it goes over the wire: `kind` is i, s, g or b; `name` an int, text, or bytes (a GUID's 16 in RFC 4122 order)."""

    namespace: int
    kind: str
    name: int | str | bytes


@dataclass(frozen=True, slots=True)
class NodeName:
    """A node id as it was written: its namespace by index, or by `uri`, which only a session can turn into an index."""

    id: NodeId
    uri: str | None = None

    def resolve(self, namespaces: Sequence[str]) -> NodeId | None:
        """Return the id in a session whose namespace array this is; None when the server does not have the namespace."""
        if self.uri is None:
            return self.id
        return self.id._replace(namespace=namespaces.index(self.uri)) if self.uri in namespaces else None


def parse_node(text: str) -> NodeName:
    """Read `ns=2;s=A`, `nsu=urn:x;s=A`, `i=85`, `g=…`, `b=…` (base64). A `;` or `%` in a URI is written %3B, %25. Raises ValueError."""
    found = node_pattern.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:80]!r} is no node id")
    index, uri = int(found["ns"] or 0), found["nsu"]
    if found["i"] is not None:
        kind, name = "i", int(found["i"])
        fits = name < 1 << 32
    elif found["s"] is not None:
        return _named(index, uri, "s", found["s"], fits=len(found["s"].encode()) <= 4096)
    elif found["g"] is not None:
        return _named(index, uri, "g", uuid.UUID(found["g"]).bytes)
    else:
        try:
            return _named(index, uri, "b", base64.b64decode(found["b"], validate=True))
        except binascii.Error as error:
            raise ValueError("not base64") from error
    return _named(index, uri, kind, name, fits=fits)


def node_text(node: NodeId, namespaces: Sequence[str] | None = None) -> str:
    """Write a node id; with a namespace array its URI stands in it (`nsu=`), so that the text outlives a restart of the server."""
    prefix = f"ns={node.namespace};" if node.namespace else ""
    if namespaces is not None and 0 < node.namespace < len(namespaces) and namespaces[node.namespace]:
        prefix = f"nsu={namespaces[node.namespace].replace('%', '%25').replace(';', '%3B')};"
    name: object = node.name
    if isinstance(node.name, bytes):
        name = str(uuid.UUID(bytes=node.name)) if node.kind == "g" else base64.b64encode(node.name).decode()
    return f"{prefix}{node.kind}={name}"


def parse_part(text: str) -> tuple[Step, ...]:
    """Read a path into a value: `[3]`, `[1,2]`, `Motor.Speed`, `Motors[2].Speed`. Raises ValueError."""
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = part_pattern.match(text, at)
        dotted = text[at] == "."
        if found is None or (dotted and not steps) or (found[1] is not None and steps and not dotted):
            raise ValueError(f"{text[:80]!r} is no path into a value")
        steps.append(found[1] or tuple(map(int, found[2].split(","))))
        at = found.end()
    if len(steps) > part_steps_max:
        raise ValueError("too many steps")
    return tuple(steps)


def _named(index: int, uri: str | None, kind: str, name: int | str | bytes, *, fits: bool = True) -> NodeName:
    if index > 0xFFFF or not fits:
        raise ValueError("out of range")
    return NodeName(NodeId(index, kind, name), uri.replace("%3B", ";").replace("%25", "%") if uri is not None else None)
