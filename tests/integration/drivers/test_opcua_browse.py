"""Browsing real asyncua servers: tag lines that work when they are pasted, loops, bounds, and a server that always has more."""

from __future__ import annotations

import asyncio
import json
import struct
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
from asyncua import Server, ua

from drivers.abilities import Bounds, Found
from drivers.driver import DriverError
from drivers.opcua.binary import put_node, put_raw, put_text
from drivers.opcua.config import DeviceOptions
from drivers.opcua.driver import OpcUaDriver
from drivers.opcua.nodes import NodeId
from runtime.cli.browse_verb import browse, table, tag_lines
from tests.integration.drivers.test_opcua_driver import run
from tests.integration.drivers.test_opcua_values import furnish, plant_and_driver, tags_of
from tests.rigs.clock import RunningClock
from tests.rigs.opcua import PLANT, OpcUaPlant

pytestmark = pytest.mark.integration


async def with_loop(server: Server, index: int) -> None:
    """The furnished server, and a folder that is below itself."""
    await furnish(server, index)
    outer = await server.nodes.objects.add_folder(ua.NodeId("outer", index), "outer")
    inner = await outer.add_folder(ua.NodeId("inner", index), "inner")
    down = next(r for r in server.iserver.aspace[server.nodes.objects.nodeid].references if r.NodeId == outer.nodeid)
    server.iserver.aspace[inner.nodeid].references.append(down)  # the library's own service refuses loops; other servers have them
    await inner.add_variable(ua.NodeId("deep", index), "deep # [\n", ua.Variant("x", ua.VariantType.String))


def test_everything_is_found_once_and_its_lines_are_tags_that_work() -> None:
    async def test() -> None:
        async with plant_and_driver(1.5, True, rig={"furnish": with_loop, "read_max": 10}) as (plant, driver):
            found: list[Found] = []
            assert await driver.browse(None, Bounds(), found.append) is None
            assert len({each.node for each in found}) == len(found)
            by_name = {each.path[-1]: each for each in found}
            assert by_name["t0"].options == {"node": f"nsu={PLANT};s=t0", "data": "float64"}
            assert (by_name["t0"].path, by_name["t0"].writable, by_name["grid"].writable) == (("plant", "t0"), True, False)
            assert (by_name["grid"].type, by_name["grid"].options) == ("Int32[]", {})
            assert (by_name["add"].kind, by_name["inner"].path) == ("method", ("outer", "inner"))
            assert (by_name["motor"].options, by_name["empty"].options["data"]) == ({}, "int")
            assert "Server" not in by_name
            pasted = tomllib.loads("tags = [\n" + "\n".join(tag_lines(found)) + "\n]")["tags"]
            names = [tag.pop("name") for tag in pasted]
            assert len(set(names)) == len(names) == 5
            assert {tag["node"] for tag in pasted if tag.pop("writable", False)} == {f"nsu={PLANT};s={s}" for s in ("t0", "t1", "empty")}
            group = tags_of(*pasted)
            scan = await driver.read(group, 5.0)
            held = dict(zip(names, scan.values, strict=True))
            assert (held["plant.t0"], held["plant.t1"], held["inner.deep"]) == (1.5, True, "x")
            assert max(plant.reads) <= 10

    run(test)


def test_bounds_of_depth_count_and_start() -> None:
    async def test() -> None:
        async with plant_and_driver(*range(30), rig={"furnish": with_loop}) as (_, driver):
            for start, bounds, names, stopped in (
                (None, Bounds(depth=1), {"plant", "motors", "motor", "grid", "empty", "add", "outer", "Aliases", "Locations"}, None),
                (f"nsu={PLANT};s=outer", Bounds(), {"inner", "deep # [\n"}, None),
                (f"nsu={PLANT};s=plant", Bounds(count=10), {f"t{n}" for n in range(10)}, "count"),
                ("ns=2;s=nowhere", Bounds(), set(), None),
            ):
                found: list[Found] = []
                assert await driver.browse(start, bounds, found.append) == stopped
                assert {each.path[-1] for each in found} - {"Quantities"} <= names
                assert len(found) >= len(names) - 2
            for start in ("nsu=urn:nobody;s=x", "no node"):
                with pytest.raises(DriverError, match="address_unusable"):
                    await driver.browse(start, Bounds(), list[Found]().append)

    run(test)


def endless_answer(answers: int) -> bytes:
    """A BrowseResponse for one node: one reference to a node of its own number, and a continuation point."""
    target = put_node(NodeId(2, "i", 1000 + answers))
    reference = (
        put_node(NodeId(0, "i", 47)) + b"\1" + target + struct.pack("<H", 2) + put_text("x" * 1000) + b"\0" + struct.pack("<i", 1) + b"\0\0"
    )
    header = struct.pack("<qII", 0, 0, 0) + b"\0" + struct.pack("<i", 0) + b"\0\0\0"
    return header + struct.pack("<iI", 1, 0) + put_raw(b"more") + struct.pack("<i", 1) + reference


@pytest.mark.parametrize("fresh", [True, False])
def test_a_server_that_always_has_more_is_left_in_time(fresh: bool) -> None:
    """Every browse answer has another continuation point, with new nodes or always the same one."""

    async def test() -> None:
        async with plant_and_driver(1.0) as (_, driver):
            open_link = driver._dialer.open

            async def hostile(until: float) -> Any:
                link = await open_link(until)
                session, answers = link.session, 0
                post = session._client.uaclient.protocol.post  # type: ignore[union-attr]

                def answer(kind: int, parameters: bytes, hint_ms: int) -> asyncio.Future[Any]:
                    nonlocal answers
                    if kind not in {527, 533}:
                        return post(kind, parameters, hint_ms)  # type: ignore[no-any-return]
                    answers += fresh
                    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
                    data = put_node(NodeId(0, "i", kind + 3)) + endless_answer(answers)
                    asyncio.get_running_loop().call_soon(future.set_result, data)
                    return future

                session._client.uaclient.protocol.post = answer  # type: ignore[union-attr]
                return link

            driver._dialer.open = hostile  # type: ignore[method-assign]
            found: list[Found] = []
            stopped = await driver.browse(None, Bounds(count=500, time_s=1.0), found.append)
            assert stopped == ("count" if fresh else "time")
            assert len(found) <= 501
            assert all(len(part) <= 200 for each in found for part in each.path)

    run(test)


def test_the_verb_prints_lines_json_and_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async def serve(ready: asyncio.Event, done: asyncio.Event, plant: OpcUaPlant) -> None:
        await plant.start()
        ready.set()
        await done.wait()
        await plant.stop()

    async def test() -> None:
        plant, ready, done = OpcUaPlant(1.5), asyncio.Event(), asyncio.Event()
        config = tmp_path / "witnessmark.toml"
        config.write_text(f"""
[gateway]
name = "g"
[devices.d]
type = "opcua"
endpoint = "{plant.endpoint}"
[[devices.d.groups]]
name = "g"
period_ms = 1000
tags = [{{ name = "t", node = "ns=2;s=t0" }}]
""")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(serve(ready, done, plant))
            await ready.wait()
            outputs = {}
            for form in ("", "json", "csv"):
                with pytest.raises(typer.Exit) as ended:
                    await asyncio.to_thread(
                        browse, "d", config=config, as_json=form == "json", as_csv=form == "csv", depth=8, count=99, time_s=9.0
                    )
                assert ended.value.exit_code == 0
                outputs[form] = capsys.readouterr().out
            with pytest.raises(typer.Exit) as ended:
                await asyncio.to_thread(browse, "nobody", config=config, as_json=True, depth=8, count=99, time_s=9.0)
            assert (ended.value.exit_code, json.loads(capsys.readouterr().out)["error"]) == (2, "device_unknown")
            done.set()
        assert f'{{ name = "plant.t0", node = "nsu={PLANT};s=t0", data = "float64", writable = true }},  # plant/t0, Double' in outputs[""]
        row = next(each for each in json.loads(outputs["json"])["found"] if each["path"] == ["plant", "t0"])
        assert (row["options"]["data"], row["type"], json.loads(outputs["json"])["stopped"]) == ("float64", "Double", None)
        assert f"plant/t0,variable,nsu={PLANT};s=t0,Double,float64,yes" in outputs["csv"]

    run(test)


def test_names_of_a_hostile_device_stay_text() -> None:
    evil = Found(("=cmd()", 'a"\x7f\n}'), "variable", 'nsu=u;s="\n', "T\x1b[31m", False, {"node": 'nsu=u;s="\n\x7f', "data": "int"})
    (tag,) = tomllib.loads("tags = [\n" + "\n".join(tag_lines([evil])) + "\n]")["tags"]
    assert tag["node"] == 'nsu=u;s="\n\x7f'
    assert "\x1b" not in tag_lines([evil])[0]
    assert "\n'=cmd()/a" in table([evil]) or "\n\"'=cmd()/a" in table([evil])
    for name in ("x;=HYPERLINK(1)", "＝1+1", "  =1", "\t=1", "a\n=cmd", 'x;"=1'):
        shown = table([Found((name,), "variable", "ns=2;s=a", "T", False, {})])
        assert "'=" in shown or "'＝" in shown, name
    assert "ns=2;s=a" in shown


def test_browsing_needs_no_polling_session() -> None:
    """Options without a server: the fault is the driver's own."""

    async def test() -> None:
        async with OpcUaDriver(DeviceOptions(endpoint="opc.tcp://127.0.0.1:9"), RunningClock()) as driver:
            with pytest.raises(DriverError, match="connect_failed"):
                await driver.browse(None, Bounds(), list[Found]().append)

    run(test)
