"""Clocks of devices against Python's own calendar: every type in every zone, written and read; and times that are none."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.driver import DriverError
from drivers.modbus.address import Address, part_kinds, time_kinds
from drivers.modbus.codec import Field, compile_registers
from drivers.modbus.encode import encode_registers
from drivers.modbus.tag_options import parse_address
from drivers.reading import Status, Value

zones = {
    "UTC": UTC,
    "+08:00": timezone(timedelta(hours=8)),
    "-03:30": timezone(-timedelta(hours=3, minutes=30)),
    "Europe/Berlin": ZoneInfo("Europe/Berlin"),
}
with_ms = ("unix_ms64", "cp56", "s7_datetime")


def clock(kind: str, **more: Any) -> Address:
    return parse_address({"address": "holding:0", "data": kind, **({"parts": "YMDhms"} if kind in part_kinds else {}), **more})


def read(address: Address, wire: bytes) -> tuple[Value, int]:
    bad: dict[int, int] = {}
    return compile_registers([Field(0, 0, address)]).decode(wire, bad)[0], bad.get(0, 0)


def on_the_wire(kind: str, shown: datetime, summer: bool) -> bytes:
    """Lay a time out as the format's description says, by other means than the codec's."""
    ms, year = shown.microsecond // 1000, shown.year % 100
    if kind.startswith("unix") or kind == "sunspec_s32":
        count = (shown - datetime(2000 if kind == "sunspec_s32" else 1970, 1, 1)).total_seconds()
        return int(round(count * 1000) if kind == "unix_ms64" else count // 1).to_bytes(4 if kind.endswith("32") else 8, "big")
    if kind == "cp56":
        low_first = (shown.second * 1000 + ms).to_bytes(2, "little") + bytes(
            (shown.minute, shown.hour + 128 * summer, shown.day + 32 * shown.isoweekday(), shown.month, year)
        )
        return b"\0" + low_first[::-1]
    stamp = shown.strftime("%y%m%d%H%M%S")
    if kind == "s7_datetime":
        return bytes.fromhex(f"{stamp}{ms:03d}{shown.isoweekday() % 7 + 1}")
    if kind == "datetime_bcd":
        return bytes.fromhex(stamp)
    parts = (shown.month, shown.day, shown.hour, shown.minute, shown.second)
    return struct.pack(">6H", shown.year, *parts) if kind == "datetime_registers" else bytes((year, *parts))


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(time_kinds), st.sampled_from(sorted(zones)), st.booleans(), st.sampled_from(["big", "little"]),
    st.one_of(st.datetimes(datetime(2001, 1, 1), datetime(2037, 12, 31)), st.datetimes(datetime(2026, 10, 25), datetime(2026, 10, 25, 2))),
)  # fmt: skip
def test_a_clock_is_read_in_its_zone_and_written_back(kind: str, zone: str, as_ms: bool, word_order: str, moment: datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000 if kind in with_ms else 0, tzinfo=UTC, fold=0)
    local = moment.astimezone(zones[zone])
    shown = local.replace(tzinfo=None)
    wire = on_the_wire(kind, shown.replace(fold=0), bool(local.dst()))
    if word_order == "little" and kind not in part_kinds:
        wire = b"".join(wire[n : n + 2] for n in reversed(range(0, len(wire), 2)))
    address = clock(kind, zone=zone, time_as="ms" if as_ms else "text", word_order=word_order)
    text = moment.replace(tzinfo=None).isoformat(timespec="milliseconds" if kind in with_ms else "seconds") + "Z"
    wanted: Value = round(moment.timestamp() * 1000) if as_ms else text
    if local.fold and kind != "cp56":  # the second of two hours that look the same
        assert read(address, wire)[1] == 0
        with pytest.raises(DriverError, match="write_out_of_range"):
            encode_registers(address, wanted)
        return
    assert read(address, wire) == (wanted, 0)
    written = struct.pack(f">{address.count}H", *encode_registers(address, wanted))
    assert read(address, written) == (wanted, 0)
    if kind != "cp56":  # whose weekday is not written
        assert written == wire


@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        ("cp56", "00 1a 03 01 0c 80 0000"),  # marked as invalid
        ("cp56", "00 1a 02 1f 0c 00 0000"),  # the 31st of February
        ("cp56", "00 1a 03 01 0c 00 ea60"),  # 60,000 ms
        ("cp56", "00 64 03 01 0c 00 0000"),  # year 100
        ("s7_datetime", "26 03 01 12 00 60 00 01"),
        ("s7_datetime", "26 13 01 12 00 00 00 01"),
        ("s7_datetime", "2a 03 01 12 00 00 00 01"),
        ("s7_datetime", "26 03 01 12 00 00 9a 01"),
        ("s7_datetime", "26 03 01 12 00 00 00 a1"),
        ("datetime_bcd", "26 02 29 12 00 00"),  # no leap year
        ("datetime_bcd", "26 02 28 12 00 6f"),
        ("datetime_bytes", "1a 02 1c 18 00 00"),  # 24:00
        ("datetime_bytes", "64 02 1c 17 00 00"),
        ("datetime_registers", "0000 0000 0000 0000 0000 0000"),
        ("datetime_registers", "07ea 0003 0001 000c 0000 003c"),
        ("unix_s64", "7fffffffffffffff"),
        ("unix_ms64", "8000000000000000"),
    ],
)
@pytest.mark.parametrize("as_ms", ["text", "ms"])
def test_what_no_calendar_has_is_no_time(kind: str, wire: str, as_ms: str) -> None:
    assert read(clock(kind, time_as=as_ms), bytes.fromhex(wire)) == (None, Status.BAD_DECODING_ERROR)


def test_hours_that_a_zone_skips_or_shows_twice() -> None:
    berlin = clock("datetime_registers", zone="Europe/Berlin")

    def shown(month: int, day: int, hour: int) -> bytes:
        return struct.pack(">6H", 2026, month, day, hour, 30, 0)

    assert read(berlin, shown(3, 29, 2)) == (None, Status.BAD_DECODING_ERROR)
    assert read(berlin, shown(10, 25, 2)) == ("2026-10-25T00:30:00Z", 0)
    cp56 = clock("cp56", zone="Europe/Berlin")
    for hour, text in ((0x82, "2026-10-25T00:30:07.250Z"), (0x02, "2026-10-25T01:30:07.250Z")):
        wire = bytes((0, 26, 10, 25, hour, 30)) + (7250).to_bytes(2, "big")
        assert read(cp56, wire) == (text, 0)
        assert struct.pack(">4H", *encode_registers(cp56, text)) == wire


def test_cp56_in_order_of_transmission() -> None:
    wire = bytes.fromhex("521c 1e0c 0103 1a00")  # ms low byte first, the unused byte last
    assert read(clock("cp56", order="HGFEDCBA"), wire) == ("2026-03-01T12:30:07.250Z", 0)


@pytest.mark.parametrize(
    ("kind", "parts", "wire", "text"),
    [
        ("datetime_registers", "smhDMY", "0007 001e 000c 0001 0003 07ea", "2026-03-01T12:30:07Z"),
        ("datetime_registers", "DMY-hmsu", "0001 0003 001a ffff 000c 001e 0007 00fa", "2026-03-01T12:30:07.250Z"),
        ("datetime_bytes", "YYMD-hms----", "07ea 0301 ff0c 1e07 00000000", "2026-03-01T12:30:07Z"),  # Siemens DTL
        ("datetime_bytes", "DMY", "0103 1aff", "2026-03-01T00:00:00Z"),
        ("datetime_bcd", "hmDMY", "1230 0103 99ff", "1999-03-01T12:30:00Z"),
    ],
)
def test_parts_stand_in_any_order(kind: str, parts: str, wire: str, text: str) -> None:
    address = clock(kind, parts=parts)
    assert address.count * 2 == len(bytes.fromhex(wire))
    assert read(address, bytes.fromhex(wire)) == (text, 0)
    assert read(address, struct.pack(f">{address.count}H", *encode_registers(address, text))) == (text, 0)


@pytest.mark.parametrize("parts", ["", "YMhms", "YMDD", "YYMD", "YMDx", "Y-YMD", "MDhms"])
def test_parts_that_make_no_date_are_refused(parts: str) -> None:
    with pytest.raises(ValueError, match="config_time_parts"):
        clock("datetime_registers", parts=parts)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "/etc/localtime", "Europe", "+25:00", "", "Europe/Berlin\0"])
def test_zones_that_there_are_not(zone: str) -> None:
    with pytest.raises(ValueError, match="config_zone"):
        clock("cp56", zone=zone)


@pytest.mark.parametrize("value", ["2026-03-01T12:00:00", "yesterday", 1.5, None, True, "1899-01-01T00:00:00Z"])
def test_what_is_no_time_is_not_written(value: Value) -> None:
    with pytest.raises(DriverError, match="write_out_of_range"):
        encode_registers(clock("s7_datetime"), value)


@pytest.mark.parametrize("wire", ["ffffffff", "00000000"])
def test_a_count_may_mean_that_there_is_no_time(wire: str) -> None:
    address = clock("unix_s32", missing=[0, 0xFFFFFFFF])
    assert read(address, bytes.fromhex(wire)) == (None, Status.BAD_NO_DATA)
    assert read(address, bytes.fromhex("69a42f80")) == ("2026-03-01T12:22:24Z", 0)
    with pytest.raises(ValueError, match="config_option_for_data"):
        clock("cp56", missing=[0])
