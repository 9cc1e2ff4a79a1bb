"""The demo changes its own addresses in the config file and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger_client.disk import RealDisk
from ledger_client.token import read_token
from runtime.config import parse_config
from runtime.config_faults import ConfigError
from runtime.demo import _mirror_token
from runtime.demo_config import adjusted, first_text, web_port_of, write_config
from runtime.layout import Layout
from tests.rigs.core import two_devices

PLANT = {"filler_port": 1001, "meter_port": 1002, "capper_port": 1003}
MOVED = {"filler_port": 2001, "meter_port": 2002, "capper_port": 2003}
VKEY = "w.example/w+8eb33d42+BHPGg7KNeQNlJiw9qz8QVhFxyhjCVROV8yFznYUTdT97"


TOKEN = Path("/state/demo/mirror.token")


def witness(port: int) -> dict[str, object]:
    return {"url": f"http://127.0.0.1:{port}", "vkey": VKEY, "port": port}


def test_the_same_ports_change_no_byte() -> None:
    text = first_text(PLANT, [witness(5)], 8480, TOKEN) + "# a remark at the end\n"
    assert adjusted(text, PLANT, [witness(5)], 8480, TOKEN) == text


def test_only_the_demos_own_addresses_move() -> None:
    text = first_text(PLANT, [witness(5)], 8480, TOKEN)
    mine = text.replace("period_ms = 500", "period_ms = 250 # mine", 1).replace('name = "line-1"', 'name = "line-1" # kept')
    mine += """
[[anchors]]
name = "outside"
url = "https://w.example/"
vkeys = ["x"]

[devices.extra]
type = "modbus"
host = "10.0.0.1"
"""
    moved = adjusted(mine, MOVED, [witness(6), witness(7)], 9000, TOKEN)
    changed = {(a, b) for a, b in zip(mine.splitlines(), moved.splitlines(), strict=False) if a != b}
    assert {b for _, b in changed} >= {"port = 2001", "port = 2002", "port = 9000", 'endpoint = "opc.tcp://127.0.0.1:2003/capper"'}
    for kept in ("period_ms = 250 # mine", 'name = "line-1" # kept', 'name = "outside"', 'host = "10.0.0.1"'):
        assert kept in moved
    assert 'name = "witness-2"' in moved
    assert 'url = "http://127.0.0.1:7"' in moved
    assert "witness-1" not in adjusted(moved, MOVED, [], 9000, TOKEN)


def test_a_device_that_was_pointed_elsewhere_stays_there() -> None:
    text = first_text(PLANT, [], 8480, TOKEN).replace('host = "127.0.0.1"', 'host = "10.1.2.3"', 1)
    assert "port = 1001" in adjusted(text, MOVED, [], 8480, TOKEN)


def test_the_pages_port_is_found() -> None:
    assert web_port_of(first_text(PLANT, [], 8481, TOKEN)) == 8481
    assert web_port_of(two_devices()) is None
    assert web_port_of("not = toml = at all") is None
    assert web_port_of("web = 3") is None
    assert web_port_of(None) is None


def test_faults_are_told_and_nothing_is_written(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    layout.prepare(RealDisk())
    assert not write_config(layout, PLANT, [], 8480, TOKEN), "a first start is nobody's edit"
    good = layout.config.read_text()
    (layout.revisions / "1.toml").write_text(good)
    assert write_config(layout, MOVED, [], 8480, TOKEN), "only the demo's ports moved"
    assert parse_config(layout.config.read_text()).devices[0].name == "filler"
    for bad in (good.replace("period_ms = 500", "period_ms = 5", 1), good + "= ="):
        layout.config.write_text(bad)
        with pytest.raises(ConfigError):
            write_config(layout, MOVED, [], 8480, TOKEN)
        assert layout.config.read_text() == bad


def test_the_mirrors_token_is_whole_however_an_earlier_start_ended(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    layout.prepare(RealDisk())
    (layout.state / "demo").mkdir()
    (layout.state / "demo" / "mirror.token.new").touch(0o600)  # cut off while it was written
    path = _mirror_token(layout)
    token = read_token(path)  # refuses one that is open to others, or too short
    assert (_mirror_token(layout), read_token(path)) == (path, token)
