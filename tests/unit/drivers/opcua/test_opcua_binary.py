"""Our OPC UA encoding against asyncua's, both ways; and hostile bytes, which raise the one error within bounds."""

from __future__ import annotations

import math
import struct
import tracemalloc
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_to_binary, struct_from_binary, struct_to_binary, variant_from_binary, variant_to_binary
from hypothesis import given
from hypothesis import strategies as st

from drivers.opcua import binary
from drivers.opcua.answers import (
    ServiceFaultError,
    browse_answer,
    call_answer,
    monitored_answer,
    notification,
    open_answer,
    publish_answer,
    read_answer,
    subscription_answer,
    write_answer,
)
from drivers.opcua.binary import Array, Extension, MalformedError, Moment, Reader, put_node, too_large
from drivers.opcua.nodes import NodeId, node_text, parse_node
from drivers.opcua.requests import (
    Wanted,
    browse_next_parameters,
    browse_parameters,
    call_parameters,
    create_subscription_parameters,
    monitor_parameters,
    publish_parameters,
    read_parameters,
    republish_parameters,
    request_header,
    write_parameters,
)
from drivers.opcua.writing import encode_variant, integer_bounds, parse_argument

VT = ua.VariantType
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
moments = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))
scalars: dict[Any, st.SearchStrategy[Any]] = {
    VT.Boolean: st.booleans(),
    VT.Float: st.floats(width=32, allow_nan=False),
    VT.Double: st.floats(allow_nan=False),
    VT.String: texts,
    VT.ByteString: st.binary(max_size=30),
    VT.Guid: st.uuids(),
    VT.DateTime: moments,
    VT.LocalizedText: st.builds(ua.LocalizedText, texts, st.sampled_from([None, "en"])),
    VT.QualifiedName: st.builds(ua.QualifiedName, texts, st.integers(0, 9)),
    VT.StatusCode: st.integers(0, 2**32 - 1).map(ua.StatusCode),
} | {VT(kind): st.integers(low, high) for kind, (low, high) in integer_bounds.items()}
nodes = st.one_of(
    st.builds(ua.NodeId, st.integers(0, 2**32 - 1), st.integers(0, 65535)),
    st.builds(ua.NodeId, texts.filter(bool), st.integers(0, 65535)),
    st.builds(ua.NodeId, st.uuids(), st.integers(0, 65535)),
    st.builds(ua.NodeId, st.binary(min_size=1, max_size=20), st.integers(0, 65535)),
)


def ours(kind: Any, value: Any) -> Any:
    """What our reader makes of a value of asyncua's."""
    if kind is VT.Guid:
        return str(value)
    if kind is VT.DateTime:
        return ticks_of(value)
    if kind is VT.LocalizedText:
        return value.Text
    if kind is VT.QualifiedName:
        return value.Name
    return value.value if kind is VT.StatusCode else value


def ticks_of(value: datetime) -> Moment:
    since = value.replace(tzinfo=UTC) - datetime(1601, 1, 1, tzinfo=UTC)
    return Moment((since // timedelta(microseconds=1)) * 10)


def node_of(node: ua.NodeId) -> NodeId:
    name = node.Identifier
    kind = {int: "i", str: "s", uuid.UUID: "g", bytes: "b"}[type(name)]
    return NodeId(node.NamespaceIndex, kind, name.bytes if isinstance(name, uuid.UUID) else name)


kinds = st.sampled_from(list(scalars)).flatmap(lambda kind: st.tuples(st.just(kind), scalars[kind]))
lists = st.sampled_from(list(scalars)).flatmap(lambda kind: st.tuples(st.just(kind), st.lists(scalars[kind], max_size=8)))


@given(kinds)
def test_scalars_are_read_as_the_library_writes_them(given_value: tuple[Any, Any]) -> None:
    kind, value = given_value
    reader = Reader(variant_to_binary(ua.Variant(value, kind)))
    assert reader.variant() == ours(kind, value)
    assert reader.at == reader.end


@given(lists)
def test_arrays_are_read_as_the_library_writes_them(given_value: tuple[Any, list[Any]]) -> None:
    kind, values = given_value
    reader = Reader(variant_to_binary(ua.Variant(values, kind, is_array=True)))
    assert reader.variant() == Array(tuple(ours(kind, value) for value in values), (len(values),))
    assert reader.at == reader.end


@given(st.lists(st.integers(1, 4), min_size=2, max_size=3))
def test_matrices_keep_their_shape(lengths: list[int]) -> None:
    count = math.prod(lengths)
    encoded = b"\xc6" + struct.pack(f"<i{count}i", count, *range(count)) + struct.pack(f"<i{len(lengths)}i", len(lengths), *lengths)
    assert Reader(encoded).variant() == Array(tuple(range(count)), tuple(lengths))
    assert Reader(encoded[: -4 * len(lengths)] + struct.pack(f"<{len(lengths)}i", *([99] * len(lengths)))).variant().lengths == (count,)


@given(nodes)
def test_node_ids_both_ways_and_as_text(node: ua.NodeId) -> None:
    found = node_of(node)
    assert Reader(nodeid_to_binary(node)).node() == found
    assert Reader(put_node(found)).node() == found
    assert ua.ua_binary.nodeid_from_binary(Buffer(put_node(found))) == node
    assert parse_node(node_text(found)).id == found


@given(st.sampled_from([k for k in scalars if k.value in integer_bounds or k in {VT.Boolean, VT.String, VT.Float, VT.Double}]).flatmap(
    lambda kind: st.tuples(st.just(kind), scalars[kind])
))  # fmt: skip
def test_the_library_reads_what_we_write(given_value: tuple[Any, Any]) -> None:
    kind, value = given_value
    found = variant_from_binary(Buffer(encode_variant(value, kind.value)))
    assert (found.Value, found.VariantType) == (value, kind)


maybe_moments = st.one_of(st.none(), moments)


@given(st.one_of(st.none(), st.floats(allow_nan=False)), st.integers(0, 2**32 - 1), maybe_moments, maybe_moments)
def test_data_values_give_status_and_both_times(value: float | None, status: int, source: Any, server: Any) -> None:
    given_value = ua.DataValue(ua.Variant(value, VT.Double if value is not None else VT.Null), ua.StatusCode(status))
    given_value.SourceTimestamp, given_value.ServerTimestamp = source, server
    reader = Reader(struct_to_binary(given_value))
    assert reader.data_value() == (value, status, ms_of(source), ms_of(server))
    assert reader.at == reader.end


def ms_of(time: datetime | None) -> int | None:
    return None if time is None else (time.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def test_picoseconds_stand_behind_their_own_time() -> None:
    """OPC UA Part 6, 5.2.2.17; the library writes both at the end, other stacks as the standard says."""
    ticks = 133_801_632_000_000_000
    data = b"\x3c" + struct.pack("<qHqH", ticks, 7, ticks + 10_000, 9)
    assert Reader(data).data_value() == (None, 0, 1_735_689_600_000, 1_735_689_600_001)


@pytest.mark.parametrize("ticks", [0, -1, 2_650_467_743_990_000_000 + 10_000_000, (1 << 63) - 1, -(1 << 63)])
def test_the_ends_of_the_scale_are_no_time(ticks: int) -> None:
    """OPC UA Part 6, 5.2.2.5: 1601 and 9999 stand for "none" and "for ever"."""
    assert Reader(b"\x0c" + struct.pack("<qq", ticks, ticks)).data_value() == (None, 0, None, None)


def test_requests_are_what_the_library_reads() -> None:
    """Each request, read by the library's own structures of the service."""
    node, other = NodeId(2, "s", "a"), NodeId(0, "i", 85)
    read = struct_from_binary(ua.ReadParameters, Buffer(read_parameters([node, other])))
    assert [str(r.NodeId) for r in read.NodesToRead] == [str(ua.NodeId("a", 2)), str(ua.NodeId(85, 0))]
    assert (read.TimestampsToReturn, read.NodesToRead[0].AttributeId) == (ua.TimestampsToReturn.Both, ua.AttributeIds.Value)
    write = struct_from_binary(ua.WriteParameters, Buffer(write_parameters(node, encode_variant(7, VT.Int16.value))))
    assert write.NodesToWrite[0].Value.Value == ua.Variant(7, VT.Int16)
    assert write.NodesToWrite[0].Value.SourceTimestamp is None
    browse = struct_from_binary(ua.BrowseParameters, Buffer(browse_parameters([node], NodeId(0, "i", 33), 1, 50)))
    assert (browse.RequestedMaxReferencesPerNode, browse.NodesToBrowse[0].BrowseDirection) == (50, ua.BrowseDirection.Inverse)
    assert browse.NodesToBrowse[0].IncludeSubtypes
    following = struct_from_binary(ua.BrowseNextParameters, Buffer(browse_next_parameters([b"abc"], release=True)))
    assert (following.ReleaseContinuationPoints, following.ContinuationPoints) == (True, [b"abc"])
    call = struct_from_binary(ua.CallParameters, Buffer(call_parameters(node, other, [parse_argument("double:1.5")])))
    assert call.MethodsToCall[0].InputArguments == [ua.Variant(1.5, VT.Double)]
    made = struct_from_binary(ua.CreateSubscriptionParameters, Buffer(create_subscription_parameters(500.0, 100, 3)))
    assert (made.RequestedPublishingInterval, made.RequestedLifetimeCount, made.RequestedMaxKeepAliveCount) == (500.0, 100, 3)
    assert made.PublishingEnabled
    monitor = struct_from_binary(
        ua.CreateMonitoredItemsParameters, Buffer(monitor_parameters(9, [Wanted(4, node, 0.5), Wanted(5, other)], 100.0, 10))
    )
    first, second = monitor.ItemsToCreate
    assert (first.RequestedParameters.ClientHandle, first.RequestedParameters.QueueSize, first.RequestedParameters.DiscardOldest) == (
        4,
        10,
        True,
    )
    assert type(first.RequestedParameters.Filter).__name__ == "DataChangeFilter"
    assert (first.RequestedParameters.Filter.DeadbandType, first.RequestedParameters.Filter.DeadbandValue) == (1, 0.5)
    assert second.RequestedParameters.ClientHandle == 5
    publish = struct_from_binary(ua.PublishParameters, Buffer(publish_parameters(9, 3)))
    assert publish.SubscriptionAcknowledgements[0].SequenceNumber == 3
    assert not struct_from_binary(ua.PublishParameters, Buffer(publish_parameters(9, None))).SubscriptionAcknowledgements
    again = struct_from_binary(ua.RepublishParameters, Buffer(republish_parameters(9, 3)))
    assert (again.SubscriptionId, again.RetransmitSequenceNumber) == (9, 3)
    header = struct_from_binary(ua.RequestHeader, Buffer(request_header(nodeid_to_binary(ua.NodeId(7, 1)), 5, 0, 250)))
    assert (header.RequestHandle, header.TimeoutHint, header.AuthenticationToken) == (5, 250, ua.NodeId(7, 1))


def test_answers_of_the_library_are_read() -> None:
    response: Any = ua.BrowseResponse()
    reference = ua.ReferenceDescription(
        ReferenceTypeId=ua.NodeId(47), IsForward=True, NodeId=ua.ExpandedNodeId("x", 2), BrowseName=ua.QualifiedName("Speed", 2),
        DisplayName=ua.LocalizedText("Speed"), NodeClass=ua.NodeClass.Variable, TypeDefinition=ua.ExpandedNodeId(63),
    )  # fmt: skip
    response.Results = [ua.BrowseResult(ua.StatusCode(0), b"more", [reference])]
    found = browse_answer(open_answer(struct_to_binary(response), 530), 1)[0]
    assert (found.point, found.references[0].target, found.references[0].name) == (b"more", NodeId(2, "s", "x"), (2, "Speed"))
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId, response.Parameters.NotificationMessage.SequenceNumber = 9, 4
    change = ua.DataChangeNotification([ua.MonitoredItemNotification(1, ua.DataValue(ua.Variant(2.5)))])
    response.Parameters.NotificationMessage.NotificationData = [change, ua.StatusChangeNotification(ua.StatusCode(0x800A0000))]
    subscription, message = publish_answer(open_answer(struct_to_binary(response), 829))
    assert (subscription, message.number, message.ended) == (9, 4, 0x800A0000)
    assert [(handle, sample[0]) for handle, sample in message.samples] == [(1, 2.5)]
    response = ua.CallResponse()
    response.Results = [ua.CallMethodResult(ua.StatusCode(0), [ua.StatusCode(0)], [], [ua.Variant(5), ua.Variant("a")])]
    assert call_answer(open_answer(struct_to_binary(response), 715)) == (0, [0], [5, "a"])
    fault = ua.ServiceFault()
    fault.ResponseHeader.ServiceResult = ua.StatusCode(0x80100000)
    with pytest.raises(ServiceFaultError) as caught:
        open_answer(struct_to_binary(fault), 634)
    assert caught.value.status == 0x80100000


def read_everything(data: bytes) -> None:
    for read in (
        lambda r: open_answer(r.data, 634), lambda r: read_answer(r, 3), write_answer, lambda r: browse_answer(r, 2), call_answer,
        subscription_answer, lambda r: monitored_answer(r, 2), publish_answer, notification, Reader.variant, Reader.data_value, Reader.node,
    ):  # fmt: skip
        try:
            read(Reader(data))
        except (MalformedError, ServiceFaultError):
            pass


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_else(data: bytes) -> None:
    read_everything(data)


@given(lists, st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4))
def test_mutated_messages_raise_nothing_else(value: tuple[Any, list[Any]], changes: list[tuple[int, int]]) -> None:
    response = ua.ReadResponse()
    response.Results = [ua.DataValue(ua.Variant(value[1], value[0], is_array=True), SourceTimestamp=datetime(2026, 1, 1))] * 2
    data = bytearray(struct_to_binary(response))
    for at, byte in changes:
        data[at % len(data)] = byte
    read_everything(bytes(data))


BOMBS = {
    "2^31 nulls": b"\x80\xff\xff\xff\x7f",
    "2^31 bytes": b"\x83\xff\xff\xff\x7f" + b"\0" * 1000,
    "variants in variants": b"\x18" * 5000,
    "arrays in arrays": b"\x98\x01\0\0\0" * 5000,
    "data values in data values": b"\x17\x01" * 5000,
    "two million empty texts": b"\x8c" + struct.pack("<i", 2_000_000) + b"\xff" * 8_000_000,
    "two million diagnostics": b"\x99" + struct.pack("<i", 2_000_000) + b"\0" * 2_000_000,
    "dimensions of 2^60": b"\xc3\x01\0\0\0\x07" + struct.pack("<i4i", 4, *([1 << 30] * 4)),
    "a text of 2 GB": b"\x0c\xff\xff\xff\x7f" + b"a" * 1000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_cost_neither_memory_nor_depth(name: str) -> None:
    tracemalloc.start()
    try:
        try:
            Reader(BOMBS[name]).variant()
        except MalformedError:
            pass
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()


def test_one_value_that_is_too_large_does_not_take_the_others_along() -> None:
    large = b"\x8b" + struct.pack("<i", 70_000) + bytes(8 * 70_000)
    text = b"\x0c" + struct.pack("<i", 70_000) + b"a" * 70_000
    words = b"\x8c" + struct.pack("<i", 70_000) + b"\xff" * 280_000
    broken = b"\x0c" + struct.pack("<i", 60_000) + b"\xff" * 60_000  # as text it has three times the bytes, which no entry holds
    data = struct.pack("<i", 5) + b"".join(b"\x01" + part for part in (large, text, words, broken, b"\x06\x05\0\0\0"))
    values = [sample[0] for sample in read_answer(Reader(data), 5)]
    assert values[:4] == [too_large] * 4
    assert values[4] == 5


def test_structures_wait_for_their_definition() -> None:
    found = Reader(b"\x16\x01\x02\x05\x00\x01\x02\0\0\0ab").variant()
    assert found == Extension(NodeId(2, "i", 5), b"ab")
    assert Reader(b"\x16\x01\x02\x05\x00\x00").variant() == Extension(NodeId(2, "i", 5), b"")


@pytest.mark.parametrize(
    "text", ["5", "int16:", "int16:40000", "int16:1.5", "double:true", "boolean:1", "variant:5", 'int16:"a"', "double:[1]", "float:1e300"]
)
def test_what_is_no_argument_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_argument(text)


def test_bounds_are_the_ones_that_are_documented() -> None:
    assert (binary.array_max, binary.text_size_max) == (65_536, 65_535)
