"""The bench's requests at a running gateway and real Modbus servers: what is polled, what is not configured yet, and who may ask."""

from __future__ import annotations

import asyncio
import contextlib
import stat
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runtime.faces.feed import RequestRefusedError
from tests.integration.runtime.test_scan import ACME, Named, written
from tests.rigs.asking import act, asker
from tests.rigs.gateway import Gateway, until
from tests.rigs.modbus import ModbusPlant
from tests.rigs.opcua import OpcUaPlant, Secured
from tests.rigs.units import TcpUnits

pytestmark = pytest.mark.integration


@dataclass
class Bench:
    """A gateway that polls `meter`, and a way to ask it."""

    plant: ModbusPlant
    gateway: Gateway

    async def ask(self, method: str, face: str = "cli", **params: Any) -> Any:
        return await asker(self.gateway.state, face)(method, **params)

    async def refusal(self, method: str, face: str = "cli", **params: Any) -> tuple[str, dict[str, Any]]:
        with pytest.raises(RequestRefusedError) as caught:
            await self.ask(method, face, **params)
        return caught.value.code, caught.value.params

    async def act(self, text: str, revision: int) -> dict[str, Any]:
        answer: dict[str, Any] = await self.ask("act", **act(None, "config.edit", revision=revision, text=text))
        return answer


@contextlib.asynccontextmanager
async def bench(folder: Path, *, commissioning: bool = True) -> AsyncIterator[Bench]:
    plant = ModbusPlant()
    await plant.start()
    gateway = Gateway(folder / "state", written(folder, plant.port, commissioning=commissioning))
    await gateway.start()
    try:
        await until((gateway.state / "run" / "feed.sock").exists)
        yield Bench(plant, gateway)
    finally:
        await gateway.stop()
        await plant.stop()


def swapped(value: float) -> list[int]:
    high, low = struct.unpack(">HH", struct.pack(">f", value))
    return [low, high]


def best(said: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    finding = said["findings"][0]
    return finding["verdict"], finding["candidates"][0]["options"]


def test_from_raw_registers_to_a_tag_that_is_polled(tmp_path: Path) -> None:
    async def test() -> None:
        async with bench(tmp_path) as here:
            await here.plant.set_registers(50, swapped(230.43))
            elsewhere = {"host": "127.0.0.1", "port": here.plant.port, "unit_id": 2}
            for where in ({"device": "meter"}, elsewhere):
                read = await here.ask("bench.read", where=where, address="holding:48", count=6)
                assert [row["at"] for row in read["registers"]] == list(range(48, 54))
                assert (read["missing"], read["registers"][2]["entity"]) == (0, "40051")
            ways = {
                row["data"]: row
                for row in (await here.ask("bench.read", where={"device": "meter"}, address="40051", count=4))["ways"]["50"]
            }
            assert ways["float32"]["cells"][1] == {"order": "CDAB", "text": "230.429993", "plausible": True}

            asked: dict[str, Any] = {"where": {"device": "meter"}, "near": ["holding1:52"]}
            first = await here.ask("bench.detect", **asked, shows=["U=230.4 V"])
            await here.plant.set_registers(50, swapped(231.87))
            second = await here.ask("bench.detect", **asked, shows=["U=231.8 V"], case=first["case"])
            verdict, options = best(second)
            assert (verdict, options) == ("sure", {"address": "holding:50", "data": "float32", "order": "CDAB"})
            held = {row["at"]: row["unsigned"] for row in second["registers"]["holding"]}
            assert [held[50], held[51]] == swapped(231.87), "the page shows them beside the finding"

            draft = await here.ask(
                "draft", kind="tag", device="meter", group="fast", period_ms=1000, tag={"name": "u", "unit": "V", **options}
            )
            assert (draft["faults"], draft["devices"]["changed"]) == ([], ["meter"])
            assert (await here.act(draft["text"], draft["revision"]))["code"] == "done"
            async with here.gateway.watching() as feed:
                uid = await until(lambda: next((uid for uid, row in feed.tags.items() if row[1] == "meter/u"), None))
                row = await until(lambda: (found := feed.values.get(uid)) is not None and found[5] == "recorded" and found)
                assert row[1] == pytest.approx(231.87, abs=0.01)

    asyncio.run(test())


def test_a_device_that_is_not_configured_is_found_and_drafted_and_a_scan_ends(tmp_path: Path) -> None:
    async def test() -> None:
        async with bench(tmp_path) as here, TcpUnits({7: Named()}) as units:
            plan = await here.ask("bench.scan", hosts="127.0.0.1", port=units.port, units="6-8", only_plan=True)
            assert (plan["places"], plan["units"]) == (1, 3)
            await here.ask("bench.scan", hosts="127.0.0.1", port=units.port, units="6-8")
            assert (await here.refusal("bench.scan", hosts="127.0.0.1", port=units.port, units="6-8"))[0] == "scan_busy"
            async with asyncio.timeout(20):
                while (state := await here.ask("bench.scan_state"))["state"] != "done":
                    await asyncio.sleep(0.05)
            assert [(row["unit"], row["how"], row["identification"]) for row in state["found"]] == [(7, "answers", ACME)]
            raw = {
                "type": "modbus", "host": "127.0.0.1", "port": units.port, "unit_id": 7,
                "groups": [{"name": "fast", "period_ms": 500, "tags": [{"name": "a", "address": "holding:0"}]}],
            }  # fmt: skip
            draft = await here.ask("draft", kind="device", device="found", raw=raw)
            assert (draft["faults"], draft["devices"]["added"]) == ([], ["found"])
            assert [line["line"] for line in draft["lines"]]
            await no_files_and_no_other_protocol(here)
            await scans_end(here)

    asyncio.run(test())


async def no_files_and_no_other_protocol(here: Bench) -> None:
    for more in ({"ca_file": "/etc/passwd"}, {"transport": "tls"}, {"unit_id": 300}, {"host": 5}, {"port": 0}):
        where = {"host": "127.0.0.1", "port": here.plant.port, **more}
        assert (await here.refusal("bench.read", where=where, address="holding:0", count=1))[0] == "bench_place"
    for port in ("/etc/passwd", "/dev/null/../../etc/passwd", str(here.gateway.log)):
        serial = {"transport": "rtu", "serial_port": port}
        assert (await here.refusal("bench.read", where=serial, address="holding:0", count=1))[0] == "scan_port_missing"
        assert (await here.refusal("bench.scan", serial_port=port, units="1"))[0] == "scan_port_missing"


async def scans_end(here: Bench) -> None:
    """A scan can be cancelled, and ends with commissioning."""
    async with TcpUnits({}) as units:
        for end in ("cancel", "setting"):
            await here.ask("bench.scan", hosts="127.0.0.1", port=units.port, units="1-200")
            if end == "cancel":
                await here.ask("bench.scan_cancel")
            else:
                off = await here.ask("draft", kind="setting", table="gateway", key="commissioning", value=False)
                assert (await here.act(off["text"], off["revision"]))["code"] == "done"
            async with asyncio.timeout(20):
                while (state := await here.ask("bench.scan_state"))["state"] in ("waiting", "running"):
                    await asyncio.sleep(0.05)
            assert (state["state"], state["found"]) == ("cancelled", [])
        assert (await here.refusal("bench.scan", hosts="127.0.0.1", port=units.port, units="1"))[0] == "commissioning_off"


def test_an_opc_ua_server_is_asked_pinned_browsed_and_drafted(tmp_path: Path) -> None:
    async def test() -> None:
        server = OpcUaPlant(1.5, secured=Secured(tmp_path / "server"))
        (tmp_path / "server").mkdir()
        async with bench(tmp_path) as here:
            await server.start()
            try:
                offers = (await here.ask("bench.offers", endpoint=server.endpoint))["offers"]
                way = next(each for each in offers if each["mode"] == "sign_and_encrypt")
                secured = {"security": way["security"], "security_mode": way["mode"], "server_fingerprint": way["fingerprint"]}
                top = (await here.ask("bench.browse", endpoint=server.endpoint, **secured))["found"]
                folder = next(each for each in top if each["path"] == ["plant"])
                below = await here.ask("bench.browse", endpoint=server.endpoint, **secured, start=folder["node"])
                (found,) = below["found"]
                wrong = {**secured, "server_fingerprint": "sha256:" + "00" * 32}
                assert (await here.refusal("bench.browse", endpoint=server.endpoint, **wrong))[0] == "opcua_server_changed"
                places = await here.ask("bench.places")
                raw = {
                    "type": "opcua", "endpoint": server.endpoint, **secured, **places["own_files"],
                    "groups": [{"name": "main", "period_ms": 500, "tags": [{"name": "t", **found["options"]}]}],
                }  # fmt: skip
                draft = await here.ask("draft", kind="device", device="plc", raw=raw)
                assert draft["faults"] == []
                assert (await here.act(draft["text"], draft["revision"]))["code"] == "done"
                async with here.gateway.watching() as feed:
                    uid = await until(lambda: next((uid for uid, row in feed.tags.items() if row[1] == "plc/t"), None))
                    await until(lambda: (row := feed.values.get(uid)) is not None and row[1] == 1.5)
                assert stat.S_IMODE((here.gateway.state / "private" / "opcua-client.key").stat().st_mode) == 0o600
            finally:
                await server.stop()

    asyncio.run(test())


def test_what_is_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with bench(tmp_path, commissioning=False) as here:
            elsewhere = {"host": "127.0.0.1", "port": here.plant.port, "unit_id": 2}
            polled = {"device": "meter"}
            refused = [
                (await here.refusal("bench.read", "web", where=polled, address="holding:0", count=1))[0],
                (await here.refusal("bench.read", where=elsewhere, address="holding:0", count=1))[0],
                (await here.refusal("bench.read", where={"device": "none"}, address="holding:0", count=1))[0],
                (await here.refusal("bench.read", where=polled, address="holding:0", count=126))[0],
                (await here.refusal("bench.read", where=polled, address="coil:0", count=1))[0],
                (await here.refusal("bench.read", where=polled, count=1))[0],
                (await here.refusal("bench.read", where=polled, address="100", count=1))[0],
                (await here.refusal("bench.detect", where=polled, near=["holding:0"], shows=["x"], case={"version": 9}))[0],
                (await here.refusal("bench.offers", endpoint="opc.tcp://127.0.0.1:1"))[0],
                (await here.refusal("config.revision", number=9))[0],
                (await here.refusal("config.revision", number="../../private/key"))[0],
                (await here.refusal("draft", kind="nothing"))[0],
                (await here.refusal("tags.table", device="none"))[0],
            ]
            assert refused == [
                "permission_denied", "commissioning_off", "device_unknown", "bench_count", "detect_no_registers", "bench_shape",
                "config_modbus_ambiguous", "bench_shape", "commissioning_off", "revision_unknown", "revision_unknown", "bench_shape",
                "device_unknown",
            ]  # fmt: skip
            assert (await here.ask("bench.read", where=polled, address="holding:5", count=1))["missing"] == 0

    asyncio.run(test())
