"""The flight recorder of a running gateway, asked by the command line; its capture files, opened by tshark."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from drivers.modbus import request as rq
from drivers.modbus.framing import Rtu
from drivers.pcap import capture
from drivers.recorder import Frame
from tests.rigs.gateway import ALONE, Gateway, cli, until
from tests.rigs.load_device import device_config
from tests.rigs.units import TcpUnits, Unit

HEAD = '[gateway]\nname = "g"\n[evidence]\nseal_every_s = 1\n' + ALONE


def dissected(tshark: str, file: Path, *more: str) -> list[dict[str, str]]:
    """Return what tshark makes of each packet: protocols and the fields that were asked for."""
    fields = ("frame.protocols", "modbus.func_code", "mbtcp.unit_id", "modbus.reference_num", "tcp.checksum.status", "_ws.expert.message")
    command = [tshark, "-r", str(file), "-o", "tcp.check_checksum:TRUE", "-T", "json", *more, *(a for f in fields for a in ("-e", f))]
    packets = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return [{key: ",".join(values) for key, values in packet["_source"]["layers"].items()} for packet in packets]


def test_frames_of_a_running_gateway(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    tshark = require_service("tshark")

    async def run() -> None:
        async with asyncio.timeout(60), TcpUnits({1: Unit()}) as units:
            config = tmp_path / "gateway.toml"
            config.write_text(HEAD + device_config("press", units.port, tags=3, period_ms=200))
            gateway = Gateway(tmp_path / "state", config)
            await gateway.start()
            try:
                async with gateway.watching() as face:
                    await until(lambda: len(face.values) == 3 and all(row[2] == 0 for row in face.values.values()))
                state, line = str(gateway.state), f"127.0.0.1:{units.port}"
                code, lines = await cli("frames", "--state", state)
                assert (code, [each["line"] for each in lines["lines"]]) == (0, [line])
                code, shown = await cli("frames", line, "--state", state, "--pcap", str(tmp_path / "x.pcap"))
                assert code == 0
                assert [frame["meaning"] for frame in shown["frames"][:2]] == ["unit 1: read holding:0, 3", "r0 = 0, r1 = 1, r2 = 2"]
                assert "r0 = 0, r1 = 1, r2 = 2" in (tmp_path / "x.txt").read_text()
                packets = dissected(tshark, tmp_path / "x.pcap")
                assert len(packets) == len(shown["frames"])
                for packet in packets:
                    assert packet["frame.protocols"] == "eth:ethertype:ip:tcp:mbtcp:modbus"
                    assert (packet["modbus.func_code"], packet["mbtcp.unit_id"], packet["tcp.checksum.status"]) == ("3", "1", "1")
                    assert "_ws.expert.message" not in packet, packet
                units.units[1].dead = True
                while not (await cli("frames", line, "--state", state))[1]["faults"]:
                    pass
                code, shown = await cli("frames", line, "--state", state, "--fault", "1")
                assert (code, shown["faults"][0]["cause"], shown["frames"][-1]["sent"]) == (0, "no_answer", True)
                assert (await cli("frames", "nowhere:1", "--state", state))[0] == 1
                assert (await cli("frames", line, "--state", state, "--fault", "9"))[0] == 1
                code, refused = await cli("frames", "--state", state, "--pcap", str(tmp_path / "none.pcap"))
                assert (code, refused["error"]) == (2, "frames_needs_line")
            finally:
                await gateway.stop()
        assert (await cli("frames", "--state", str(tmp_path / "state")))[0] == 2

    asyncio.run(run())


def test_a_serial_capture_is_read_as_modbus(tmp_path: Path, require_service: Callable[[str], str]) -> None:
    tshark = require_service("tshark")
    request = rq.read_request(5, "holding", 10, 2)
    answer = Rtu().wrap(rq.Request(5, bytes((3, 4, 0, 1, 0, 2)), 6), 0)
    frames = [Frame(1_700_000_000_000.0, 0, True, Rtu().wrap(request)), Frame(1_700_000_000_012.0, 0, False, answer)]
    (tmp_path / "serial.pcap").write_bytes(capture("rtu", frames))
    packets = dissected(tshark, tmp_path / "serial.pcap", "-d", "rtacser.data,mbrtu")
    assert [packet["modbus.func_code"] for packet in packets] == ["3", "3"]
    assert all(packet["frame.protocols"].startswith("rtacser") for packet in packets)
