"""Probes against real servers: names, ports, TLS, Modbus; what may not be tried, and a device that allows one connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from drivers.driver import DriverError
from runtime.clock import SystemClock
from runtime.config import Config, parse_config
from runtime.diagnostics import probes as probes_module
from runtime.diagnostics.addresses import addresses_of
from runtime.diagnostics.probes import Probes
from runtime.faces.feed import RequestRefusedError
from runtime.messages.catalogue import word
from tests.rigs.certificate import make_certificate
from tests.rigs.modbus import WRITES, ModbusPlant
from tests.rigs.ports import free_port

pytestmark = pytest.mark.integration
DEVICE = """
[devices.press]
type = "modbus"
host = "localhost"
port = {port}
[[devices.press.groups]]
name = "g"
period_ms = 1000
tags = [{{ name = "t", address = "holding:1", data = "uint16" }}]
"""

DIRECTORIES = """
[ldap]
url = "ldaps://directory.example"
user_dn = "uid={name},dc=works"
roles = { viewer = ["cn=all,dc=works"] }
[oidc]
issuer = "https://login.example:8443/works"
client_id = "gateway"
redirect_uri = "https://gateway.example/login/sso/back"
roles = { viewer = ["all"] }
"""


class Line:
    """The line of the polled device: counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    async def registers(self, device: str, table: str, start: int, count: int, deadline_s: float) -> dict[int, int]:
        self.asked.append(("registers", device, table, start, count))
        return {start: 7}

    async def probe(self, device: str, unit: int, table: str, start: int, count: int, deadline_s: float) -> dict[int, int]:
        self.asked.append(("probe", device, unit, table, start, count))
        return {}

    async def identify(self, device: str, unit: int | None, deadline_s: float) -> dict[str, str]:
        self.asked.append(("identify", device, unit))
        return {"VendorName": "Acme"}


def config(*devices: str, commissioning: bool = True) -> Config:
    return parse_config(f'[gateway]\nname = "g"\ncommissioning = {str(commissioning).lower()}\n' + "".join(devices))


def prober(line: Line, *devices: str, commissioning: bool = True) -> Probes:
    found = config(*devices, commissioning=commissioning)
    return Probes(lambda: found, line, SystemClock())


@contextlib.asynccontextmanager
async def listening(context: ssl.SSLContext | None = None, *, silent: bool = False) -> AsyncIterator[tuple[int, list[int]]]:
    port, seen = free_port(), []

    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(1)
        with contextlib.suppress(OSError):
            await (ended.wait() if silent else reader.read(1))
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=context)
    try:
        yield port, seen
    finally:
        ended.set()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.05)


def test_names_ports_and_tls(tmp_path: Path) -> None:
    async def run() -> None:
        probes = prober(Line())
        told = await probes.probe("t", {"kind": "name", "host": "localhost"})
        assert told["ok"]
        assert "127.0.0.1" in told["addresses"]
        told = await probes.probe("t", {"kind": "name", "host": "nobody.invalid"})
        assert (told["ok"], told["code"]) == (False, "probe_name_unknown")
        told = await probes.probe("t", {"kind": "tcp", "host": "127.0.0.1", "port": free_port()})
        assert (told["ok"], told["code"]) == (False, "probe_refused")
        made = make_certificate(tmp_path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*made)
        async with listening(context) as (port, _):
            told = await probes.probe("t", {"kind": "tls", "host": "127.0.0.1", "port": port})
            assert told["ok"], told
            assert told["tls"]["version"] == "TLSv1.3"
            assert len(told["tls"]["fingerprint"]) == 64
            assert told["tls"]["is_valid_now"] is True
        async with listening() as (port, seen):
            told = await probes.probe("t", {"kind": "tcp", "host": "localhost", "port": port})
            assert told["ok"]
            assert told["connect_ms"] >= 0
            assert seen == [1]

    asyncio.run(run())


def test_one_at_a_time_and_never_longer_than_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes_module, "PROBE_S", 0.4)

    async def run() -> None:
        probes = prober(Line())
        async with listening(silent=True) as (port, _), asyncio.TaskGroup() as group:
            slow = group.create_task(probes.probe("t", {"kind": "tls", "host": "127.0.0.1", "port": port}))
            await asyncio.sleep(0.1)
            with pytest.raises(RequestRefusedError, match="probe_busy"):
                await probes.probe("t", {"kind": "name", "host": "localhost"})
            told = await slow
            assert (told["ok"], told["code"]) == (False, "probe_no_answer")

    asyncio.run(run())


def test_a_name_that_no_server_answers_holds_up_nobody_and_keeps_probes_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes_module, "PROBE_S", 0.3)
    answered, asked, real = threading.Event(), list[str](), socket.getaddrinfo

    def slow(host: str, *more: Any, **named: Any) -> Any:
        asked.append(threading.current_thread().name)
        answered.wait(20)
        return real(host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", slow)

    async def run() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        probes, wanted = prober(Line()), {"kind": "name", "host": "localhost"}
        told = await probes.probe("t", wanted)
        assert (told["ok"], told["code"], told["params"]) == (False, "probe_name_silent", {"host": "localhost"})
        async with asyncio.timeout(5):
            assert await asyncio.to_thread(lambda: "free") == "free", "drivers look up names there"
        with pytest.raises(RequestRefusedError, match="probe_busy"):
            await probes.probe("t", wanted)
        assert asked == ["probe"]
        answered.set()
        async with asyncio.timeout(5):
            while True:
                with contextlib.suppress(RequestRefusedError):
                    told = await probes.probe("t", wanted)
                    break
                await asyncio.sleep(0.01)
        assert told["ok"], told

    try:
        asyncio.run(run())
    finally:
        answered.set()


class SilentNames:
    """Name servers that answer nobody about names of the plant, until they are told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answered, self.asked, self._real = threading.Event(), list[str](), socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)

    def _look_up(self, host: str, *more: Any, **named: Any) -> Any:
        if str(host).endswith(".plant"):
            self.asked.append(host)
            self.answered.wait(20)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return self._real(host, *more, **named)


def test_a_name_that_could_not_be_looked_up_is_said_by_its_name_and_is_not_called_one_without_an_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = SilentNames(monkeypatch)
    names.answered.set()

    async def run() -> None:
        for kind in ("name", "tcp", "tls", "modbus"):
            told = await prober(Line()).probe("t", {"kind": kind, "host": "press.plant", "port": 502})
            assert (told["ok"], told["code"], told["params"]) == (False, "probe_name_silent", {"host": "press.plant"})
            for lang in ("en", "zh"):
                assert "press.plant" in word(told["code"], told["params"], lang)

    asyncio.run(run())


def test_a_device_by_name_that_no_server_answers_keeps_no_address_from_being_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes_module, "PROBE_S", 2.0)
    names = SilentNames(monkeypatch)

    async def run() -> None:
        async with listening() as (port, seen):
            line = Line()
            named = DEVICE.format(port=port).replace("localhost", "press.plant")
            probes = prober(line, named, named.replace("devices.press", "devices.mill").replace("press.plant", "mill.plant"))
            for kind in ("tcp", "tcp"):
                told = await probes.probe("t", {"kind": kind, "host": "127.0.0.1", "port": port})
                assert (told["ok"], told["silent"], told["line"]) == (True, "press.plant", ""), told
            assert names.asked == ["press.plant"], "one look-up, which still waits"
            with pytest.raises(RequestRefusedError, match="probe_busy"):
                await probes.probe("t", {"kind": "name", "host": "localhost"})
            assert (len(seen), line.asked) == (2, [])

    try:
        asyncio.run(run())
    finally:
        names.answered.set()


def test_a_device_by_name_that_no_server_answers_keeps_its_only_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes_module, "PROBE_S", 2.0)
    names = SilentNames(monkeypatch)

    async def run() -> None:
        async with listening() as (port, seen):
            _, poller = await asyncio.open_connection("127.0.0.1", port)
            probes = prober(Line(), DEVICE.format(port=port).replace("localhost", "press.plant"))
            for kind in ("tcp", "tls", "modbus"):
                told = await probes.probe("t", {"kind": kind, "host": "127.0.0.1", "port": port})
                assert (told["ok"], told["code"]) == (False, "probe_line_not_known"), told
                assert told["params"] == {"name": "press.plant", "address": "127.0.0.1", "port": port}
            assert seen == [1], "the poller's own"
            poller.close()
            await poller.wait_closed()

    try:
        asyncio.run(run())
    finally:
        names.answered.set()


def test_a_polled_device_is_asked_through_its_line_under_whatever_name() -> None:
    async def run() -> None:
        async with listening() as (port, seen):
            line = Line()
            probes = prober(line, DEVICE.format(port=port))
            for kind, host in (("tcp", "localhost"), ("tcp", "127.0.0.1"), ("tls", "127.0.0.1"), ("modbus", "127.0.0.1")):
                told = await probes.probe("t", {"kind": kind, "host": host, "port": port})
                assert (told["ok"], told["line"], told["identity"]) == (True, "press", {"VendorName": "Acme"}), told
            told = await probes.probe("t", {"kind": "modbus", "host": "localhost", "port": port, "address": 5, "table": "input"})
            assert told["registers"] == [[5, 7]]
            told = await probes.probe("t", {"kind": "modbus", "host": "localhost", "port": port, "unit": 9, "address": 5})
            assert told["registers"] == []
            assert line.asked[-2:] == [("registers", "press", "input", 5, 1), ("probe", "press", 9, "holding", 5, 1)]
            assert seen == [], "nobody else connected to the device"

    asyncio.run(run())


class Refusing(Line):
    """One whose device refuses every read with a code."""

    def __init__(self, code: int) -> None:
        super().__init__()
        self._code = code

    async def registers(self, device: str, table: str, start: int, count: int, deadline_s: float) -> dict[int, int]:
        raise DriverError("device_exception", code=self._code)


@pytest.mark.parametrize(("code", "ok"), [(1, True), (2, True), (3, True), (4, True), (6, False), (11, False)])
def test_a_refusal_is_told_with_its_code(code: int, ok: bool) -> None:
    asked = {"kind": "modbus", "host": "127.0.0.1", "port": 502, "address": 5}
    told = asyncio.run(prober(Refusing(code), DEVICE.format(port=502)).probe("t", asked))
    assert told["ok"] is ok
    assert (
        (told["registers"], told["refused"]) == ([], code) if ok else (told["code"], told["params"]) == ("device_exception", {"code": code})
    )


def test_a_modbus_unit_that_is_not_polled() -> None:
    async def run() -> None:
        plant = ModbusPlant()
        await plant.start()
        try:
            probes = prober(Line())
            asked = {"kind": "modbus", "host": "127.0.0.1", "port": plant.port}
            told = await probes.probe("t", asked | {"unit": 1, "address": 5})
            assert (told["ok"], told["registers"]) == (True, [[5, 5]]), told
            told = await probes.probe("t", asked | {"unit": 1})
            assert told["ok"], told
            assert not [function for function, _, _ in plant.requests if function in WRITES]
            told = await probes.probe("t", asked | {"unit": 77, "address": 5})
            assert (told["ok"], told["registers"]) == (True, []), "the server answers that it has no such thing"
            await plant.stop()
            assert (await probes.probe("t", asked | {"unit": 1}))["ok"] is False
        finally:
            await plant.stop()

    asyncio.run(run())


def test_in_service_only_what_the_configuration_names_is_tried() -> None:
    async def run() -> None:
        more = '[syslog]\nhost = "log.example"\n[[notify.targets]]\nname = "h"\ntype = "webhook"\nurl = "https://hooks.example/x"\n'
        probes = prober(Line(), more, DIRECTORIES, DEVICE.format(port=5020), commissioning=False)
        known = {(each["host"], each["port"], each["what"]) for each in probes.targets()["addresses"]}
        assert known == {
            ("localhost", 5020, "device"), ("log.example", 6514, "syslog"), ("hooks.example", 443, "notify"),
            ("directory.example", 636, "ldap"), ("login.example", 8443, "oidc"),
        }  # fmt: skip
        for asked in ({"kind": "tcp", "host": "localhost", "port": 22}, {"kind": "name", "host": "elsewhere.example"}):
            with pytest.raises(RequestRefusedError, match="probe_not_configured"):
                await probes.probe("t", asked)
        with pytest.raises(RequestRefusedError, match="commissioning_off"):
            await probes.probe("t", {"kind": "modbus", "host": "localhost", "port": 5020, "unit": 9})
        assert (await probes.probe("t", {"kind": "modbus", "host": "localhost", "port": 5020, "unit": 1}))["ok"]

    asyncio.run(run())


@pytest.mark.parametrize(
    "asked",
    [
        {"kind": "tcp", "host": "x", "port": 0}, {"kind": "tcp", "host": "x", "port": 70_000}, {"kind": "shell", "host": "x", "port": 1},
        {"kind": "tcp", "host": "a b", "port": 1}, {"kind": "tcp", "host": "-x", "port": 1}, {"kind": "tcp", "host": "x" * 300, "port": 1},
        {"kind": "tcp", "host": "x", "port": True}, {"kind": "tcp"},
        {"kind": "modbus", "host": "127.0.0.1", "port": 1, "unit": 256}, {"kind": "modbus", "host": "127.0.0.1", "port": 1, "address": -1},
    ],
)  # fmt: skip
def test_what_is_no_probe_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(RequestRefusedError, match="probe_shape"):
        asyncio.run(prober(Line()).probe("t", asked))


def test_a_directory_is_probed_at_the_port_that_it_is_asked_at() -> None:
    plain = DIRECTORIES.replace("ldaps://", "ldap://").replace("user_dn", "start_tls = true\nuser_dn")
    found = addresses_of(config(plain))
    assert [(each.host, each.port, each.name) for each in found] == [("directory.example", 389, "LDAP"), ("login.example", 8443, "OpenID")]
    assert addresses_of(config()) == [], "sections that are off name nobody"


def test_backup_hosts_are_lines_too() -> None:
    text = DEVICE.format(port=5020).replace('host = "localhost"', 'host = "localhost"\nbackup_hosts = ["10.0.0.9:5021", "[::1]"]')
    assert [(each.host, each.port, each.line) for each in addresses_of(config(text))] == [
        ("localhost", 5020, "press"), ("10.0.0.9", 5021, "press"), ("::1", 5020, "press"),
    ]  # fmt: skip
