"""JSON and text payloads: pointers, types, times, qualities, marks, and payloads that are none."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.mqtt.codec import Arrival, Sample, fit, scans_of
from drivers.mqtt.config import JsonAddress, TagOptions, make_address
from drivers.mqtt.json_topics import JsonTopics, PayloadError, command_payload, parse, plain_value, resolve, status_of, time_of
from drivers.reading import Status, Tag, TagGroup

NOW = 1_700_000_000_000
LIVE = Arrival(NOW, 5, False, 60_000)


def address(**raw: Any) -> JsonAddress:
    made = make_address(TagOptions.model_validate({"topic": "a/b", **raw}))
    assert isinstance(made, JsonAddress)
    return made


def samples(payload: bytes | None, *addresses: JsonAddress, arrival: Arrival = LIVE) -> list[tuple[object, int, int | None]]:
    topics = JsonTopics()
    for each in addresses:
        topics.add(each)
    return [(sample.value, sample.status, sample.source_ms) for _, sample in topics.changes("a/b", payload, arrival)]


def test_tags_of_one_topic_look_into_one_document() -> None:
    document = {"t": 21.5, "n": 7, "on": True, "name": "Presse", "list": [{"x/y": 1}], "at": "2023-11-14T22:13:20.5Z", "q": "uncertain"}
    found = samples(
        json.dumps(document).encode(),
        address(pointer="/t"),
        address(pointer="/n", data="int"),
        address(pointer="/n", data="float32"),
        address(pointer="/on", data="bool"),
        address(pointer="/name", data="text"),
        address(pointer="/list/0/x~1y", data="int"),
        address(pointer="/t", time="/at", quality="/q"),
        address(pointer="/not/here"),
    )
    assert found == [
        (21.5, 0, None), (7, 0, None), (7.0, 0, None), (True, 0, None), ("Presse", 0, None), (1, 0, None),
        (21.5, Status.UNCERTAIN, NOW + 500),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "data"),
    [("21.5", "float64"), (21.5, "int"), (1, "bool"), (True, "int"), (7, "text"), ([1], "float64"), ({}, "text"), (2**70, "float64")],
)
def test_a_value_of_another_type_is_a_decoding_error(value: object, data: str) -> None:
    assert samples(json.dumps(value).encode(), address(data=data)) == [(None, Status.BAD_DECODING_ERROR, None)]


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"\xff\xfe", b"nan", b"NaN", b"[Infinity]", b'{"a":1,"a":2}', b"[" * 100_000, b"1 2", b"\xef\xbb\xbf1", b"9" * 5000, b"run",
        None,
    ],
)  # fmt: skip
def test_a_payload_that_cannot_be_read_is_a_decoding_error_of_its_tags(payload: bytes | None) -> None:
    assert samples(payload, address(), address(data="int")) == [(None, Status.BAD_DECODING_ERROR, None)] * 2


def test_numbers_beyond_their_type_and_halves_of_characters_are_refused() -> None:
    assert samples(b"1e999", address()) == [(None, Status.BAD_OUT_OF_RANGE, None)]
    assert samples(b"1e300", address(data="float32")) == [(None, Status.BAD_OUT_OF_RANGE, None)]
    assert samples(b"36893488147419103232", address(data="int")) == [(None, Status.BAD_OUT_OF_RANGE, None)]
    assert samples(rb'"\ud800"', address(data="text")) == [(None, Status.BAD_DECODING_ERROR, None)]
    assert samples(json.dumps("x" * 70_000).encode(), address(data="text")) == [(None, Status.BAD_OUT_OF_RANGE, None)]
    assert samples(b"null", address()) == [(None, Status.BAD_NO_DATA, None)]


def test_values_of_another_moment_are_marked() -> None:
    late = json.dumps({"v": 1.0, "t": NOW - 60_001}).encode()
    ahead = json.dumps({"v": 1.0, "t": NOW + 60_001}).encode()
    just = json.dumps({"v": 1.0, "t": NOW - 60_000}).encode()
    timed = address(pointer="/v", time="/t", time_format="unix_ms")
    assert samples(late, timed) == [(1.0, Status.UNCERTAIN_LAST_USABLE_VALUE, NOW - 60_001)]
    assert samples(ahead, timed) == [(1.0, Status.UNCERTAIN, NOW + 60_001)]
    assert samples(just, timed) == [(1.0, 0, NOW - 60_000)]
    assert samples(b'{"v":1.0,"t":"soon"}', timed) == [(1.0, Status.UNCERTAIN, None)]
    assert samples(b'{"v":1.0}', timed) == [(1.0, Status.UNCERTAIN, None)]
    retained = Arrival(NOW, 5, True, 60_000)
    assert samples(just, timed, arrival=retained) == [(1.0, Status.UNCERTAIN_LAST_USABLE_VALUE, NOW - 60_000)]
    held = Arrival(NOW, 5, False, 60_000, held=True)
    assert samples(just, timed, arrival=held) == [(1.0, 0, NOW - 60_000)], "a source time tells that it is of now"
    assert samples(b"1.0", address(), arrival=held) == [(1.0, Status.UNCERTAIN_LAST_USABLE_VALUE, None)]
    assert samples(b"true", address(), arrival=retained) == [(None, Status.BAD_DECODING_ERROR, None)], "bad stays bad"


@pytest.mark.parametrize(
    ("value", "time_format", "wanted"),
    [
        (1_700_000_000, "unix_s", NOW),
        (1_700_000_000.25, "unix_s", NOW + 250),
        (NOW, "unix_ms", NOW),
        (NOW * 1000 + 999, "unix_us", NOW),
        (NOW * 1_000_000 + 1, "unix_ns", NOW),
        ("2023-11-14T23:13:20+01:00", "iso", NOW),
        ("2023-11-14T22:13:20", "iso", None),
        ("yesterday", "iso", None),
        ("2023-11-14T22:13:20Z" * 9, "iso", None),
        (-1, "unix_ms", None),
        (1e300, "unix_ms", None),
        (True, "unix_s", None),
        ("1700000000", "unix_s", None),
        (10**25, "unix_ns", None),
    ],
)
def test_times(value: object, time_format: str, wanted: int | None) -> None:
    assert time_of(value, time_format) == wanted


@pytest.mark.parametrize(
    ("value", "quality_format", "wanted"),
    [
        ("GOOD", "word", 0), ("bad", "word", Status.BAD), (True, "word", 0), (False, "word", Status.BAD),
        (192, "word", Status.BAD_DECODING_ERROR),
        (192, "opcda", 0), (0, "opcda", Status.BAD), (64, "opcda", Status.UNCERTAIN), (0, "opcua", 0), (0x80050000, "opcua", 0x80050000),
        (-1, "opcua", Status.BAD_DECODING_ERROR), (2**32, "opcua", Status.BAD_DECODING_ERROR), (True, "opcda", Status.BAD_DECODING_ERROR),
    ],
)  # fmt: skip
def test_qualities(value: object, quality_format: str, wanted: int) -> None:
    assert status_of(value, quality_format) == wanted


@pytest.mark.parametrize(
    ("payload", "kind", "wanted"),
    [
        (b" 21.5\n", "float64", (21.5, 0)),
        (b"-7", "int", (-7, 0)),
        (b"7.0", "int", (None, Status.BAD_DECODING_ERROR)),
        (b"ON", "bool", (True, 0)),
        (b"0", "bool", (False, 0)),
        (b"maybe", "bool", (None, Status.BAD_DECODING_ERROR)),
        (b" as it is ", "text", (" as it is ", 0)),
        (b"\x80\x01", "text", (None, Status.BAD_DECODING_ERROR)),
        (b"1_000", "float64", (None, Status.BAD_DECODING_ERROR)),
        (b"inf", "float64", (None, Status.BAD_DECODING_ERROR)),
        (b"1e999", "float64", (None, Status.BAD_OUT_OF_RANGE)),
        (b"9" * 60, "float64", (None, Status.BAD_DECODING_ERROR)),
        ("٣٤".encode(), "int", (None, Status.BAD_DECODING_ERROR)),
        ("٣.٤".encode(), "float64", (None, Status.BAD_DECODING_ERROR)),
    ],
)
def test_plain_texts(payload: bytes, kind: str, wanted: tuple[object, int]) -> None:
    assert plain_value(payload, kind) == wanted
    assert samples(payload, address(content="text", data=kind)) == [(*wanted, None)]


@given(st.binary(max_size=80))
def test_any_bytes_are_a_document_or_one_error(payload: bytes) -> None:
    try:
        parse(payload)
    except PayloadError:
        pass
    for kind in ("bool", "int", "float32", "float64", "text"):
        value, status = plain_value(payload, kind)
        assert (value is None) == bool(status)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(json_values, st.lists(st.text(max_size=3), max_size=4), st.sampled_from(["bool", "int", "float32", "float64", "text"]))
def test_every_value_fits_its_type_or_has_a_bad_status(document: object, parts: list[str], kind: str) -> None:
    resolve(document, parts)
    value, status = fit(document, kind)
    if status:
        assert value is None
    else:
        assert type(value) is {"bool": bool, "int": int, "text": str}.get(kind, float)


@given(st.floats(allow_nan=False, allow_infinity=False), st.lists(st.sampled_from(["a", "b/c", "d~"]), max_size=3))
def test_commands_hold_the_value_where_the_pointer_says(value: float, parts: list[str]) -> None:
    assert resolve(parse(command_payload(value, parts)), parts) == value


def test_scans_keep_every_readings_own_time_and_order() -> None:
    group = TagGroup(1, "d", "g", 100, tuple(Tag(n, f"t{n}", "d", "int", "", n) for n in range(3)))
    changes = [
        (0, Sample(1, 0, 100, NOW, 0)), (1, Sample(2, 0, 100, NOW, 0)), (2, Sample(3, 0, 200, NOW, 0)),
        (0, Sample(4, 0, 100, NOW, 0)), (0, Sample(5, 0, 200, NOW, 0)),
    ]  # fmt: skip
    found = [[(r.tag.name, r.value, r.source_ms) for r in scan.readings()] for scan in scans_of(group, changes)]
    assert found == [[("t0", 1, 100), ("t1", 2, 100), ("t2", 3, 200)], [("t0", 4, 100)], [("t0", 5, 200)]]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=30))
def test_no_sample_is_lost_on_the_way_to_scans(drawn: list[tuple[int, int]]) -> None:
    group = TagGroup(1, "d", "g", 100, tuple(Tag(n, f"t{n}", "d", "int", "", n) for n in range(4)))
    changes = [(place, Sample(n, 0, at, NOW, 0)) for n, (place, at) in enumerate(drawn)]
    readings = [r for scan in scans_of(group, changes) for r in scan.readings()]
    assert sorted((r.value, r.source_ms) for r in readings) == [(n, at) for n, (_, at) in enumerate(drawn)]  # type: ignore[type-var]
    for tag in group.tags:
        kept = [r.value for r in readings if r.tag is tag]
        assert kept == sorted(kept)  # type: ignore[type-var]


def test_a_nan_of_a_publisher_that_can_say_it_is_kept() -> None:
    value, status = fit(math.nan, "float64")
    assert status == 0
    assert isinstance(value, float)
    assert math.isnan(value)


def test_a_topic_is_new_once() -> None:
    topics = JsonTopics()
    assert [topics.add(address()), topics.add(address()), topics.add(address(data="int"))] == [True, False, False]
    assert topics.topics == ["a/b"]
