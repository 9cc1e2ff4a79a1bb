"""The detective on devices of public maps, and on devices made up to mislead it."""

from __future__ import annotations

import random
import struct
import tomllib
from collections.abc import Mapping
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.detective import Finding, Hypothesis, Look, Quantity, Question, judge, read_shown
from drivers.modbus.detective.hypotheses import Shape, raw_number, shapes
from drivers.modbus.detective.judgement import same_steps
from drivers.modbus.missing import bounds
from drivers.option_error import OptionError

DEVICES = tomllib.loads((Path(__file__).parent / "detective_cases.toml").read_text(encoding="utf-8"))["device"]


def registers_of(kind: str, order: str, raw: float) -> list[int]:
    """Lay a raw number into registers, without the driver's codec."""
    bits = int(kind.lstrip("abcdefghijklmnopqrstuvwxyz") if not kind.startswith("m10k") else kind[4:])
    size = max(bits // 8, 2) if bits != 24 else 4
    if kind.startswith("float"):
        data = struct.pack({16: ">e", 32: ">f", 64: ">d"}[bits], raw)
    elif kind.startswith("bcd"):
        data = bytes.fromhex(f"{int(raw):0{size * 2}d}")
    elif kind.startswith("m10k"):
        digits = f"{abs(int(raw)):0{size * 2}d}"
        sign = -1 if raw < 0 else 1
        data = b"".join(struct.pack(">h", sign * int(digits[at : at + 4])) for at in range(0, size * 2, 4))
    elif kind.startswith("signmag"):
        data = (abs(int(raw)) | (raw < 0) << bits - 1).to_bytes(size, "big")
    else:
        data = (int(raw) & (1 << max(bits, 16)) - 1).to_bytes(size, "big")
    if order:
        data = bytes(data["ABCDEFGH".index(letter)] for letter in order)
    return list(struct.unpack(f">{len(data) // 2}H", data))


def shown_text(value: float, decimals: int, unit: str, name: str) -> str:
    return f"{name}={value:.{decimals}f} {unit}"


def row_of(device: Mapping[str, Any], row: list[Any]) -> dict[str, Any]:
    keys = ("name", "unit", "table", "at", "kind", "order", "power", "decimals", "raws")
    return {**dict(zip(keys, row, strict=False)), "factor": row[9] if len(row) > 9 else None}


def question_of(device: Mapping[str, Any], looks: int = 2, seed: int = 0) -> Question:
    """All registers around hold other things, the same at every look."""
    noise = random.Random(f"{device['name']}{seed}")
    rows = [row_of(device, row) for row in device["rows"]]
    made = []
    filler: dict[tuple[str, int], int] = {}
    for at_look in range(looks):
        registers = filler.copy()
        shown = {}
        for row in rows:
            for at in range(row["at"] - 5, row["at"] + 6):
                if at >= 0:
                    registers.setdefault((row["table"], at), noise.choice((0, 0, noise.randrange(100), noise.randrange(0x10000))))
        filler = registers.copy()
        for row in rows:
            raw = row["raws"][at_look]
            for at, word in enumerate(registers_of(row["kind"], row["order"], raw)):
                registers[row["table"], row["at"] + at] = word
            if row["factor"] is not None:
                registers[row["table"], row["factor"]] = row["power"] & 0xFFFF
            value = round(raw * 10.0 ** row["power"], 9)
            name, each = read_shown(shown_text(value, row["decimals"], row["unit"], row["name"]))
            shown[name] = each
        made.append(Look((registers,), shown, 10.0 * at_look))
    asked = device.get("asked", 0)
    quantities = tuple(Quantity(row["name"], ((row["table"], row["at"] + asked),)) for row in rows)
    return Question(quantities, tuple(made), device.get("sunspec", False))


def is_right(hypothesis: Hypothesis, row: Mapping[str, Any]) -> bool:
    same = (hypothesis.table, hypothesis.start, hypothesis.shape.kind, hypothesis.shape.order)
    if same != (row["table"], row["at"], row["kind"], row["order"]):
        return False
    return hypothesis.factor == (row["table"], row["factor"]) if row["factor"] is not None else hypothesis.power == row["power"]


def check(finding: Finding, row: Mapping[str, Any]) -> None:
    """The right reading is there; what is called sure or likely is it."""
    right = [each for each in finding.candidates if is_right(each.hypothesis, row)]
    assert right, f"{finding.quantity}: {finding.verdict} without the right reading"
    if finding.verdict != "ambiguous":
        assert finding.candidates[0] is right[0]


@pytest.mark.parametrize("looks", [1, 2])
@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device["name"])
def test_a_device_of_a_public_map_is_read_right_or_called_ambiguous(device: dict[str, Any], looks: int) -> None:
    for seed in range(3):
        findings = judge(question_of(device, looks, seed))
        for finding, row in zip(findings, device["rows"], strict=True):
            check(finding, row_of(device, row))


def both_tables(changed: int = 2304, other: int | None = None) -> Finding:
    """A display that went from 230.4 to what `changed` holds; the input registers are the holding ones, but for one at the end."""
    looks = []
    for n, raw in enumerate((2304, changed)):
        held = {20 + k: word for k, word in enumerate((raw, 17, 9, 0, 400, 65_000, 3, 3, 12))}
        inputs = {**held, 28: held[28] if other is None else other}
        registers = {("holding", at): word for at, word in held.items()} | {("input", at): word for at, word in inputs.items()}
        looks.append(Look((registers,), {"U": read_shown(f"U={raw / 10:.1f} V")[1]}, 10.0 * n))
    (finding,) = judge(Question((Quantity("U", (("holding", 20), ("input", 20))),), tuple(looks)))
    return finding


def looked(*pairs: tuple[int, float]) -> Finding:
    """Return what is said of looks, each of what a register held and what was shown."""
    looks = []
    for n, (raw, value) in enumerate(pairs):
        registers = {("holding", 20 + k): word for k, word in enumerate((0, 0, 0, 0, raw, 0, 0, 0, 0))}
        looks.append(Look((registers,), {"U": read_shown(f"U={value:.1f} V")[1]}, 10.0 * n))
    (finding,) = judge(Question((Quantity("U", (("holding", 24),)),), tuple(looks)))
    return finding


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        (("int16", 24), ("int8", 24), (-128, 127)),
        (("uint16", 24), ("uint32", 23), (0, 65_535)),
        (("uint16", 24), ("int32", 23), (0, 65_535)),
        (("int16", 24), ("int64", 21), (-32_768, 32_767)),
        (("uint32", 23), ("uint32", 24), (0, 65_535)),
        (("int16", 24), ("signmag16", 24), (0, 32_767)),
        (("int32", 23), ("m10k32", 23), (-9_999, 9_999)),
        (("m10k48", 22), ("m10k32", 23), (-99_999_999, 99_999_999)),
        (("uint16", 24), ("bcd16", 24), (0, 9)),
    ],
)
def test_between_which_steps_two_readings_are_the_same(one: tuple[str, int], other: tuple[str, int], wanted: tuple[int, int]) -> None:
    usual = {each.kind: each for each in shapes() if not each.order or each.order[:2] == "AB"}
    a, b = (Hypothesis("holding", at, usual[kind]) for kind, at in (one, other))
    assert same_steps(a, b) == same_steps(b, a) == wanted


def test_what_is_told_apart_soonest_is_advised() -> None:
    finding = looked((0x10000 - 115, -11.5), (0x10000 - 116, -11.6))
    assert {each.hypothesis.shape.kind for each in finding.candidates[:2]} == {"int8", "int16"}
    assert (finding.verdict, finding.doubts[0], finding.same_within) == ("ambiguous", "width", (-128, 127))
    assert looked((2304, 230.4), (2311, 231.1)).same_within == (0, 9_999)


@pytest.mark.parametrize("one", [each for each in shapes() if not each.is_float and (not each.order or each.order[0] == "A")], ids=repr)
def test_the_first_and_the_last_step_of_a_type_are_numbers_of_it(one: Shape) -> None:
    """By the driver's own decoder; numbers beyond them are laid down as others."""
    steps = same_steps(*[Hypothesis("holding", 0, one)] * 2)
    read = []
    for step in steps:
        words = registers_of(one.kind, one.order, step)
        held = {("holding", at): word << 8 & 0xFFFF if one.byte == "high" else word for at, word in enumerate(words)}
        read.append(raw_number(one, "holding", 0, held))
    assert tuple(read) == steps


@pytest.mark.parametrize("at", [0, 1, 2])
def test_the_look_that_alone_is_at_odds_is_named(at: int) -> None:
    pairs = [(2304, 230.4), (2311, 231.1), (2297, 229.7)]
    pairs[at] = (pairs[at][0], 228.8)  # the display changed as it was taken
    finding = looked(*pairs)
    assert (finding.verdict, finding.doubts, finding.odd_look) == ("none", ("odd_look",), at + 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 5), st.booleans(), st.data())
def test_the_odd_look_is_the_one_without_which_something_fits(count: int, sunspec: bool, data: st.DataObject) -> None:
    """Against leaving out each in turn; numbers, displays and powers of ten go astray at random."""
    looks = []
    for n in range(count):
        raw = data.draw(st.integers(2_000, 2_050))
        power = 100 if data.draw(st.integers(0, 5)) == 0 else 0xFFFF
        shown = raw / 10 + (0.7 if data.draw(st.integers(0, 3)) == 0 else 0.0)
        words = (0, 0, 0, 0, raw, power, 0, 0, 0)
        registers = {("holding", 20 + k): word for k, word in enumerate(words)}
        looks.append(Look((registers,), {"U": read_shown(f"U={shown:.1f} V")[1]}, 10.0 * n))
    quantities = (Quantity("U", (("holding", 24),)),)
    (finding,) = judge(Question(quantities, tuple(looks), sunspec=sunspec))
    if finding.verdict == "none":
        rests = [Question(quantities, tuple(looks[:n] + looks[n + 1 :]), sunspec=sunspec) for n in range(count)]
        odd = [n + 1 for n, rest in enumerate(rests) if judge(rest)[0].verdict != "none"]
        assert finding.odd_look == (odd[0] if len(odd) == 1 else None)


def test_where_no_look_can_be_named_it_is_said_that_one_may_be_wrong() -> None:
    for pairs in ([(2304, 228.8), (2311, 231.1)], [(2304, 228.8), (2311, 231.1), (2297, 215.3), (2305, 230.5)]):
        finding = looked(*pairs)
        assert (finding.verdict, finding.doubts, finding.odd_look) == ("none", ("looks",), None)
    assert looked((2304, 228.8)).doubts == (), "one look contradicts nothing"


def test_tables_that_are_one_memory_are_no_doubt() -> None:
    tables = {each.hypothesis.table for each in both_tables(changed=2311).candidates}
    assert tables == {"holding"}, "as it was asked for"


@pytest.mark.parametrize("how", [{"changed": 2311, "other": 13}, {"changed": 2304}])
def test_tables_that_may_differ_stay_a_doubt(how: dict[str, int]) -> None:
    tables = {each.hypothesis.table for each in both_tables(**how).candidates}
    assert tables == {"holding", "input"}


def test_most_devices_are_read_right_first() -> None:
    """Being ambiguous always would never be wrong, and of no use: what comes first reads the same numbers as the right one."""
    same = closed = whole = 0
    for device in DEVICES:
        for finding, row in zip(judge(question_of(device)), device["rows"], strict=True):
            best = finding.candidates[0]
            right = next(each for each in finding.candidates if is_right(each.hypothesis, row_of(device, row)))
            same += best.every == right.every
            closed += finding.verdict == "sure" or sum(each.share for each in finding.candidates if each.every == best.every) > 0.95
            whole += 1
    assert len(DEVICES) >= 30
    assert whole >= 60
    assert same / whole >= 0.97, f"{same} of {whole}"
    assert closed / whole >= 0.9, f"{closed} of {whole}"


raw_numbers = st.one_of(
    st.sampled_from([0, 1, 2, 5, 10, 100, 230, 255, 256, 9999, 32767, 32768, 65535, 65536, -1, -2]), st.integers(-(10**9), 10**9)
)


@st.composite
def made_up(draw: st.DrawFn) -> tuple[Question, dict[str, Any]]:
    """One quantity with any reading that the detective knows, among zeros, copies of itself, small numbers and noise."""
    shape = draw(st.sampled_from(shapes()))
    at, asked = draw(st.integers(8, 60)), draw(st.integers(-1, 1))
    power = draw(st.sampled_from([0, -1, -2, -3, 3] if not shape.is_float else [0, -3, 3]))
    decimals, cut = draw(st.integers(0, 4)), draw(st.booleans())
    low, high = bounds(shape.kind) if not shape.is_float else (-60000, 60000)
    moves = draw(st.integers(1, 3))
    raws = [max(low, min(high, draw(raw_numbers))) for _ in range(moves)]
    copy = draw(st.sampled_from([None, -2, -1, 1, 2, 4]))
    around = [draw(st.sampled_from([0, 0, 1, 0xFFFF, 0x8000, 2304, 7])) for _ in range(13)]
    looks = []
    for n, raw in enumerate(raws):
        words = registers_of(shape.kind, shape.order, raw if shape.byte == "" else 0)
        registers = {("holding", at - 6 + n): word for n, word in enumerate(around)}
        if shape.byte:
            words = [(raw & 0xFF) << 8 | 7 if shape.byte == "high" else (raw & 0xFF) | 0x4100]
        if copy is not None:
            registers |= {("holding", at + copy + n): word for n, word in enumerate(words)}
        registers |= {("holding", at + n): word for n, word in enumerate(words)}
        true = Decimal(struct.unpack(">e", struct.pack(">e", raw))[0] if shape.kind == "float16" else raw).scaleb(power)
        number = true.quantize(Decimal(1).scaleb(-decimals), ROUND_DOWN if cut else ROUND_HALF_EVEN)
        looks.append(Look((registers,), {"x": read_shown(f"x={number:f}")[1]}, float(n)))
    row = {"table": "holding", "at": at, "kind": shape.kind, "order": shape.order, "power": power, "factor": None, "byte": shape.byte}
    return Question((Quantity("x", (("holding", at + asked),)),), tuple(looks)), row


@settings(max_examples=300, deadline=None)
@given(made_up())
def test_a_reading_that_it_knows_is_never_passed_over_for_another(made: tuple[Question, dict[str, Any]]) -> None:
    question, row = made
    (finding,) = judge(question)
    right = [each for each in finding.candidates if is_right(each.hypothesis, row) and each.hypothesis.shape.byte == row["byte"]]
    assert right
    if finding.verdict != "ambiguous":
        assert finding.candidates == right


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.7, 1 / 16, 2.54, 0.25, 1 / 3, None]), st.integers(0, 3), st.booleans())
def test_a_reading_that_it_does_not_know_is_never_called_sure(seed: int, factor: float | None, decimals: int, small: bool) -> None:
    """A scale that is no power of ten, or a number that stands nowhere near: what fits by chance is not called certain."""
    chance = random.Random(seed)
    looks = []
    for _ in range(chance.randint(1, 3)):
        registers = {("holding", at): chance.randrange(1000 if small else 0x10000) for at in range(92, 110)}
        raw = chance.randrange(1, 5000)
        if factor is not None:
            registers["holding", 100] = raw
        looks.append(Look((registers,), {"x": read_shown(f"{raw * (factor or 1):.{decimals}f}")[1]}))
    (finding,) = judge(Question((Quantity("x", (("holding", 100),)),), tuple(looks)))
    assert finding.verdict != "sure"


@pytest.mark.parametrize("shown", ["0", "0.0", "1", "100", "50.0"])
def test_constants_and_round_numbers_settle_nothing(shown: str) -> None:
    words = registers_of("float32", "ABCD", float(shown))
    registers = {("holding", at): 0 for at in range(94, 108)} | {("holding", 100 + n): word for n, word in enumerate(words)}
    look = Look((registers,), {"x": read_shown(shown)[1]})
    (finding,) = judge(Question((Quantity("x", (("holding", 100),)),), (look, look, look)))
    assert finding.verdict in ("likely", "ambiguous")
    assert finding.verdict == "ambiguous" or "change" in finding.doubts


def test_a_float_that_followed_a_change_is_sure() -> None:
    device = {"name": "float", "rows": [["U", "V", "holding", 100, "float32", "CDAB", 0, 1, [230.43, 231.87]]]}
    once, twice = (judge(question_of(device, looks))[0] for looks in (1, 2))
    assert once.verdict == "likely"
    assert "change" in once.doubts
    assert twice.verdict == "sure"
    assert twice.candidates[0].hypothesis.options() == {"address": "holding:100", "data": "float32", "order": "CDAB"}


def test_what_fits_at_the_second_read_alone_is_shown_as_it_fitted() -> None:
    reads = tuple({("holding", at): 0 for at in range(94, 108)} | {("holding", 100): word} for word in (0x01A0, 0x0132))
    (finding,) = judge(Question((Quantity("x", (("holding", 100),)),), (Look(reads, {"x": read_shown("50.00")[1]}),)))
    low = next(each for each in finding.candidates if each.hypothesis.options() == {"address": "holding:100", "data": "uint8"})
    assert (low.values, low.every) == ((50.0,), (160.0, 50.0))


def test_relations_put_the_right_one_of_two_equal_displays_first() -> None:
    """Two registers show 1.2 kW; only one of them makes the phases sum up."""
    names = ("Power L1", "Power L2", "Power L3", "Power")
    places, numbers = (200, 202, 204, 210), (1234.0, 800.0, 700.0, 2734.0)
    registers = {("holding", at): 0 for at in range(190, 222)}
    for at, number in (*zip(places, numbers, strict=True), (199, 1151.0)):
        registers |= {("holding", at + n): word for n, word in enumerate(registers_of("uint32", "ABCD", number))}
    registers["holding", 200], registers["holding", 199] = 0, 1151
    shown = {name: read_shown(f"{name}={number / 1000:.1f} kW")[1] for name, number in zip(names, numbers, strict=True)}
    near = tuple(Quantity(name, (("holding", at),)) for name, at in zip(names, places, strict=True))
    finding = judge(Question(near, (Look((registers,), shown),)))[0]
    assert finding.verdict == "ambiguous"
    assert finding.candidates[0].values == (1.234,)


def test_a_sum_that_cannot_hold_is_said() -> None:
    names, numbers = ("Power L1", "Power L2", "Power L3", "Power"), (1234.0, 800.0, 700.0, 9999.0)
    registers, shown = {("holding", at): 0 for at in range(190, 222)}, {}
    for n, (name, number) in enumerate(zip(names, numbers, strict=True)):
        registers |= {("holding", 200 + 2 * n + k): word for k, word in enumerate(registers_of("float32", "ABCD", number))}
        shown[name] = read_shown(f"{name}={number:.0f} W")[1]
    near = tuple(Quantity(name, (("holding", 200 + 2 * n),)) for n, name in enumerate(names))
    findings = judge(Question(near, (Look((registers,), shown),)))
    assert all([each.name for each in finding.broken] == ["sum"] for finding in findings)


def test_relations_are_of_one_instant_though_each_number_fits_at_another_read() -> None:
    """The total was read off the display later than its phases: at no read of its own is the sum broken."""
    names, numbers = ("Power L1", "Power L2", "Power L3", "Power"), (1234.0, 800.0, 700.0, 2734.0)
    later, shown = (1300.0, 800.0, 700.0, 2800.0), {}
    reads = tuple(
        {("holding", at): 0 for at in range(190, 222)}
        | {("holding", 200 + 2 * n + k): word for n, at in enumerate(each) for k, word in enumerate(registers_of("float32", "ABCD", at))}
        for each in (numbers, later)
    )
    for name, number in zip(names, (*numbers[:3], later[3]), strict=True):
        shown[name] = read_shown(f"{name}={number:.0f} W")[1]
    near = tuple(Quantity(name, (("holding", 200 + 2 * n),)) for n, name in enumerate(names))
    findings = judge(Question(near, (Look(reads, shown),)))
    assert [each.broken for each in findings] == [[], [], [], []]
    assert findings[3].candidates[0].values == (2800.0,)
    assert findings[3].candidates[0].first == (2734.0,)
    lacking = ({place: word for place, word in reads[0].items() if place[1] < 204}, *reads)
    findings = judge(Question(near, (Look(lacking, shown),)))
    assert [each.broken for each in findings] == [[], [], [], []], "what a read lacks breaks nothing"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Voltage L1=230.4 V", ("Voltage L1", 230.4, 1, "V", 4)),
        ("1 234,5 kWh", ("", 1234.5, 1, "kWh", 5)),
        ("E=1.234.567,8 kWh", ("E", 1234567.8, 1, "kWh", 8)),
        ("E = 1'234.50", ("E", 1234.5, 2, "", 5)),
        ("T=−3,5°C", ("T", -3.5, 1, "°C", 2)),
        ("x=0,123", ("x", 0.123, 3, "", 3)),
        ("x=0.00", ("x", 0.0, 2, "", 0)),
    ],
)
def test_displays_are_read_as_people_type_them(text: str, wanted: tuple[str, float, int, str, int]) -> None:
    name, shown = read_shown(text)
    assert (name, shown.value, shown.decimals, shown.unit, shown.digits) == wanted


@pytest.mark.parametrize("text", ["", "x=", "x=1,234", "x=1.2.3,4,5", "U=abc", "x=1e5", "x=" + "9" * 16])
def test_what_can_be_read_in_two_ways_or_none_is_refused(text: str) -> None:
    with pytest.raises(OptionError):
        read_shown(text)
