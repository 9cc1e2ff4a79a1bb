"""The configuration of the demo: written once, afterwards changed only where the demo itself moved something.

Room: hall. `demo` calls it before each start. Its own are the ports of the simulated devices, the page's port and the addresses of the
demo's witnesses; whatever else a person or the door changed stays, comments included. Blocking; it starts nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from boards.sim.template import gateway_config
from ledger_client.disk import RealDisk, write_atomically
from runtime.config import parse_config
from runtime.config_faults import ConfigError, Fault
from runtime.layout import Layout

MODBUS_PORTS: Final = (("filler", "filler_port"), ("meter", "meter_port"))
CAPPER: Final = "capper"
LOOPBACK: Final = "127.0.0.1"
MIRROR: Final = "witness-1"
"""The one that holds the entries too."""
OWN_EDIT: Final = "the demo moved its ports"


def read_config(layout: Layout) -> str | None:
    """Return the text of the config file, None when there is none. Raises ConfigError when it is no text, OSError."""
    try:
        return layout.config.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise ConfigError([Fault("", "config_not_toml", {"detail": "not UTF-8"})]) from error


def web_port_of(text: str | None) -> int | None:
    """Return the page's port that a config text asks for; None when it names none."""
    try:
        port = tomlkit.parse(text or "").unwrap().get("web", {}).get("port")
    except (TOMLKitError, AttributeError):
        return None  # what is wrong with it is said when it is judged
    return port if type(port) is int and 0 < port < 65536 else None


def write_config(layout: Layout, plant: Mapping[str, Any], witnesses: Sequence[Mapping[str, Any]], web_port: int, token: Path) -> bool:
    """Make the config file fit what runs; return whether the only changes since the last revision are ours.

    Raises ConfigError when it has faults (then nothing was changed), OSError.
    """
    before = read_config(layout)
    text = first_text(plant, witnesses, web_port, token) if before is None else adjusted(before, plant, witnesses, web_port, token)
    parse_config(text)
    ours = before is not None and before == _newest_revision(layout)
    if text != before:
        write_atomically(RealDisk(), layout.config, text.encode())
    return ours


def first_text(plant: Mapping[str, Any], witnesses: Sequence[Mapping[str, Any]], web_port: int, token: Path) -> str:
    """Return the text of a first start."""
    text = gateway_config(plant) + f"\n[web]\nport = {web_port}\nopen_view = true\n"
    for number, witness in enumerate(witnesses, start=1):
        text += f'\n[[anchors]]\nname = "witness-{number}"\nurl = "{witness["url"]}"\nvkeys = ["{witness["vkey"]}"]\noperator = "self"\n'
        text += f"mirror_token_file = {json.dumps(str(token))}\nmirror_bodies = true\n" if number == 1 else ""
    return text


def adjusted(text: str, plant: Mapping[str, Any], witnesses: Sequence[Mapping[str, Any]], web_port: int, token: Path) -> str:
    """Return the text with the demo's own addresses in it. Raises ConfigError when it is no TOML."""
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:
        raise ConfigError([Fault("", "config_not_toml", {"detail": str(error)}, getattr(error, "line", None))]) from error
    devices = document.get("devices", {})
    for name, port in MODBUS_PORTS:
        device = devices.get(name) if isinstance(devices, Mapping) else None
        if isinstance(device, Mapping) and device.get("type") == "modbus" and device.get("host") == LOOPBACK:
            _set(device, "port", plant[port])
    capper = devices.get(CAPPER) if isinstance(devices, Mapping) else None
    if isinstance(capper, Mapping) and str(capper.get("endpoint", "")).startswith(f"opc.tcp://{LOOPBACK}:"):
        _set(capper, "endpoint", f"opc.tcp://{LOOPBACK}:{plant['capper_port']}/capper")
    web = document.setdefault("web", tomlkit.table())
    if isinstance(web, Mapping):
        _set(web, "port", web_port)
    _adjust_anchors(document, {f"witness-{number}": witness for number, witness in enumerate(witnesses, start=1)}, token)
    return tomlkit.dumps(document)


def _adjust_anchors(document: Any, witnesses: Mapping[str, Mapping[str, Any]], token: Path) -> None:
    """Point the demo's anchors at its witnesses; add those that are missing, take away those that no longer run."""
    rows = document.setdefault("anchors", tomlkit.aot())
    if not isinstance(rows, list):
        return
    named = {str(row.get("name")): row for row in rows if isinstance(row, Mapping)}
    for name, witness in witnesses.items():
        row = named.get(name)
        if row is None:
            row = tomlkit.table()
            row["name"], row["url"], row["vkeys"], row["operator"] = name, witness["url"], [witness["vkey"]], "self"
            if name == MIRROR:
                row["mirror_token_file"], row["mirror_bodies"] = str(token), True
            rows.append(row)
        else:
            _set(row, "url", witness["url"])
            _set(row, "vkeys", [witness["vkey"]])
            if "mirror_token_file" in row:
                _set(row, "mirror_token_file", str(token))
    for at in reversed(range(len(rows))):
        name = str(rows[at].get("name")) if isinstance(rows[at], Mapping) else ""
        if name.startswith("witness-") and name not in witnesses and str(rows[at].get("url", "")).startswith(f"http://{LOOPBACK}:"):
            del rows[at]
    if not rows:
        del document["anchors"]


def _set(table: Any, key: str, value: object) -> None:
    """Set a value unless it is there already: what is not touched keeps its very bytes."""
    found = table.get(key)
    if (found.unwrap() if hasattr(found, "unwrap") else found) != value:
        table[key] = value


def _newest_revision(layout: Layout) -> str | None:
    numbers = [int(path.stem) for path in layout.revisions.glob("*.toml") if path.stem.isdigit()]
    return (layout.revisions / f"{max(numbers)}.toml").read_text(encoding="utf-8") if numbers else None
