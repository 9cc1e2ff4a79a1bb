"""The shipped conformance suite on the MQTT driver, with JSON topics and with Sparkplug B, behind a real broker."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from drivers.conformance import check_all, checks
from tests.rigs.conforming_mqtt import JsonRig, MqttRig, SparkplugRig

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("rig_type", [JsonRig, SparkplugRig])
def test_mqtt_conforms(rig_type: type[JsonRig | SparkplugRig], tmp_path: Path, require_service) -> None:
    require_service("mosquitto")

    async def test() -> None:
        rig: MqttRig = rig_type(tmp_path)
        async with asyncio.timeout(120), rig:
            findings = await check_all(rig)
        assert [f for f in findings if f.verdict != "passed"] == []
        assert len(findings) == len(checks)

    asyncio.run(test())
