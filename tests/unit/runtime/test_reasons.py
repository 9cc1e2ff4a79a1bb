"""What reaches a device, allows or forbids that, or changes the configuration is not done without saying why, whichever face asks."""

from __future__ import annotations

import msgspec
import pytest

from runtime.faces.web.command_pages import Approve, Confirm, Switch
from runtime.faces.web.config_api import ConfigEdit
from runtime.faces.web.config_waiting_api import ApproveEdit
from runtime.faces.web.network_pages import SiteZone
from runtime.permissions import ACTIONS, REASONED
from tests.rigs.core import Plant, prepare, running, two_devices
from tests.rigs.field import after
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run

ASKS = {
    "config.edit": {"params": {"devices.b.groups.slow.period_ms": 100}, "expected_revision": 1},
    "gateway.read_only": {"params": {"on": True}},
    "command.confirm": {"target": "b/slow0", "params": {"nonce": "n", "value": 1, "old": 0}},
    "command.approve": {"target": "b/slow0", "params": {"proposal": "p", "value": 1, "old": 0}},
}


def test_the_core_refuses_an_act_without_a_reason_and_records_nothing() -> None:
    async def program(clock: VirtualClock) -> None:
        disk, plant = ShimDisk(), Plant(clock)
        prepare(disk, two_devices())
        async with running(disk, clock, plant) as now:
            await after(clock, 5)
            for reason in ("", "  \t"):
                for action, more in ASKS.items():
                    assert await now.act(action, **more, reason=reason) == {"refused": "reason_missing", "field": "reason"}
            assert now.health()["writes"]["read_only"] == []
            assert (await now.act("gateway.read_only", params={"on": True}, reason="the line is cleaned"))["code"] == "done"

    run(program, seed=1)


@pytest.mark.parametrize("kind", [ApproveEdit, Approve, Confirm, Switch, ConfigEdit, SiteZone])
def test_the_api_says_that_it_wants_one(kind: type[msgspec.Struct]) -> None:
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]
    assert "reason" in schema["required"]
    assert schema["properties"]["reason"]["minLength"] == 1


def test_every_such_action_is_one() -> None:
    assert set(ACTIONS) >= REASONED
