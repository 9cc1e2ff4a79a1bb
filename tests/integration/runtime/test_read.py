"""`read` beside a running gateway: through its connection and with what it knows, and past it where it is told so. It records nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from drivers.reading import Status
from runtime.messages.catalogue import word
from tests.rigs.gateway import ALONE, Gateway, cli, until
from tests.rigs.units import PacedUnits, TcpUnits, Unit

CONFIG = """[gateway]
name = "g"
[devices.plc]
type = "modbus"
host = "127.0.0.1"
port = {port}
single_connection = true
[[devices.plc.groups]]
name = "fast"
period_ms = 200
tags = [
  {{ name = "x", address = "holding:7", instrument = {{ serial = "S1", due = 2020-01-01 }} }},
  {{ name = "y", address = "holding:9", range = {{ high = 5.0 }} }},
]
[[devices.plc.groups]]
name = "slow"
period_ms = 1000
tags = [{{ name = "z", address = "holding:11" }}]
[devices.meter]
type = "modbus"
transport = "rtu"
serial_port = "{serial}"
baud = 19200
parity = "none"
stop_bits = 1
[[devices.meter.groups]]
name = "g"
period_ms = 500
tags = [{{ name = "volt", address = "holding:3" }}]
[devices.sum]
type = "virtual"
[[devices.sum.groups]]
name = "g"
period_ms = 500
tags = [{{ name = "s", formula = "[plc/z] + [meter/volt]" }}]
[devices.lab]
type = "manual"
[[devices.lab.groups]]
name = "rounds"
tags = [{{ name = "brix" }}]
"""
MORE = '[devices.new]\ntype = "modbus"\ntransport = "rtu"\nserial_port = "{serial}"\nbaud = 19200\nparity = "none"\nstop_bits = 1\n'
MORE += '[[devices.new.groups]]\nname = "g"\nperiod_ms = 500\ntags = [{{ name = "t", address = "holding:4" }}]\n'
LATER = '[devices.later]\ntype = "manual"\n[[devices.later.groups]]\nname = "rounds"\ntags = [{ name = "ph" }]\n'
OVERDUE, OUTSIDE = int(Status.UNCERTAIN_SENSOR_CALIBRATION), int(Status.UNCERTAIN_ENGINEERING_UNITS_EXCEEDED)


def told(rows: list[dict[str, Any]]) -> dict[str, tuple[Any, str, int]]:
    return {row["tag"]: (row["value"], row["quality"], row["status"]) for row in rows}


def test_a_running_gateway_is_asked_for_what_it_reads(tmp_path: Path) -> None:
    config, state = tmp_path / "gateway.toml", str(tmp_path / "state")

    async def run() -> None:
        tcp = Unit()
        async with TcpUnits({1: tcp}) as units, PacedUnits({1: Unit()}, 19200) as serial:
            units.connections_max = 1
            config.write_text(ALONE + CONFIG.format(port=units.port, serial=serial.path))
            code, found = await cli("read", "plc", "--state", state, "--config", str(config))
            known = {"plc/x": (7, "uncertain", OVERDUE), "plc/y": (9, "uncertain", OUTSIDE), "plc/z": (11, "good", 0)}
            assert code == 0, found
            assert (told(found["readings"]), found["through"]) == (known, "itself")
            for device in ("sum", "lab"):
                code, said = await cli("read", device, "--state", state, "--config", str(config))
                assert (code, said["error"]) == (2, "read_needs_gateway"), "it would have nothing, and blame a converter or nobody"
            gateway = Gateway(tmp_path / "state", config)
            await gateway.start()
            try:
                async with asyncio.timeout(90), gateway.watching() as face:
                    await running_well(face)
                    code, said = await cli("enter", "lab/brix", "21.5", "--by", "Ana", "--state", state)
                    assert code == 0, said
                    for target, wanted in (
                        ("plc", known),
                        ("plc/z", {"plc/z": (11, "good", 0)}),
                        ("meter", {"meter/volt": (3, "good", 0)}),
                        ("sum", {"sum/s": (14.0, "good", 0)}),
                        ("lab", {"lab/brix": (21.5, "good", 0)}),
                    ):
                        code, found = await cli("read", target, "--state", state)
                        assert (code, told(found["readings"]), found["through"]) == (0, wanted, "gateway"), target
                    assert units.open == 1, "no second connection was opened"
                    await past_the_gateway(config, state, serial.path)
                    tcp.dead = True
                    code, found = await cli("read", "plc/z", "--state", state)
                    assert (code, found["readings"][0]["cause"]) == (1, "no_answer")
            finally:
                await gateway.stop()

    asyncio.run(run())


async def running_well(face: Any) -> None:
    await until(lambda: len(face.tags) == 6)
    uids = {row[1]: uid for uid, row in face.tags.items()}
    await until(lambda: face.values.get(uids["sum/s"], [0, None])[1] == 14.0)


async def past_the_gateway(config: Path, state: str, serial: str) -> None:
    """A serial port belongs to one program: who reads past the gateway is told so, and that it may be asked."""
    code, found = await cli("read", "meter", "--state", state, "--config", str(config))
    assert (code, found["readings"][0]["cause"]) == (1, "connect_failed")
    assert found["note"] == word("read_gateway_has", {"device": "meter", "state": state})
    other = config.with_name("other.toml")
    other.write_text(config.read_text() + MORE.format(serial=serial))
    code, found = await cli("read", "new", "--state", state, "--config", str(other))
    assert (code, "note" in found) == (1, False), "the gateway does not read it"
    code, found = await cli("read", "new", "--state", state)
    assert (code, found["error"]) == (2, "target_unknown")
    by_hand = Path(state) / "config" / "witnessmark.toml"
    by_hand.write_text(other.read_text() + LATER)  # no revision in force yet
    code, found = await cli("read", "new", "--state", state)
    assert (code, found["readings"][0]["cause"]) == (1, "connect_failed")
    assert found["note"] == word("read_gateway_lacks", {"device": "new", "state": state})
    code, found = await cli("read", "later", "--state", state)
    assert (code, found["error"]) == (2, "read_gateway_lacks_this"), "to start a gateway would be of no use: it runs"
