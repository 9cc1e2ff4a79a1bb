"""Our Sparkplug decoder against protobuf's own (pysparkplug's schema), both ways, and against bytes that are none."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from pysparkplug import DataType
from pysparkplug import Metric as OracleMetric
from pysparkplug._protobuf import Payload as OraclePayload

from drivers.mqtt.protobuf import WireError, read_fields, read_varint, write_bytes, write_varint
from drivers.mqtt.sparkplug import Metric, Payload, SparkplugError, decode, encode, metric_with, value_of
from drivers.reading import Status

uint64 = st.integers(0, 2**64 - 1)
text = st.text(max_size=20)
values = st.one_of(
    st.tuples(st.just("int_value"), st.integers(0, 2**32 - 1)),
    st.tuples(st.just("long_value"), uint64),
    st.tuples(st.just("float_value"), st.floats(width=32, allow_nan=False)),
    st.tuples(st.just("double_value"), st.floats(allow_nan=False)),
    st.tuples(st.just("boolean_value"), st.booleans()),
    st.tuples(st.just("string_value"), text),
    st.tuples(st.just("bytes_value"), st.binary(max_size=20)),
)
FIELDS = {10: "int_value", 11: "long_value", 12: "float_value", 13: "double_value", 14: "boolean_value", 15: "string_value"}
FIELDS |= {16: "bytes_value", 17: "dataset_value", 18: "template_value", 19: "extension_value"}


@st.composite
def oracle_payloads(draw: st.DrawFn) -> OraclePayload:
    payload = OraclePayload()
    for key in ("timestamp", "seq"):
        if draw(st.booleans()):
            setattr(payload, key, draw(uint64))
    if draw(st.booleans()):
        payload.uuid, payload.body = draw(text), draw(st.binary(max_size=9))
    for _ in range(draw(st.integers(0, 4))):
        metric = payload.metrics.add()
        for key, value in (("name", text), ("alias", uint64), ("timestamp", uint64), ("datatype", st.integers(0, 40))):
            if draw(st.booleans()):
                setattr(metric, key, draw(value))
        for key in ("is_historical", "is_transient", "is_null"):
            if draw(st.booleans()):
                setattr(metric, key, draw(st.booleans()))
        if draw(st.booleans()):
            metric.metadata.description = draw(text)
        if draw(st.booleans()):
            for name in draw(st.lists(st.sampled_from(["Quality", "a", ""]), max_size=3)):
                metric.properties.keys.append(name)
                metric.properties.values.add(type=3, int_value=draw(st.sampled_from([0, 192, 500])))
        if draw(st.booleans()):
            name, value = draw(values)
            setattr(metric, name, value)
        elif draw(st.booleans()):
            metric.dataset_value.num_of_columns = 3
    return payload


def same(ours: Payload, oracle: OraclePayload) -> None:
    def optional(message: object, key: str) -> object:
        return getattr(message, key) if message.HasField(key) else None  # type: ignore[attr-defined]

    assert (ours.timestamp_ms, ours.seq) == (optional(oracle, "timestamp"), optional(oracle, "seq"))
    assert len(ours.metrics) == len(oracle.metrics)
    for mine, theirs in zip(ours.metrics, oracle.metrics, strict=True):
        assert (mine.name, mine.alias, mine.timestamp_ms) == tuple(optional(theirs, key) for key in ("name", "alias", "timestamp"))
        assert (mine.datatype, mine.historical, mine.null) == (theirs.datatype, theirs.is_historical, theirs.is_null)
        field = theirs.WhichOneof("value")
        assert FIELDS.get(mine.field) == field
        if mine.field and mine.field < 16:
            wanted = getattr(theirs, str(field))
            assert mine.raw == wanted or str(mine.raw) == str(wanted) == "nan"
        quality = None
        for key, value in zip(theirs.properties.keys, theirs.properties.values, strict=False):
            if key == "Quality":
                quality = value.int_value if value.HasField("int_value") else value.long_value if value.HasField("long_value") else None
                break
        assert mine.quality == (None if quality is None else quality & 0xFFFFFFFF)


@given(oracle_payloads())
def test_what_protobuf_writes_we_read_the_same(payload: OraclePayload) -> None:
    same(decode(payload.SerializeToString()), payload)


@given(st.lists(st.tuples(text, uint64, uint64, st.sampled_from([*range(1, 8), 9, 10, 11, 12, 14, 15]), st.booleans(), st.data())), uint64)
def test_what_we_write_protobuf_reads_the_same(metrics: list[tuple[str, int, int, int, bool, st.DataObject]], seq: int) -> None:
    made = []
    for name, alias, at, datatype, historical, data in metrics:
        made.append(Metric(name, alias, at, datatype, historical=historical, quality=192, **raw_for(datatype, data)))
    ours = Payload(seq, tuple(made), seq)
    oracle = OraclePayload.FromString(encode(ours))
    same(ours, oracle)


def raw_for(datatype: int, data: st.DataObject) -> dict[str, object]:
    bounds = {1: 8, 2: 16, 3: 32, 4: 64}.get(datatype)
    if bounds:
        value: object = data.draw(st.integers(-(1 << bounds - 1), (1 << bounds - 1) - 1))
    elif datatype < 9:
        value = data.draw(st.integers(0, (1 << {5: 8, 6: 16, 7: 32}.get(datatype, 64)) - 1))
    elif datatype in (9, 10):
        value = data.draw(st.floats(width=32 if datatype == 9 else 64, allow_nan=False))
    else:
        value = data.draw(st.booleans()) if datatype == 11 else data.draw(text)
    metric = metric_with("x", None, datatype, value, 0)  # type: ignore[arg-type]
    assert value_of(metric, datatype) == (value, 0)
    return {"field": metric.field, "raw": metric.raw}


@given(st.integers(-(2**31), 2**31 - 1), st.sampled_from([DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64]))
def test_signed_integers_of_the_oracle_come_back_signed(number: int, kind: DataType) -> None:
    bits = {DataType.INT8: 8, DataType.INT16: 16, DataType.INT32: 32, DataType.INT64: 64}[kind]
    value = (number + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
    oracle = OraclePayload(timestamp=1)
    oracle.metrics.append(OracleMetric(1, "a", kind, value=value).to_pb(include_dtype=True))
    assert value_of(decode(oracle.SerializeToString()).metrics[0], int(kind)) == (value, 0)
    for field, width in (("int_value", 32), ("long_value", 64)):  # publishers that extend the sign, or use the wide field
        if width >= bits:
            oracle.metrics[0].ClearField("long_value")
            oracle.metrics[0].ClearField("int_value")
            setattr(oracle.metrics[0], field, value & (1 << width) - 1)
            assert value_of(decode(oracle.SerializeToString()).metrics[0], int(kind)) == (value, 0)


@pytest.mark.parametrize(
    ("datatype", "field", "raw", "wanted"),
    [
        (5, 10, 256, Status.BAD_DECODING_ERROR),
        (1, 10, 0x1FF, Status.BAD_DECODING_ERROR),
        (1, 10, 0xFFFFFF01, Status.BAD_DECODING_ERROR),
        (9, 13, 1.0, Status.BAD_DECODING_ERROR),
        (11, 10, 1, Status.BAD_DECODING_ERROR),
        (12, 10, 1, Status.BAD_DECODING_ERROR),
        (16, 17, b"", Status.BAD_NOT_SUPPORTED),
        (17, 16, b"", Status.BAD_NOT_SUPPORTED),
        (19, 18, b"", Status.BAD_NOT_SUPPORTED),
        (22, 16, b"", Status.BAD_NOT_SUPPORTED),
        (0, 10, 1, Status.BAD_NOT_SUPPORTED),
        (99, 10, 1, Status.BAD_NOT_SUPPORTED),
        (3, 0, 0, Status.BAD_NO_DATA),
    ],
)
def test_values_that_do_not_fit_their_type_say_so(datatype: int, field: int, raw: object, wanted: int) -> None:
    assert value_of(Metric("a", datatype=datatype, field=field, raw=raw), datatype) == (None, wanted)  # type: ignore[arg-type]


def test_a_null_is_no_value() -> None:
    assert value_of(Metric("a", datatype=3, null=True, field=10, raw=7), 3) == (None, Status.BAD_NO_DATA)


@pytest.mark.parametrize(
    "data",
    [
        b"\x80" * 11,
        b"\xff" * 9 + b"\x02",
        b"\x12\xff\xff\xff\xff\x0f",
        b"\x12\x7f",
        b"\x00\x00",
        b"\x0b\x0c",
        b"\x0e\x00",
        b"\x12\x03\x0a\x05a",
        b"\x12\x04\x0a\x02\xc3\x28",
        b"\x12\x03\x65\x00\x00",
        b"\x12\x00" * 20_001,
    ],
)
def test_hostile_bytes_are_one_error(data: bytes) -> None:
    with pytest.raises(SparkplugError):
        decode(data)


@given(st.lists(st.sampled_from(["int_value", "long_value", "float_value", "boolean_value", "string_value"]), min_size=1, max_size=4))
def test_of_a_property_that_is_set_twice_the_last_counts(fields: list[str]) -> None:
    part = type(OraclePayload.Metric().properties.values.add())
    together = b"".join(part(**{name: "192" if name == "string_value" else 1}).SerializeToString() for name in fields)
    data = write_bytes(2, write_bytes(1, b"m") + write_bytes(9, write_bytes(1, b"Quality") + write_bytes(2, together)))
    same(decode(data), OraclePayload.FromString(data))


def test_any_bytes_are_read_or_refused_and_as_protobuf_reads_them(seed: int, count: Callable[[int, int, int], int]) -> None:
    """Mutated payloads: never another error than ours; where both accept, both say the same."""
    rng = random.Random(seed)
    oracle = OraclePayload(timestamp=1_700_000_000_000, seq=7)
    for n, kind in enumerate((DataType.INT8, DataType.INT64, DataType.FLOAT, DataType.DOUBLE, DataType.BOOLEAN, DataType.STRING)):
        value = {DataType.BOOLEAN: True, DataType.STRING: "Pumpe"}.get(kind, -n - 1)
        oracle.metrics.append(OracleMetric(n, f"m{n}", kind, value=value, alias=n).to_pb(include_dtype=True))
        oracle.metrics[n].properties.keys.append("Quality")
        oracle.metrics[n].properties.values.add(type=3, int_value=192)
    good = oracle.SerializeToString()
    both = 0
    for _ in range(count(3_000, 100_000, 1_000_000)):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(data))
            match rng.randrange(4):
                case 0:
                    data[at] = rng.randrange(256)
                case 1:
                    data[at] ^= 1 << rng.randrange(8)
                case 2:
                    del data[at : at + rng.randrange(1, 9)]
                    data = data or bytearray(b"\0")
                case _:
                    data[at:at] = rng.randbytes(rng.randrange(1, 9))
        try:
            ours = decode(bytes(data))
            for metric in ours.metrics:
                value_of(metric, metric.datatype)
        except SparkplugError:
            continue
        try:
            theirs = OraclePayload.FromString(bytes(data))
            same(ours, theirs)
        except (DecodeError, UnicodeDecodeError):
            continue  # protobuf is stricter here: it looks into parts that we pass over
        both += 1
    assert both > 100


@given(uint64)
def test_numbers_come_back(number: int) -> None:
    assert read_varint(write_varint(number) + b"x", 0) == (number, len(write_varint(number)))


@given(st.binary(max_size=60))
def test_fields_end_or_are_refused(data: bytes) -> None:
    try:
        assert all(len(content) <= len(data) for _, _, _, content in read_fields(data))
    except WireError:
        pass


@pytest.mark.parametrize("kind", [DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64, DataType.UINT8, DataType.UINT64])
def test_commands_are_the_oracles_own_numbers(kind: DataType) -> None:
    for value in (0, 1, 100) if kind in (DataType.UINT8, DataType.UINT64) else (-100, -1, 0, 100):
        made = metric_with("x", None, int(kind), value, 0)
        assert made.raw == kind.encode(value)
        assert kind.decode(made.raw) == value
