"""The PackML template against a real OPC UA server that has the nodes recorded in it."""

from __future__ import annotations

import asyncio

import pytest
from asyncua import Server, ua

from drivers.opcua.driver import OpcUaDriver
from drivers.templates import Library, expanded
from drivers.templates.trial import judged
from tests.rigs.clock import RunningClock
from tests.rigs.opcua import OpcUaPlant

pytestmark = pytest.mark.integration

KINDS = {"MachSpeed": ua.VariantType.Float, "CurMachSpeed": ua.VariantType.Float, "MachDesignSpeed": ua.VariantType.Float}


def test_the_recorded_nodes_read_as_recorded() -> None:
    template = Library().find("packml").template
    recorded = template.recorded[0]

    async def furnish(server: Server, index: int) -> None:
        for node, value in recorded.nodes.items():
            kind = KINDS.get(node.rpartition(".")[2]) or (ua.VariantType.Boolean if isinstance(value, bool) else ua.VariantType.Int32)
            await server.nodes.objects.add_variable(ua.NodeId(node, index), node, value, kind)

    async def test() -> None:
        plant = OpcUaPlant(furnish=furnish)
        await plant.start()
        try:
            raw = expanded({"parameters": recorded.parameters, "endpoint": plant.endpoint}, template)
            options, (group,) = judged(raw)
            async with OpcUaDriver(options, RunningClock()) as driver:  # type: ignore[arg-type]
                scan = await driver.read(group, 10.0)
            assert dict(zip([tag.name for tag in group.tags], scan.values, strict=True)) == recorded.values
            assert scan.statuses is None or not any(scan.statuses)
        finally:
            await plant.stop()

    asyncio.run(test())
