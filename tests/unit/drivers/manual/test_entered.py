"""What may be entered: types, limits, decimals, choices, patterns and times; any text is a fitting value or one said refusal."""

from __future__ import annotations

import math
import signal
from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from drivers.driver import DriverError
from drivers.manual.config import Address, DeviceOptions, TagOptions, parse_address
from drivers.manual.entered import judge_time, judged, part_of_line
from drivers.reading import Value
from runtime.bus_budget import accept_config
from runtime.config import parse_config
from runtime.config_faults import ConfigError

PYTHON_TYPES = {"bool": bool, "int": int, "float64": float, "text": str}


def refusal(value: Value, address: Address, exponent: int | None = None) -> str:
    with pytest.raises(DriverError) as caught:
        judged(value, address, exponent)
    return caught.value.cause


@pytest.mark.parametrize(
    ("value", "data", "found"),
    [
        ("21.5", "float64", 21.5),
        (" 21,5 ", "float64", 21.5),
        ("+ 12.345", "float64", 12.345),
        ("-1e3", "float64", -1000.0),
        (".5", "float64", 0.5),
        (7, "float64", 7.0),
        ("007", "int", 7),
        (-3, "int", -3),
        ("Yes", "bool", True),
        ("0", "bool", False),
        (True, "bool", True),
        ("000123", "text", "000123"),
    ],
)
def test_values_as_people_and_instruments_write_them(value: Value, data: str, found: Value) -> None:
    assert judged(value, parse_address({"data": data}), None) == found


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ("", "float64"),
        ("nan", "float64"),
        ("inf", "float64"),
        ("1e999", "float64"),
        ("1,234.5", "float64"),
        ("1_000", "float64"),
        ("٣", "float64"),
        (math.nan, "float64"),
        (True, "float64"),
        ("1.5", "int"),
        (1.0, "int"),
        ("9" * 19, "int"),
        (1 << 63, "int"),
        (True, "int"),
        (1, "bool"),
        ("maybe", "bool"),
        (12, "text"),
        ("a\nb", "text"),
        ("x" * 201, "text"),
        (None, "text"),
        (None, "float64"),
    ],
)
def test_what_is_no_value_of_the_type(value: Value, data: str) -> None:
    assert refusal(value, parse_address({"data": data})) == "enter_type"


def test_limits_decimals_choices_and_patterns() -> None:
    limited = parse_address({"min": 0.0, "max": 30.0})
    assert [judged(value, limited, -1) for value in (0, 30, 21.5)] == [0.0, 30.0, 21.5]
    assert refusal(30.1, limited, -1) == refusal(-0.1, limited, -1) == "enter_limits"
    assert refusal(21.55, limited, -1) == "enter_decimals"
    assert judged(0.3, limited, -1) == 0.3, "as it prints, not as binary has it"
    assert judged(1200, parse_address({"data": "int"}), 2) == 1200
    assert refusal(1210, parse_address({"data": "int"}), 2) == "enter_decimals"
    assert judged("1e40", parse_address({}), -2) == 1e40, "however many digits lie between"
    assert refusal("1e-300", parse_address({}), -12) == "enter_decimals"
    assert refusal("blue", parse_address({"data": "text", "choices": ["red", "green"]})) == "enter_choice"
    lot = parse_address({"data": "text", "pattern": "LOT-[0-9]{6}"})
    assert judged("LOT-000123", lot, None) == "LOT-000123"
    assert refusal("xLOT-000123", lot) == refusal("LOT-0001234", lot) == "enter_pattern"


@given(st.floats(allow_nan=False, min_value=-1e300, max_value=1e300), st.integers(-12, 0))
def test_decimals_are_those_that_a_number_shows_whatever_its_size(value: float, exponent: int) -> None:
    digits = Decimal(repr(value))
    fits = digits == digits.quantize(Decimal(1).scaleb(exponent), context=Context(prec=400))
    if fits:
        assert judged(value, parse_address({}), exponent) == value
    else:
        assert refusal(value, parse_address({}), exponent) == "enter_decimals"


@given(st.text(max_size=40) | st.floats() | st.integers() | st.booleans() | st.none(), st.sampled_from(sorted(PYTHON_TYPES)))
def test_anything_is_a_fitting_value_or_one_refusal(value: Value, data: str) -> None:
    address = parse_address({"data": data, **({"min": -5.0, "max": 5.0} if data in ("int", "float64") else {})})
    try:
        found = judged(value, address, None)
    except DriverError as refused:
        cause = refused.cause
    else:
        cause = ""
    if cause:
        assert cause in ("enter_type", "enter_limits")
        return
    assert type(found) is PYTHON_TYPES[data]
    assert judged(found, address, None) == found
    if isinstance(found, int | float) and data != "bool":
        assert -5 <= found <= 5


def test_a_time_is_over_and_not_too_long_ago() -> None:
    for taken in (None, 100_000, 40_000, 160_000):
        judge_time(taken, 100_000, 60_000)
    for taken in (39_999, 160_001):
        with pytest.raises(DriverError, match="enter_time"):
            judge_time(taken, 100_000, 60_000)


def test_the_part_of_a_line_that_is_meant() -> None:
    assert part_of_line("ID1 +12.34 mm", Address("float64", line=r"ID1\s*(\S+)")) == "+12.34"
    assert part_of_line("a=1;b=2", Address("float64", line=r"a=(\d);b=(?P<value>\d)")) == "2"
    assert part_of_line("12.34", Address("float64", line=r"[0-9.]+")) == "12.34"
    assert part_of_line("ID2 1", Address("float64", line=r"ID1\s*(\S+)")) is None
    assert part_of_line("x", Address("float64", line=r"x(y)?")) == ""


@pytest.mark.parametrize("again", [1, 2, 3])
def test_an_expression_that_would_never_end_is_stopped_and_the_next_is_right(again: int) -> None:
    """Without the limit this test does not end: 2 ** 60 steps."""
    slow = parse_address({"data": "text", "pattern": "(a+)+b"})
    assert refusal("a" * 60, slow) == "pattern_slow"
    assert judged("aab", slow, None) == "aab"
    with pytest.raises(DriverError, match="pattern_slow"):
        part_of_line("a" * 60, Address("text", line="(a|aa)+$b"))
    assert part_of_line("12 mm", Address("float64", line=r"(\d+) mm")) == "12"


def test_a_signal_that_comes_late_stops_nothing() -> None:
    assert judged("aab", parse_address({"data": "text", "pattern": "(a+)+b"}), None) == "aab"
    signal.raise_signal(signal.SIGVTALRM)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ({"data": "text", "min": 1.0}, "config_no_limits"),
        ({"min": 2.0, "max": 1.0}, "config_min_above_max"),
        ({"choices": ["a"]}, "config_manual_text_only"),
        ({"data": "text", "pattern": "("}, "config_pattern"),
    ],
)
def test_options_that_cannot_be(raw: dict[str, object], code: str) -> None:
    with pytest.raises(ValidationError, match=code):
        TagOptions.model_validate(raw)


def test_a_station_with_a_gauge_reads_lines_and_no_other_does() -> None:
    gauge = DeviceOptions.model_validate({"gauge": {"serial_port": "/dev/ttyS9", "by": "station 3"}})
    for options, raw in ((gauge, {}), (DeviceOptions(), {"line": "(.*)"})):
        with pytest.raises(ValidationError, match="config_manual_line"):
            TagOptions.model_validate(raw, context={"options": options})


def test_a_station_with_a_gauge_has_one_group_because_its_port_is_opened_once() -> None:
    text = '[gateway]\nname = "g"\n[devices.c]\ntype = "manual"\ngauge = { serial_port = "/dev/ttyS9", by = "s" }\n'
    groups = [f'[[devices.c.groups]]\nname = "{name}"\ntags = [{{ name = "{name}", line = \'(.*)\' }}]\n' for name in "ab"]
    assert accept_config(text + groups[0]).advice == ()
    with pytest.raises(ConfigError) as caught:
        accept_config(text + "".join(groups))
    assert [(fault.where, fault.code) for fault in caught.value.faults] == [("devices.c.groups.b", "config_one_group")]


def test_a_gauge_and_modbus_units_cannot_have_the_same_port() -> None:
    gauge = '[devices.c]\ntype = "manual"\ngauge = { serial_port = "/dev/ttyS9", by = "s" }\n[[devices.c.groups]]\nname = "g"\n'
    gauge += "tags = [{ name = \"t\", line = '(.*)' }]\n"
    unit = (
        '[devices.{0}]\ntype = "modbus"\ntransport = "rtu"\nserial_port = "/dev/ttyS9"\nunit_id = {1}\n[[devices.{0}.groups]]\nname = "g"\n'
    )
    unit += 'period_ms = 1000\ntags = [{{ name = "t", address = "holding:1" }}]\n'
    head, units = '[gateway]\nname = "g"\n', unit.format("m", 1) + unit.format("n", 2)
    assert accept_config(head + units).config.devices
    assert accept_config(head + units + gauge.replace("ttyS9", "ttyS8")).config.devices
    assert accept_config(head + units + gauge.replace("gauge =", "enabled = false\ngauge =", 1)).config.devices
    for text, wrong in (
        (units + gauge, ["devices.c.gauge.serial_port"]),
        (gauge + units, ["devices.m.serial_port", "devices.n.serial_port"]),
    ):
        with pytest.raises(ConfigError) as caught:
            accept_config(head + text)
        assert [(fault.where, fault.code) for fault in caught.value.faults] == [(where, "config_taken_twice") for where in wrong]


def test_values_come_one_by_one_so_groups_are_pushed_and_nothing_is_held_back() -> None:
    text = '[gateway]\nname = "g"\n[devices.lab]\ntype = "manual"\n[[devices.lab.groups]]\nname = "r"\ntags = [{ name = "brix" }]\n'
    group = parse_config(text).devices[0].groups[0]
    assert (group.mode, group.period_ms, group.tags[0].report.on_change, group.tags[0].report.heartbeat_ms) == (
        "subscribe",
        60_000,
        False,
        0,
    )
    for more, code in (('mode = "poll"\n', "config_mode_pushed"), ("", "config_report_occasional")):
        wrong = (
            text.replace("tags = [", f"{more}tags = [") if more else text.replace("brix", 'brix", report = { deadband = 1.0 }, unit = "')
        )
        with pytest.raises(ConfigError) as caught:
            parse_config(wrong)
        assert [fault.code for fault in caught.value.faults] == [code]
