"""A name that no address is known for is a cause of its own, on every way that a driver connects."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from drivers.registry import load_config
from runtime.cli.read_once import rows_by_itself
from runtime.messages.catalogue import word

MODBUS = 'type = "modbus"\nhost = "plc.plant"\n'
TAGS = {"modbus": 'address = "holding:0"', "mqtt": 'topic = "a"', "opcua": 'node = "ns=2;s=a"'}


@pytest.fixture(autouse=True)
def _nobody_knows_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(host: Any, *_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)


@pytest.mark.parametrize(
    "options",
    [
        MODBUS, MODBUS + 'transport = "rtu_over_tcp"\n', MODBUS + 'backup_hosts = ["plc.plant:503"]\n',
        'type = "mqtt"\nhost = "plc.plant"\n', 'type = "opcua"\nendpoint = "opc.tcp://plc.plant:4840"\n',
    ],
)  # fmt: skip
def test_a_name_without_an_address_is_told_so(tmp_path: Path, options: str) -> None:
    kind = options.split('"')[1]
    group = f'[[devices.d.groups]]\nname = "g"\nperiod_ms = 1000\ntags = [{{ name = "t", {TAGS[kind]} }}]\n'
    (tmp_path / "c.toml").write_text(f'[gateway]\nname = "g"\n[devices.d]\n{options}{group}', encoding="utf-8")
    (row,) = asyncio.run(rows_by_itself(tmp_path / "c.toml", "d"))
    assert (row["cause"], row["params"]["host"]) == ("name_unknown", "plc.plant")
    assert "plc.plant" in word(row["cause"], row["params"])


def test_a_backup_host_is_judged_as_a_host() -> None:
    with pytest.raises(ValueError, match="config_backup_host"):
        load_config("modbus", "d", {"host": "plc.plant", "backup_hosts": ["a..b"]})
