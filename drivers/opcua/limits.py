"""What a server says that it can take in one request, and how many nodes we therefore put into one. Pure.

Room: ground, driver `opcua`. `link.py` reads the nodes once per session. Source: OPC UA Part 5, 6.3.2 and 6.3.11 (ServerCapabilities,
OperationLimits). A server that lacks a node, or says 0, names no limit: then ours holds, and is halved whenever it refuses a request
as too large.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from drivers.opcua.binary import Array
from drivers.opcua.codec import Sample
from drivers.opcua.nodes import NodeId

namespace_array: Final = NodeId(0, "i", 2255)
limit_nodes: Final[Mapping[str, NodeId]] = MappingProxyType(
    {
        "read": NodeId(0, "i", 11705),
        "monitor": NodeId(0, "i", 11714),
        "browse": NodeId(0, "i", 11710),
        "array": NodeId(0, "i", 11702),
        "sessions": NodeId(0, "i", 24095),
        "subscriptions": NodeId(0, "i", 24096),
        "subscription_nodes": NodeId(0, "i", 24104),
        "queue": NodeId(0, "i", 31916),
    }
)
namespaces_max: Final = 1_000
"""Namespaces looked at; more are a fault of the server, and tags in them are unknown to it."""


@dataclass(slots=True)
class Limits:
    """Nodes per request of each service, and what else the server bounds; 0: no limit named. `read` and `monitor` shrink when refused."""

    read: int
    monitor: int
    browse: int = 0
    array: int = 0
    sessions: int = 0
    subscriptions: int = 0
    subscription_nodes: int = 0
    queue: int = 0

    def shrink(self, service: str, asked: int) -> bool:
        """Halve what was refused; tell whether there is anything left to halve."""
        size = min(getattr(self, service), asked)
        if size <= 1:
            return False
        setattr(self, service, size // 2)
        return True


def limits_of(samples: Sequence[Sample], nodes_max: int) -> Limits:
    """Return the limits out of samples of `limit_nodes`, in their order; `nodes_max` is the configuration's own."""
    told = {name: _positive(sample) for name, sample in zip(limit_nodes, samples, strict=True)}
    for name in ("read", "monitor"):
        told[name] = min(told[name], nodes_max) or nodes_max
    return Limits(**told)


def namespaces_of(sample: Sample) -> tuple[str, ...]:
    """Return a server's namespace array; empty when it shows none."""
    value, status, _, _ = sample
    if status >> 30 or not isinstance(value, Array):
        return ()
    return tuple(uri if isinstance(uri, str) else "" for uri in value.elements[:namespaces_max])


def _positive(sample: Sample) -> int:
    value, status, _, _ = sample
    return value if not status >> 30 and type(value) is int and value > 0 else 0
