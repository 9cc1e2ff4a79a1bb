"""Methods of a real OPC UA server as commands: prepared, confirmed, called once, and told as what surely happened, or as unknown.

The gateway is a process of its own; between it and the server is a wire that can be cut while a call is under way.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from asyncua import Server, ua

from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import ask_once
from tests.rigs.asking import act
from tests.rigs.gateway import ALONE, Gateway, until
from tests.rigs.opcua import PLANT, OpcUaPlant
from tests.rigs.wire import Wire

pytestmark = pytest.mark.integration

CONFIG = """
[gateway]
name = "mixer"
device_writes = true
[evidence]
seal_every_s = 1
[commands]
clock_needed = "any"
[devices.mixer]
type = "opcua"
endpoint = "opc.tcp://127.0.0.1:{port}/plant"
method_calls = true
[[devices.mixer.groups]]
name = "fast"
period_ms = 200
tags = [{{ name = "lid", node = "ns=2;s=t0", data = "bool" }}]
"""
METHOD = """
[[devices.mixer.methods]]
name = "{name}"
object = "nsu={uri};s=plant"
method = "nsu={uri};s={name}"
arguments = {arguments}
interlock = [{{ tag = "mixer/lid", equals = true }}]
known_for_s = 3.0
"""
METHODS = {"mix": ["int32", "int32"], "picky": ["string"], "strict": ["int32"], "slow": [], "gone": []}
INT32 = ua.Argument(Name="n", DataType=ua.NodeId(ua.ObjectIds.Int32), ValueRank=-1)


NOT_SENT = {"connect_waiting", "connect_failed", "interlock_not_known"}


class Mixer:
    """The gateway, the server behind its wire, and what the server was asked to do."""

    def __init__(self, folder: Path) -> None:
        self.called: list[tuple[str, list[Any]]] = []
        self.plant = OpcUaPlant(True, furnish=self._furnish)
        self.state = folder / "state"
        self.go_on = asyncio.Event()

    async def _furnish(self, server: Server, index: int) -> None:
        def taking(name: str, then: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
            async def called(_: Any, *arguments: ua.Variant) -> Any:
                self.called.append((name, [each.Value for each in arguments]))
                return await then(*arguments)

            return called

        async def mix(first: ua.Variant, second: ua.Variant) -> Any:
            return [ua.Variant(first.Value + second.Value, ua.VariantType.Int32)]

        async def picky(what: ua.Variant) -> Any:
            return [] if what.VariantType == ua.VariantType.Int32 else ua.StatusCode(ua.StatusCodes.BadTypeMismatch)

        async def strict(first: ua.Variant, second: ua.Variant) -> Any:
            raise AssertionError(first, second)  # it is called with one argument: the server itself fails

        async def slow() -> Any:
            await self.go_on.wait()
            return []

        async def gone() -> Any:
            return []

        folder = server.get_node(ua.NodeId("plant", index))
        plans: dict[str, tuple[Callable[..., Awaitable[Any]], int]] = {
            "mix": (mix, 2), "picky": (picky, 1), "strict": (strict, 2), "slow": (slow, 0), "gone": (gone, 0),
        }  # fmt: skip
        for name, (then, count) in plans.items():
            await folder.add_method(ua.NodeId(name, index), name, taking(name, then), [INT32] * count, [INT32])

    async def ask(self, method: str, params: dict[str, Any]) -> Any:
        return await ask_once(self.state / "run" / "feed.sock", "cli", method, params, 30)

    async def prepare(self, name: str, *arguments: str) -> dict[str, Any]:
        """Return what a person would see; None of its interlocks may be unknown at the beginning."""
        seen: dict[str, Any] = await self.ask("command.prepare", {"target": f"mixer/{name}()", "value": list(arguments)})
        return seen

    async def confirm(self, seen: dict[str, Any]) -> dict[str, Any]:
        params = {key: seen[key] for key in ("nonce", "value", "old")}
        outcome: dict[str, Any] = await self.ask("act", act(None, "command.confirm", seen["target"], **params))
        return outcome

    async def command(self, name: str, *arguments: str) -> dict[str, Any]:
        seen = await self.prepare(name, *arguments)
        assert seen["refusal"] is None, seen
        return await self.confirm(seen)

    async def command_when_connected(self, name: str) -> dict[str, Any]:
        """As `command`, again while the gateway still learns that the server was gone: nothing is sent then, and it says so.

        A connection that is lost and back within a poll is noticed later: until then the interlock may hold by its value of before.
        """
        async with asyncio.timeout(30):
            while True:
                seen = await self.prepare(name)
                outcome = await self.confirm(seen) if seen["refusal"] is None else {"code": seen["refusal"]["code"]}
                if outcome["code"] not in NOT_SENT:
                    return outcome
                await asyncio.sleep(0.1)

    async def unsure(self) -> list[str]:
        found: list[str] = (await self.ask("commands", {}))["unsure"]
        return found

    async def ready(self, state: str = "holds") -> None:
        """Wait until the lid's value is known, or known no more."""
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(RequestRefusedError):
                    if (await self.prepare("gone"))["conditions"][0]["state"] == state:
                        return
                await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def mixer(folder: Path) -> AsyncIterator[tuple[Mixer, Wire]]:
    it = Mixer(folder)
    await it.plant.start()
    try:
        async with Wire(it.plant.port) as wire:
            config = folder / "gateway.toml"
            methods = [METHOD.format(name=name, uri=PLANT, arguments=arguments) for name, arguments in METHODS.items()]
            config.write_text(ALONE + CONFIG.format(port=wire.port) + "".join(methods).replace("'", '"'))
            gateway = Gateway(it.state, config)
            await gateway.start()
            try:
                await until((it.state / "run" / "feed.sock").exists)
                await it.ready()
                yield it, wire
            finally:
                it.go_on.set()
                await wire.start()
                assert await gateway.stop() == 0, gateway.log.read_text()[-2000:]
    finally:
        await it.plant.stop()


def run(folder: Path, test: Callable[[Mixer, Wire], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(120), mixer(folder) as (it, wire):
            await test(it, wire)

    asyncio.run(bounded())


def test_a_call_is_shown_confirmed_done_once_and_told_and_what_does_not_fit_is_not_called(tmp_path: Path) -> None:
    async def test(it: Mixer, _: Wire) -> None:
        seen = await it.prepare("mix", "int32:2", "int32:40")
        assert (seen["risk"], seen["type"], seen["conditions"][0]["value"]) == ("normal", "method", True)
        assert it.called == [], "shown, not called"
        done = await it.confirm(seen)
        assert (done["code"], done["params"]["out0"]) == ("done", 42)
        assert (await it.confirm(seen))["code"] == "command_ticket_spent"
        assert it.called == [("mix", [2, 40])]
        told = (await it.ask("command.history", {}))["acts"]
        assert [(row["target"], row["code"]) for row in told] == [("mixer/mix()", "command_ticket_spent"), ("mixer/mix()", "done")]
        assert told[1]["told"]["out0"] == 42
        assert told[1]["told"]["conditions"] == "mixer/lid = true: holds, True"
        it.called.clear()
        for wrong, code in (
            (("int32:2",), "call_shape"),
            (("int32:2", "string:40"), "command_arguments"),
            (("2", "40"), "command_arguments"),
        ):
            with pytest.raises(RequestRefusedError, match=code):
                await it.prepare("mix", *wrong)
        with pytest.raises(RequestRefusedError, match="command_not_listed"):
            await it.prepare("other")
        for value in ("int32:x", "int32:3000000000"):  # only the driver knows the types' limits
            assert (await it.command("mix", value, "int32:1"))["code"] == "call_unusable"
        seen = await it.prepare("mix", "int32:2", "int32:40")
        await it.plant.set(0, False)
        await it.ready("fails")
        assert (await it.confirm(seen))["code"] == "interlocked"
        assert it.called == []
        assert await it.unsure() == []

    run(tmp_path, test)


def test_what_the_server_refuses_did_not_happen_and_what_fails_inside_it_nobody_knows(tmp_path: Path) -> None:
    async def test(it: Mixer, _: Wire) -> None:
        refused = await it.command("picky", "string:dough")
        assert (refused["code"], await it.unsure()) == ("write_refused", [])
        seen = await it.prepare("gone")
        await it.plant.server.delete_nodes([it.plant.server.get_node(ua.NodeId("gone", it.plant.index))])
        refused = await it.confirm(seen)
        assert (refused["code"], await it.unsure()) == ("write_refused", [])
        assert (await it.command("strict", "int32:1"))["code"] == "write_unknown"
        assert await it.unsure() == ["mixer/strict()"]
        assert [name for name, _ in it.called] == ["picky", "strict"]

    run(tmp_path, test)


def test_without_an_answer_it_is_unknown_and_never_called_again_by_itself(tmp_path: Path) -> None:
    async def test(it: Mixer, wire: Wire) -> None:
        late = await it.command("slow")  # takes longer than the gateway waits
        assert (late["code"], await it.unsure()) == ("write_unknown", ["mixer/slow()"])
        it.go_on.set()
        await it.ready()  # the server answered nothing else meanwhile
        assert (await it.command("slow"))["code"] == "done", "a person asked again, and this one is known"
        assert await it.unsure() == []
        it.go_on.clear()
        seen = await it.prepare("slow")
        async with asyncio.TaskGroup() as group:
            dying = group.create_task(it.confirm(seen))
            await until(lambda: len(it.called) == 3)
            await wire.stop()  # the server is gone in the middle of it
        assert (dying.result()["code"], await it.unsure()) == ("write_unknown", ["mixer/slow()"])
        await it.ready("not_known")
        refused = await it.prepare("slow")
        assert (refused["nonce"], refused["refusal"]["code"]) == (None, "interlock_not_known"), "nothing is called blindly"
        it.go_on.set()
        await wire.start()
        await it.ready()
        seen = await it.prepare("slow")
        await wire.stop()  # between showing and confirming: nothing was sent
        outcome = await it.confirm(seen)
        assert outcome["code"] not in {"done", "write_unknown"}, "the interlock is bad already, or the device cannot be reached"
        await wire.start()
        await it.ready()
        assert (await it.command_when_connected("slow"))["code"] == "done"
        assert [name for name, _ in it.called] == ["slow"] * 4
        assert await it.unsure() == []

    run(tmp_path, test)
