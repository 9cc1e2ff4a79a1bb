"""The shipped conformance suite on the MQTT driver, with JSON topics and with Sparkplug B, behind a real broker."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from drivers.conformance import check_all, checks
from tests.rigs.conforming_mqtt import JsonRig, MqttRig, SparkplugRig
from tests.rigs.every_loop import on_every_loop

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("rig_type", [JsonRig, SparkplugRig])
def test_mqtt_conforms(rig_type: type[JsonRig | SparkplugRig], tmp_path: Path, require_service) -> None:
    require_service("mosquitto")

    async def test(loop: str) -> None:
        (tmp_path / loop).mkdir()
        rig: MqttRig = rig_type(tmp_path / loop)
        async with asyncio.timeout(120), rig:
            findings = await check_all(rig)
        assert [f.check for f in findings if f.verdict != "passed"] == [
            "a_late_answer_is_not_believed",
            "a_write_whose_answer_was_lost_is_unknown",
        ]
        assert {f.verdict for f in findings} == {"passed", "not_applicable"}
        assert len(findings) == len(checks)

    on_every_loop(test)
