"""The shipped conformance suite on the GPIO driver, with a chip that keeps its protocol."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from drivers.conformance import check_all, checks
from tests.rigs.conforming_gpio import GpioRig
from tests.rigs.every_loop import on_every_loop


def test_gpio_conforms() -> None:
    async def test(_: str) -> None:
        rig = GpioRig()
        async with asyncio.timeout(60):
            findings = await check_all(rig)
        assert [f.check for f in findings if f.verdict != "passed"] == [
            "a_late_answer_is_not_believed",
            "a_write_whose_answer_was_lost_is_unknown",
        ]
        assert {f.verdict for f in findings} == {"passed", "not_applicable"}
        assert len(findings) == len(checks)

    on_every_loop(test)


HUNG = """
import asyncio
from drivers.driver import DriverError
from tests.rigs.conforming_gpio import GpioRig
from tests.rigs.every_loop import on_every_loop

async def main():
    rig = GpioRig()
    async with rig.make() as driver:
        await driver.read(rig.group, 1.0)
        await rig.stall()
        try:
            await driver.read(rig.group, 0.1)
        except DriverError as error:
            print(error.cause)

asyncio.run(main())
"""


def test_a_chip_that_hangs_does_not_keep_the_process_from_ending() -> None:
    ended = subprocess.run([sys.executable, "-c", HUNG], cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "no_answer\n", "")
