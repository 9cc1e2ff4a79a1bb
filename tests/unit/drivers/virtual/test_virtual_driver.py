"""Virtual tags: never better than what decided them, in a whole gateway shown, signed and named with their formula."""

from __future__ import annotations

import asyncio

import pytest

from drivers.driver import DriverError
from drivers.reading import Quality, Scan, Status, Tag, TagGroup, quality_of
from drivers.shared import Newest
from drivers.virtual.config import Address, DeviceOptions
from drivers.virtual.driver import VirtualDriver
from ledger_client.reader import LedgerReader
from runtime.config import parse_config
from runtime.config_faults import ConfigError
from tests.rigs.clock import StillClock
from tests.rigs.core import STATE, Plant, config_text, prepare, running, verified
from tests.rigs.field import HEAD, after, device_toml
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run

NOW_MS = StillClock().wall_ms()
BAD, UNSURE = int(Status.BAD_TIMEOUT), int(Status.UNCERTAIN_SENSOR_CALIBRATION)
INPUTS = {
    "d/good": Newest(2, 0, NOW_MS),
    "d/zero": Newest(0, 0, NOW_MS),
    "d/unsure": Newest(3, UNSURE, NOW_MS),
    "d/bad": Newest(None, BAD, NOW_MS),
    "d/old": Newest(5, 0, NOW_MS - 60_001),
    "d/pushed": Newest(7, 0, None),
    "d/text": Newest("AUTO", 0, NOW_MS),
    "d/unread": Newest(None, 0, 0),
    "d/long": Newest((1 << 63) - 1, 0, NOW_MS),
    "d/exact": Newest(1 << 53, 0, NOW_MS),
    "d/float": Newest(float(1 << 60), 0, NOW_MS),
    "d/large": Newest(1e200, 0, NOW_MS),
}


def read(formula: str, data: str = "float64") -> tuple[object, int]:
    """Return value and status of one virtual tag."""
    tag = Tag(1, "t", "v", data, "", Address(formula, data))  # type: ignore[arg-type]
    driver = VirtualDriver(DeviceOptions(), StillClock(), INPUTS.get)
    scan: Scan = asyncio.run(driver.read(TagGroup(1, "v", "g", 1000, (tag,)), 1.0))
    return scan.values[0], scan.statuses[0] if scan.statuses else 0


@pytest.mark.parametrize(
    ("formula", "data", "value", "status"),
    [
        ("[d/good] * 2", "float64", 4.0, 0),
        ("[d/good] * 2", "int", 4, 0),
        ("[d/good] / 4", "int", None, Status.BAD_OUT_OF_RANGE),
        ("0xFFFFFFFFFFFFFFFF + [d/zero]", "int", (1 << 64) - 1, 0),
        ("0xFFFFFFFFFFFFFFFF + 1 + [d/zero]", "int", None, Status.BAD_OUT_OF_RANGE),
        ("0 - 0x8000000000000000 - 1 + [d/zero]", "int", None, Status.BAD_OUT_OF_RANGE),
        ("[d/good] > 1", "bool", True, 0),
        ("[d/good] + [d/unsure]", "float64", 5.0, UNSURE),
        ("[d/good] + [d/bad]", "float64", None, BAD),
        ("if [d/good] == 2 then [d/good] else [d/bad]", "float64", 2.0, 0),
        ("if [d/unsure] == 3 then [d/good] else 0", "float64", 2.0, UNSURE),
        ("[d/old] + 1", "float64", 6.0, Status.UNCERTAIN_LAST_USABLE_VALUE),
        ("[d/pushed] + 1", "float64", 8.0, 0),
        ("[d/good] / [d/zero]", "float64", None, Status.BAD_OUT_OF_RANGE),
        ("[d/long]", "int", (1 << 63) - 1, 0),
        ("[d/long] / 1", "int", None, Status.BAD_OUT_OF_RANGE),
        ("[d/long] / 1", "float64", float(1 << 63), 0),
        ("[d/long]", "float64", None, Status.BAD_OUT_OF_RANGE),
        ("[d/exact]", "float64", float(1 << 53), 0),
        ("[d/exact] / 1", "int", None, Status.BAD_OUT_OF_RANGE),
        ("[d/exact] / 2", "int", 1 << 52, 0),
        ("[d/exact] + 1", "float64", None, Status.BAD_OUT_OF_RANGE),
        ("[d/float]", "int", 1 << 60, 0),
        ("[d/large] * [d/large]", "float64", None, Status.BAD_OUT_OF_RANGE),
        ("[d/text]", "text", "AUTO", 0),
        ("[d/text]", "float64", None, Status.BAD_CONFIGURATION_ERROR),
        ('[d/text] == "AUTO"', "bool", True, 0),
        ("[d/good]", "text", None, Status.BAD_CONFIGURATION_ERROR),
        ("[d/unread]", "float64", None, Status.BAD_WAITING_FOR_INITIAL_DATA),
        ("[d/gone]", "float64", None, Status.BAD_NO_COMMUNICATION),
    ],
)
def test_the_worst_input_that_decided_counts(formula: str, data: str, value: object, status: int) -> None:
    found = read(formula, data)
    assert (found, type(found[0])) == ((value, status), type(value))
    assert (value is None) is (quality_of(status) is Quality.BAD)


def test_a_result_is_neither_written_nor_pushed() -> None:
    driver = VirtualDriver(DeviceOptions(), StillClock(), INPUTS.get)
    tag = Tag(1, "t", "v", "float64", "", Address("[d/good]", "float64"))
    with pytest.raises(DriverError, match="write_not_supported"):
        asyncio.run(driver.write(tag, 1.0, 1.0))
    with pytest.raises(DriverError, match="subscribe_not_supported"):
        driver.subscribe(TagGroup(1, "v", "g", 1000, (tag,), "subscribe"))


def virtual(name: str, *tags: tuple[str, str], more: str = "") -> str:
    rows = "".join(f"  {{ name = \"{tag}\", formula = '{formula}'{more} }},\n" for tag, formula in tags)
    return f'[devices.{name}]\ntype = "virtual"\n[[devices.{name}.groups]]\nname = "g"\nperiod_ms = 1000\ntags = [\n{rows}]\n'


def faults_of(*devices: str) -> list[tuple[str, str]]:
    with pytest.raises(ConfigError) as caught:
        parse_config(HEAD + "".join(devices))
    return [(fault.where.rpartition(".tags.")[2], fault.text()) for fault in caught.value.faults]


def test_every_tag_that_is_not_there_is_said_at_once() -> None:
    found = faults_of(device_toml("d", {"a": (100, 1)}), virtual("v", ("x", "[d/a0] + [d/a1] + [e/a0]"), ("y", "[v/z] + [v/x]")))
    assert [where for where, _ in found] == ["x.formula", "x.formula", "y.formula"]
    assert [text.partition("no tag ")[2].split(";")[0] for _, text in found] == ["d/a1", "e/a0", "v/z"]


def test_a_tag_that_is_reckoned_from_itself_is_refused_with_its_way() -> None:
    found = faults_of(virtual("v", ("a", "[w/b] + 1"), ("s", "[v/s]")), virtual("w", ("b", "[w/c]"), ("c", "[v/a] + [w/b]")))
    ways = {text.partition("itself: ")[2] for _, text in found}
    assert "v/s -> v/s" in ways
    assert "v/a -> w/b -> w/c -> v/a" in ways
    assert len(found) == 3, "w/b -> w/c -> w/b is the third"


def test_faults_of_a_formula_stand_at_it() -> None:
    found = faults_of(virtual("v", ("a", "1 + "), ("b", "2"), ("c", "[d/x] + foo")))
    assert [where for where, _ in found] == ["a.formula", "b.formula", "c.formula"]
    assert "at character 9: foo is no function" in found[2][1]


def test_in_a_gateway_it_is_a_tag_like_any_other_and_signed_with_its_formula() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, config_text(device_toml("d", {"a": (500, 2)}), virtual("v", ("sum", "[d/a0] + [d/a1]"), ("twice", "[v/sum] * 2"))))
        async with running(disk, clock, plant) as now:
            await after(clock, 10)
            values = {value.name: value for value in now.core.live.values()}
            then = sum(at_ms <= values["v/sum"].read_ms - clock.wall_ms() + clock.mono_ms() for at_ms, _ in plant.drivers["d"].reads)
            assert values["v/sum"].value == 2 * then, "both tags count the device's reads"
            assert values["v/twice"].value in (2 * 2 * then, 2 * 2 * (then - 2)), "the newest sum, or the one before it"
            assert {value.state for value in values.values()} <= {"recorded", "pending"}
            plant.drivers["d"].fault = DriverError("no_answer", Status.BAD_TIMEOUT)
            await after(clock, 5)
            values = {value.name: value for value in now.core.live.values()}
            assert (values["v/sum"].value, values["v/sum"].status) == (None, Status.BAD_TIMEOUT)
            edit = await now.act("config.edit", params={"devices.v.groups.g.tags.sum.formula": "[d/a0] / 0"}, expected_revision=1)
            assert edit["code"] == "done", "a formula is exchanged while the others go on"
            plant.drivers["d"].fault = None
            await after(clock, 5)
            assert {v.name: v.status for v in now.core.live.values()}["v/sum"] == Status.BAD_OUT_OF_RANGE
        return disk

    disk = run(program, seed=1)
    assert verified(disk).verdict != "fails"
    reader = LedgerReader(disk, STATE, 1)
    sources = {d.source for seq in range(reader.size()) for d in reader.schema_at(seq).descriptors.values() if d.name == "v/sum"}
    assert sources == {"virtual formula=[d/a0] + [d/a1]", "virtual formula=[d/a0] / 0"}
