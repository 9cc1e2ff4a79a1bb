"""The services that the driver asks for: each request's parameters as bytes, and the numbers of request and answer. Pure.

Room: ground, driver `opcua`. `session.py` puts the request header before them; `answers.py` reads what comes back. Source: OPC UA Part
4, 5, and Part 6 (the numeric ids of binary encodings). Requests never ask for diagnostics.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from drivers.opcua.binary import put_node, put_raw, put_text
from drivers.opcua.nodes import NodeId


class Service(NamedTuple):
    """Numeric ids of the binary encodings of a request and of its answer."""

    request: int
    answer: int


read_service: Final = Service(631, 634)
write_service: Final = Service(673, 676)
browse_service: Final = Service(527, 530)
browse_next_service: Final = Service(533, 536)
call_service: Final = Service(712, 715)
create_subscription_service: Final = Service(787, 790)
monitor_service: Final = Service(751, 754)
publish_service: Final = Service(826, 829)
republish_service: Final = Service(832, 835)

value_attribute: Final = 13
data_type_attribute: Final = 14
value_rank_attribute: Final = 15
access_level_attribute: Final = 17
data_type_definition_attribute: Final = 23

hierarchical_references: Final = NodeId(0, "i", 33)
has_encoding: Final = NodeId(0, "i", 38)
has_subtype: Final = NodeId(0, "i", 45)
forward: Final = 0
inverse: Final = 1
_both_times: Final = 2
_null_text: Final = put_raw(None)
_no_encoding: Final = struct.pack("<H", 0) + _null_text
_null_extension: Final = b"\0\0\0"
_data_change_filter: Final = put_node(NodeId(0, "i", 724))
_absolute_deadband: Final = 1
_status_value: Final = 1
"""DataChangeTrigger: a change of status or of value."""


class Wanted(NamedTuple):
    """One node to monitor: the number that notifications call it by, and a deadband in the value's own unit, or None."""

    handle: int
    node: NodeId
    deadband: float | None = None


def read_parameters(nodes: Sequence[NodeId], attribute: int = value_attribute) -> bytes:
    """Read one attribute of nodes, with source and server times."""
    return _read([_read_value_id(node, attribute) for node in nodes])


def read_pairs(pairs: Sequence[tuple[NodeId, int]]) -> bytes:
    """Read attributes of nodes."""
    return _read([_read_value_id(node, attribute) for node, attribute in pairs])


def write_parameters(node: NodeId, variant: bytes) -> bytes:
    """Write the Value attribute: `variant` is an encoded Variant. Neither status nor time is sent: most servers refuse them."""
    return struct.pack("<i", 1) + put_node(node) + struct.pack("<I", value_attribute) + _null_text + b"\x01" + variant


def browse_parameters(nodes: Sequence[NodeId], reference: NodeId, direction: int, references_max: int) -> bytes:
    """Follow references of a type and its subtypes; of each target, everything is asked for."""
    view = put_node(NodeId(0, "i", 0)) + struct.pack("<qI", 0, 0)
    asked = [put_node(node) + struct.pack("<i", direction) + put_node(reference) + struct.pack("<?II", True, 0, 63) for node in nodes]
    return view + struct.pack("<Ii", references_max, len(asked)) + b"".join(asked)


def browse_next_parameters(points: Sequence[bytes], *, release: bool) -> bytes:
    """Ask for more references, or free the server's memory of what was not asked for."""
    return struct.pack("<?i", release, len(points)) + b"".join([put_raw(point) for point in points])


def call_parameters(owner: NodeId, method: NodeId, variants: Sequence[bytes]) -> bytes:
    """Call one method of an object."""
    return struct.pack("<i", 1) + put_node(owner) + put_node(method) + struct.pack("<i", len(variants)) + b"".join(variants)


def create_subscription_parameters(interval_ms: float, lifetime_count: int, keep_alive_count: int) -> bytes:
    """Create a subscription that publishes as much as fits into a message."""
    return struct.pack("<dIII?B", interval_ms, lifetime_count, keep_alive_count, 0, True, 0)


def monitor_parameters(subscription_id: int, wanted: Sequence[Wanted], interval_ms: float, queue_size: int) -> bytes:
    """Monitor the values of nodes; the oldest sample gives way when the queue is full, and the next one says so."""
    parts = [struct.pack("<Iii", subscription_id, _both_times, len(wanted))]
    for one in wanted:
        parts += (_read_value_id(one.node, value_attribute), struct.pack("<iId", 2, one.handle, interval_ms))
        if one.deadband is None:
            parts.append(_null_extension)
        else:
            body = struct.pack("<iId", _status_value, _absolute_deadband, one.deadband)
            parts.append(_data_change_filter + b"\x01" + put_raw(body))
        parts.append(struct.pack("<I?", queue_size, True))
    return b"".join(parts)


def publish_parameters(subscription_id: int, acknowledge: int | None) -> bytes:
    """Ask for the next notification; acknowledge one that was taken."""
    return struct.pack("<i", 0) if acknowledge is None else struct.pack("<iII", 1, subscription_id, acknowledge)


def republish_parameters(subscription_id: int, number: int) -> bytes:
    """Ask for a notification again."""
    return struct.pack("<II", subscription_id, number)


def request_header(token: bytes, handle: int, ticks: int, hint_ms: int) -> bytes:
    """Return a request header; `token` is the encoded authentication token, `ticks` the time as a DateTime."""
    return token + struct.pack("<qII", ticks, handle, 0) + put_text(None) + struct.pack("<I", hint_ms) + _null_extension


def _read(asked: list[bytes]) -> bytes:
    return struct.pack("<dii", 0.0, _both_times, len(asked)) + b"".join(asked)


def _read_value_id(node: NodeId, attribute: int) -> bytes:
    return put_node(node) + struct.pack("<I", attribute) + _null_text + _no_encoding
