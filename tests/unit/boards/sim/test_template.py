"""The configuration template against the maps that it points into, and the README against both."""

from __future__ import annotations

import tomllib

from boards.board import FOLDER
from boards.sim.maps import FILLER_CELLS, METER_CELLS
from boards.sim.opcua_server import NODES
from boards.sim.template import gateway_config

README = (FOLDER / "sim" / "README.md").read_text(encoding="utf-8")


def _config() -> dict:
    return tomllib.loads(gateway_config({"filler_port": 5020, "meter_port": 5021, "capper_port": 4841}))


def _tags(device: str) -> list[dict]:
    return [tag for group in _config()["devices"][device]["groups"] for tag in group["tags"]]


def test_the_ports_stand_where_they_belong() -> None:
    devices = _config()["devices"]
    assert (devices["filler"]["port"], devices["meter"]["port"]) == (5020, 5021)
    assert devices["capper"]["endpoint"] == "opc.tcp://127.0.0.1:4841/capper"
    assert "{" not in devices["capper"]["endpoint"]


def test_every_modbus_tag_is_a_cell_of_the_same_kind_and_scale() -> None:
    for device, cells in (("filler", FILLER_CELLS), ("meter", METER_CELLS)):
        known = {f"{cell.table}:{cell.address}": cell for cell in cells}
        for tag in _tags(device):
            cell = known[tag["address"]]
            kind = tag.get("data", "bool" if cell.kind == "bool" else "uint16")
            assert kind == cell.kind or (kind, cell.kind) == ("bits", "uint16"), tag
            assert tag.get("scale", 1.0) == cell.scale, tag
            assert tag.get("length", 0) == cell.length, tag
            assert (cell.limits is not None) == tag.get("writable", False), tag
            if "write" in tag:
                assert (tag["write"]["min"], tag["write"]["max"]) == cell.limits, tag


def test_every_opcua_tag_is_a_node() -> None:
    known = {f"ns=2;s=Capper.{row.path}": row for row in NODES}
    for tag in _tags("capper"):
        row = known[tag["node"]]
        assert tag["data"] == {"Int32": "int", "Float": "float32", "String": "text"}[row.kind.name]
        assert row.writable == tag.get("writable", False)


def test_a_merged_read_of_the_fast_group_would_hit_the_hole() -> None:
    addresses = sorted(int(tag["address"].split(":")[1]) for tag in _tags("filler") if tag["address"].startswith("holding"))
    assert 33 in addresses
    assert 40 in addresses
    assert not any(36 <= address <= 39 for address in addresses)


def test_the_readme_has_every_address_and_node() -> None:
    rows = [f"| {c.table}:{c.address} | {c.kind}" for c in FILLER_CELLS] + [f"| input:{c.address} | `{c.signal}` |" for c in METER_CELLS]
    rows += [f"| `Capper.{row.path}` | {row.kind.name} |" for row in NODES]
    assert not [row for row in rows if row not in README]
    assert f"({sum(len(_tags(d)) for d in _config()['devices'])} tags)" in README
