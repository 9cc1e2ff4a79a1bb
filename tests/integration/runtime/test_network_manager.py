"""The privileged part against a real NetworkManager: what it reads, writes, puts back, and refuses because undoing could not put it back.

The way of a change through door, page and power cut is in tests/integration/web/test_network.py, with NetworkManager too.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.netns import WIRE, Wire, require_wire, wire
from tests.rigs.network_manager import network_manager, require_network_manager

Ask = Callable[..., dict[str, Any]]
PLANT = "11111111-2222-3333-4444-555555555555"
OURS = {"method": "static", "addresses": [f"{Wire.OLD}/24"], "gateway": "10.77.1.1", "dns": []}


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[tuple[Wire, Ask, Callable[..., str]]]:
    """The wire, one request to the privileged part, and `nmcli` as an administrator calls it."""
    require_network_manager()
    require_wire()
    with wire() as lan, network_manager(lan, tmp_path / "network-manager") as before:

        def called(*command: str, given: str = "") -> str:
            done = subprocess.run([*before, *command], input=given, capture_output=True, text=True, check=False, timeout=60)
            return done.stdout or done.stderr

        def ask(do: str, interface: str = WIRE, **more: Any) -> dict[str, Any]:
            request = {"backend": "networkmanager", "do": do, "interface": interface, **more}
            return json.loads(called(sys.executable, "-m", "runtime.network.privileged", given=json.dumps(request)))  # type: ignore[no-any-return]

        yield lan, ask, lambda *arguments: called("nmcli", *arguments)


def test_what_is_put_is_read_and_in_force(plant: tuple[Wire, Ask, Callable[..., str]]) -> None:
    lan, ask, _ = plant
    assert ask("read") == {"settings": OURS, "can": ["dhcp", "dns"], "lasting": True, "profile": PLANT}
    for wanted in (
        {"method": "static", "addresses": [f"{Wire.NEW}/24"], "gateway": "10.77.2.1", "dns": ["10.77.2.1", "9.9.9.9"]},
        {"method": "static", "addresses": [f"{Wire.NEW}/24", "10.77.2.11/25"], "gateway": "", "dns": []},
        {"method": "absent", "addresses": [], "gateway": "", "dns": []},
        OURS,
    ):
        assert ask("put", settings=wanted) == {}
        assert ask("read")["settings"] == wanted
        assert lan.addresses() == wanted["addresses"]
        assert lan.ways() == (f"default via {wanted['gateway']} dev {WIRE} proto static metric 100" if wanted["gateway"] else "")


def test_where_nobody_leases_an_address_the_old_one_comes_back(plant: tuple[Wire, Ask, Callable[..., str]]) -> None:
    lan, ask, _ = plant
    told = ask("put", settings={"method": "dhcp", "addresses": [], "gateway": "", "dns": []})
    assert told["fault"][0] == "net_program_failed"
    assert ask("read")["settings"] == OURS
    assert lan.addresses() == OURS["addresses"]


def test_what_was_before_comes_back_without_a_lease_and_without_a_cable(plant: tuple[Wire, Ask, Callable[..., str]]) -> None:
    lan, ask, nmcli = plant
    leased = {"method": "dhcp", "addresses": [], "gateway": "", "dns": []}
    assert ask("put_back", settings=leased) == {}, "an undo that waited for a lease would fail for ever where nobody gives one"
    assert ask("read")["settings"] == leased
    nmcli("device", "disconnect", WIRE)
    assert lan.addresses() == []
    assert ask("put_back", settings=OURS) == {}
    assert lan.addresses() == OURS["addresses"]

    subprocess.run(["ip", "-n", lan.client, "link", "set", "far0", "down"], check=True)
    _until(lambda: lan.addresses() == [])
    moved = {**OURS, "addresses": ["10.77.1.12/24"]}
    assert ask("put_back", settings=moved) == {}
    subprocess.run(["ip", "-n", lan.client, "link", "set", "far0", "up"], check=True)
    _until(lambda: lan.addresses() == moved["addresses"])


@pytest.mark.parametrize("taken", ["none", "the other"])
def test_what_is_undone_is_undone_in_the_profile_that_was_changed(plant: tuple[Wire, Ask, Callable[..., str]], taken: str) -> None:
    """It names no interface; a profile that was left over does, which is the only one that is found while the cable is out."""
    lan, ask, nmcli = plant
    nmcli("connection", "modify", PLANT, "connection.interface-name", "")
    nmcli("connection", "up", PLANT, "ifname", WIRE)
    nmcli("connection", "add", "type", "ethernet", "con-name", "other", "ifname", WIRE, "autoconnect", "no")
    nmcli("connection", "modify", "other", "ipv4.method", "manual", "ipv4.addresses", "10.77.9.9/24")
    assert ask("read")["profile"] == PLANT
    moved = {**OURS, "addresses": ["10.77.1.12/24"]}
    assert ask("put", settings=moved, profile=PLANT) == {}
    if taken == "none":
        subprocess.run(["ip", "-n", lan.client, "link", "set", "far0", "down"], check=True)
        _until(lambda: lan.addresses() == [])
        assert ask("read")["profile"] == nmcli("-g", "connection.uuid", "connection", "show", "other").strip()
    else:
        nmcli("connection", "up", "other", "ifname", WIRE)
        assert lan.addresses() == ["10.77.9.9/24"]
    assert ask("put_back", settings=OURS, profile=PLANT) == {}
    assert nmcli("-g", "ipv4.addresses", "connection", "show", PLANT).strip() == OURS["addresses"][0]
    assert nmcli("-g", "ipv4.addresses", "connection", "show", "other").strip() == "10.77.9.9/24"
    subprocess.run(["ip", "-n", lan.client, "link", "set", "far0", "up"], check=True)
    _until(lambda: lan.addresses() == OURS["addresses"])


def _until(done: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not done():
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_what_could_not_be_put_back_is_refused(plant: tuple[Wire, Ask, Callable[..., str]]) -> None:
    lan, ask, nmcli = plant
    nmcli("connection", "modify", "plant", "ipv4.ignore-auto-dns", "yes")
    assert ask("read")["fault"] == ["net_holds_more", {"what": "ipv4.ignore-auto-dns yes"}]
    moved = {**OURS, "addresses": ["10.77.1.12/24"]}
    assert ask("put", settings=moved)["fault"][0] == "net_holds_more"
    assert lan.addresses() == OURS["addresses"]
    nmcli("connection", "modify", "plant", "ipv4.ignore-auto-dns", "no")
    nmcli("connection", "modify", "plant", "ipv4.routes", "10.9.0.0/16 10.77.1.1", "ipv4.dns-search", "plant.example")
    assert ask("put", settings=moved) == {}
    assert ask("put", settings=OURS) == {}
    kept = nmcli("-g", "ipv4.routes,ipv4.dns-search", "connection", "show", "plant").split()
    assert kept == ["10.9.0.0/16", "10.77.1.1", "plant.example"], "what is not ours to change stays"
    nmcli("connection", "clone", "plant", "second")
    nmcli("device", "disconnect", WIRE)
    assert ask("read")["fault"] == ["net_no_profile", {"name": WIRE}], "which of the two is not ours to guess"
