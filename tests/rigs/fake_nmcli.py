"""An `nmcli` that keeps its profiles in a file: as many of them, with the cable in or out, as a test says.

Room: tests. It knows the few commands that `nmcli_backend` gives and prints as nmcli 1.52 does (seen with the real one, which
tests/integration/runtime/test_network_manager.py runs); anything else it refuses.

    {"cable": true, "active": uuid or null, "type": "ethernet", "calls": 0,
     "profiles": {uuid: {"type": "802-3-ethernet", "device": "", "connection.interface-name": "", "ipv4.method": "auto", …}}}
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Self

import pytest

from runtime.network import commands


class FakeNmcli:
    """The file, and the program in front of it in the path of the system's programs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._path = folder / "nmcli.json"
        program = folder / "nmcli"
        program.write_text(f"#!{sys.executable} -IS\n" + PROGRAM.replace("@PATH@", str(self._path)))
        program.chmod(0o755)
        monkeypatch.setattr(commands, "PATH", f"{folder}:{commands.PATH}")
        self.state: dict[str, Any] = {"cable": True, "active": None, "type": "ethernet", "calls": 0, "profiles": {}}

    def add(self, number: int, interface: str = "", type_: str = "802-3-ethernet", device: str = "") -> str:
        """Make a profile by DHCP; return its UUID."""
        uuid = f"00000000-0000-0000-0000-{number:012x}"
        named = {"connection.uuid": uuid, "connection.interface-name": interface, "ipv4.method": "auto", "ipv4.ignore-auto-dns": "no"}
        self.state["profiles"][uuid] = {"type": type_, "device": device, **named}
        return uuid

    def __enter__(self) -> Self:
        """Let it be so."""
        self._path.write_text(json.dumps(self.state))
        return self

    def __exit__(self, *_: object) -> None:
        """See what has become of it."""
        self.state = json.loads(self._path.read_text())


PROGRAM = r"""
import json, sys
PATH = "@PATH@"
with open(PATH) as file:
    state = json.load(file)
state["calls"] += 1
profiles = state["profiles"]

def known(uuids):
    for uuid in uuids:
        if uuid not in profiles:
            print(f"Error: {uuid} - no such connection profile.", file=sys.stderr)
            sys.exit(10)
    return [profiles[uuid] for uuid in uuids]

match sys.argv[1:]:
    case ["-g", "GENERAL.TYPE,GENERAL.CON-UUID", "device", "show", "eth0"]:
        print(state["type"], state["active"] or "", sep="\n")
    case ["-g", "UUID,TYPE,DEVICE", "connection", "show"]:
        for uuid, each in profiles.items():
            print(uuid, each["type"], "eth0" if uuid == state["active"] else each["device"], sep=":")
    case ["-g", fields, "connection", "show", *uuids] if uuids:
        print("\n\n".join("\n".join(each.get(field, "") for field in fields.split(",")) for each in known(uuids)))
    case ["connection", "modify", uuid, *pairs] if len(pairs) % 2 == 0:
        known([uuid])[0].update(zip(pairs[::2], pairs[1::2]))
    case ["--wait", _, "connection", "up", uuid, "ifname", "eth0"]:
        known([uuid])
        if not state["cable"]:
            print("Error: Connection activation failed: No suitable device found for this connection.", file=sys.stderr)
            sys.exit(4)
        state["active"] = uuid
    case other:
        print(f"Error: {other}", file=sys.stderr)
        sys.exit(2)
with open(PATH, "w") as file:
    json.dump(state, file)
"""
