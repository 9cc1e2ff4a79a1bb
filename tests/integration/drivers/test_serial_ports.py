"""A serial port that cannot be opened is said to be missing or in use, and is taken once it is there and free."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

import pytest
import serial

from drivers.driver import DriverError
from drivers.modbus.config import DeviceOptions
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.tag_options import parse_address
from drivers.reading import Tag, TagGroup
from drivers.serial_port import open_fault
from drivers.shared import Shared
from runtime.messages.catalogue import LANGUAGES, sort_of, word
from tests.rigs.clock import RunningClock
from tests.rigs.units import PacedUnits, Unit, answered

pytestmark = pytest.mark.integration


async def refusal(driver: ModbusDriver, group: TagGroup) -> dict[str, object]:
    """Read until another attempt to connect is due, and return what it says."""
    while True:
        with pytest.raises(DriverError) as caught:
            await driver.read(group, 1.0)
        if caught.value.cause != "connect_waiting":
            assert caught.value.cause == "connect_failed"
            return dict(caught.value.params)
        await asyncio.sleep(0.02)


def test_a_port_that_is_not_there_and_one_in_use_are_told_apart(tmp_path: Path) -> None:
    async def test() -> None:
        port = tmp_path / "ttyUSB7"
        group = TagGroup(1, "dev", "g", 1000, (Tag(0, "t0", "dev", "int", "", parse_address({"address": "holding:3"})),))
        async with PacedUnits({5: Unit()}, 19200) as line:
            options = DeviceOptions(transport="rtu", serial_port=str(port), baud=19200, parity="none", unit_id=5)
            async with ModbusDriver(options, RunningClock(), Shared()) as driver:
                assert await refusal(driver, group) == {"serial_port": str(port), "because": "port_missing"}
                os.symlink(line.path, port)
                with serial.Serial(line.path, 19200, exclusive=True):
                    assert await refusal(driver, group) == {"serial_port": str(port), "because": "port_in_use"}
                assert await answered(driver, group) == [3]
            port.unlink()
            port.write_text("no port at all")
            async with ModbusDriver(options, RunningClock(), Shared()) as driver:
                assert await refusal(driver, group) == {"serial_port": str(port)}, "the system says nothing of it"

    asyncio.run(test())


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.ENOENT, "The serial port is not there (/dev/ttyUSB7): "),
        (errno.ENXIO, "The serial port is not there (/dev/ttyUSB7): "),
        (errno.EBUSY, "The serial port is in use by another program (/dev/ttyUSB7), "),
        (errno.EAGAIN, "The serial port is in use by another program (/dev/ttyUSB7), "),
        (errno.EACCES, "The gateway's user may not open the serial port (/dev/ttyUSB7): "),
        (errno.EIO, "The device does not accept a connection (/dev/ttyUSB7)."),
        (None, "The device does not accept a connection (/dev/ttyUSB7)."),
    ],
)
def test_the_words_are_about_the_port(code: int | None, said: str) -> None:
    fault = open_fault("/dev/ttyUSB7", None if code is None else OSError(code, "no"))
    assert word(fault.cause, fault.params).startswith(said)
    assert {word(fault.cause, fault.params, lang).count("/dev/ttyUSB7") for lang in LANGUAGES} == {1}
    assert sort_of(fault.cause) == "The device does not accept a connection", "a gap keeps no more than the cause"
