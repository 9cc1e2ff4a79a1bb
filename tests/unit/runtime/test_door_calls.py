"""A method call through the door: refused where the configuration does not allow it, recorded with its outcome where it does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drivers.driver import DriverError
from drivers.reading import Value
from ledger_client.kinds import Kind
from runtime.faces.feed import Session
from tests.rigs.core import Plant, payloads, prepare, running, two_devices
from tests.rigs.field import ScriptedDriver, after
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run


class CallableDriver(ScriptedDriver):
    """A driver with methods; `called` keeps the calls."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.called: list[tuple[str, str, list[str]]] = []

    async def call(self, owner: str, method: str, arguments: Sequence[str], deadline_s: float) -> list[Value]:
        if self.fault is not None:
            raise self.fault
        self.called.append((owner, method, list(arguments)))
        return [42, "done"]


CALL = {"object": "i=85", "method": "ns=2;s=Reset", "0": "int16:5", "1": "string:a"}


def test_a_call_is_recorded_before_and_after_and_its_outputs_are_told() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk, driver = ShimDisk(), CallableDriver(clock)
        prepare(disk, two_devices())
        async with running(disk, clock, Plant(clock, {"b": driver})) as now:
            await after(clock, 1)
            done = await now.act("device.call", "b", params=CALL)
            assert (done["code"], done["params"]) == ("done", {"out0": 42, "out1": "done"})
            assert driver.called == [("i=85", "ns=2;s=Reset", ["int16:5", "string:a"])]
            driver.fault = DriverError("write_unknown", reason="no_answer")
            assert (await now.act("device.call", "b", params=CALL))["code"] == "write_unknown"
            assert (await now.act("device.call", "a", params=CALL))["code"] == "call_not_supported"
        return disk

    commands = [(p.detail[1], p.detail[2]) for p in payloads(run(program, seed=1)) if p.kind == Kind.COMMAND]
    intent = (0, "device.call")
    assert commands == [intent, (1, "done"), intent, (1, "write_unknown"), intent, (1, "call_not_supported")]


def test_what_is_no_call_or_not_allowed_is_refused_and_leaves_no_entry() -> None:
    async def program(clock: VirtualClock) -> ShimDisk:
        disk, driver = ShimDisk(), CallableDriver(clock)
        prepare(disk, two_devices())
        async with running(disk, clock, Plant(clock, {"b": driver})) as now:
            await after(clock, 1)
            rows: tuple[tuple[dict[str, Any], str, Session, str], ...] = (
                (CALL, "b", Session("web", 0), "permission_denied"),
                (CALL, "nobody", Session("cli", 0), "device_unknown"),
                ({"object": "i=85"}, "b", Session("cli", 0), "call_shape"),
                (CALL | {"0": 5}, "b", Session("cli", 0), "call_shape"),
                (CALL | {"3": "int16:5"}, "b", Session("cli", 0), "call_shape"),
                (CALL | {str(n): "int16:5" for n in range(21)}, "b", Session("cli", 0), "call_shape"),
            )
            for params, target, session, code in rows:
                assert (await now.act("device.call", target, params=params, session=session))["refused"] == code
            assert driver.called == []
        return disk

    assert [p for p in payloads(run(program, seed=1)) if p.kind == Kind.COMMAND] == []


def test_calls_are_off_while_device_writes_are() -> None:
    async def program(clock: VirtualClock) -> str:
        disk = ShimDisk()
        prepare(disk, two_devices().replace("device_writes = true", "device_writes = false"))
        async with running(disk, clock) as now:
            await after(clock, 1)
            return str((await now.act("device.call", "b", params=CALL))["refused"])

    assert run(program, seed=1) == "device_writes_off"
