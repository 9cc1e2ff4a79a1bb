"""The shipped conformance suite on the GPIO driver, with a chip that keeps its protocol."""

from __future__ import annotations

import asyncio

from drivers.conformance import check_all, checks
from tests.rigs.conforming_gpio import GpioRig


def test_gpio_conforms() -> None:
    async def test() -> None:
        rig = GpioRig()
        async with asyncio.timeout(60):
            findings = await check_all(rig)
        assert [f for f in findings if f.verdict != "passed"] == []
        assert len(findings) == len(checks)

    asyncio.run(test())
