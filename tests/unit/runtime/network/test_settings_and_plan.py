"""Settings of an interface, read strictly, and what a change of them would do."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from runtime.network.picture import Interface, Picture, Route, interfaces_of, name_servers_of, routes_of
from runtime.network.plan import plan_of
from runtime.network.settings import NetworkError, Settings, interface_name, settings_from_text, settings_of

STATIC = {"method": "static", "address": "10.0.0.5/24", "gateway": "10.0.0.1", "dns": ""}


def refused(**wish: str) -> str:
    with pytest.raises(NetworkError) as error:
        settings_from_text(STATIC | wish)
    return error.value.code


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"address": "10.0.0.5"}, "net_address"),
        ({"address": ""}, "net_address"),
        ({"address": "10.0.0.5/33"}, "net_address"),
        ({"address": "10.0.0.5/24; reboot"}, "net_address"),
        ({"address": "10.0.0.0/24"}, "net_address_unusable"),
        ({"address": "10.0.0.255/24"}, "net_address_unusable"),
        ({"address": "224.0.0.5/24"}, "net_address_unusable"),
        ({"address": "127.0.0.5/24"}, "net_address_unusable"),
        ({"gateway": "10.0.1.1"}, "net_gateway_outside"),
        ({"gateway": "10.0.0.5"}, "net_gateway_outside"),
        ({"gateway": "10.0.0.255"}, "net_gateway"),
        ({"gateway": "way.example"}, "net_gateway"),
        ({"dns": "ns.example"}, "net_dns"),
        ({"dns": "1.1.1.1 1.0.0.1 8.8.8.8 9.9.9.9"}, "net_shape"),
        ({"method": "magic"}, "net_shape"),
        ({"dns": "x" * 201}, "net_shape"),
    ],
)
def test_what_is_refused(wish: dict[str, str], code: str) -> None:
    assert refused(**wish) == code


@pytest.mark.parametrize("name", ["lo", "", "../eth0", "-eth0", "eth0;id", "a" * 16, None, 3])
def test_names_that_are_none(name: Any) -> None:
    with pytest.raises(NetworkError):
        interface_name(name)


usable = st.integers(0x0A000001, 0x0AFFFFFE).map(ipaddress.IPv4Address)


@given(usable, st.integers(8, 30), st.lists(usable, max_size=3))
def test_what_is_accepted_is_written_and_read_back_the_same(address: ipaddress.IPv4Address, prefix: int, dns: list[Any]) -> None:
    network = ipaddress.IPv4Interface(f"{address}/{prefix}").network
    assume(address not in (network.network_address, network.broadcast_address))
    gateway = next(each for each in network.hosts() if each != address)
    found = settings_from_text(
        {"method": "static", "address": f"{address}/{prefix}", "gateway": str(gateway), "dns": " , ".join(map(str, dns))}
    )
    assert settings_of(found.plain()) == found
    assert found.dns == tuple(map(str, dns))


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=20), lambda e: st.lists(e) | st.dictionaries(st.text(), e))
)
def test_anything_else_is_a_fault_and_nothing_worse(raw: Any) -> None:
    with pytest.raises(NetworkError):
        settings_of(raw)


PICTURE = Picture(
    (
        Interface("eth0", "up", "02:00:00:00:00:01", 1500, ("10.0.0.5/24",), (), dynamic=False, carrier=True),
        Interface("eth1", "up", "02:00:00:00:00:02", 1500, ("192.168.1.7/24",), (), dynamic=True, carrier=False),
    ),
    (Route("default", "10.0.0.1", "eth0"), Route("10.0.0.0/24", "", "eth0")),
    ("10.0.0.1",),
)
NOW = Settings("static", ("10.0.0.5/24",), "10.0.0.1", ())
EVERYTHING = ("dhcp", "dns")


def planned(name: str = "eth0", before: Settings = NOW, can: tuple[str, ...] = EVERYTHING, **more: Any) -> Any:
    wish = settings_from_text(STATIC | {key: value for key, value in more.items() if key in STATIC})
    return plan_of(PICTURE, name, before, wish, can=can, **{key: value for key, value in more.items() if key not in STATIC})


def test_a_plan_says_what_differs_and_from_where_it_is_confirmed() -> None:
    plan = planned(address="10.0.0.6/24", via="10.0.0.5")
    assert plan.rows == (("address", "10.0.0.5/24", "10.0.0.6/24"),)
    assert plan.confirm_at == ("10.0.0.6",)
    assert not plan.keeps_address
    assert plan.warnings == (("net_warn_loses_you", {"address": "10.0.0.5"}),)
    assert planned(address="10.0.0.6/24", via="192.168.1.7").warnings == ()


def test_one_that_keeps_the_address_may_be_confirmed_over_any() -> None:
    plan = planned(gateway="10.0.0.2", via="10.0.0.5")
    assert plan.keeps_address
    assert plan.warnings == ()


def test_a_lease_may_be_confirmed_wherever_it_leads() -> None:
    plan = planned(method="dhcp", via="10.0.0.5")
    assert plan.confirm_at == ()
    assert not plan.keeps_address
    assert plan.rows[0] == ("method", "static", "dhcp")


def test_warnings() -> None:
    assert ("net_warn_no_way_out", {}) in planned(address="10.0.0.6/24", gateway="").warnings
    lone = planned("eth1", Settings("dhcp"), address="172.16.0.5/24", gateway="172.16.0.1", via="192.168.1.7").warnings
    assert [code for code, _ in lone] == ["net_warn_loses_you", "net_warn_two_ways", "net_warn_no_cable", "net_warn_no_dns"]
    bound = planned(address="10.0.0.6/24", page_host="10.0.0.5", lasting=False).warnings
    assert [code for code, _ in bound] == ["net_warn_page_bound", "net_warn_until_restart"]
    assert planned(address="10.0.0.6/24", page_host="0.0.0.0").warnings == ()


def test_name_servers_that_go_with_a_lease_are_missed() -> None:
    def codes(before: Settings, **more: Any) -> list[str]:
        return [code for code, _ in planned(before=before, **more).warnings]

    lease, named = Settings("dhcp"), Settings("static", ("10.0.0.5/24",), "10.0.0.1", ("10.0.0.1",))
    assert codes(lease) == codes(named) == ["net_warn_no_dns"]
    assert codes(lease, can=("dhcp",)) == codes(lease, dns="10.0.0.1") == codes(NOW, gateway="10.0.0.2") == []


def test_a_file_that_takes_the_place_of_the_machines_is_said_once() -> None:
    said = planned(before=Settings("absent"), dns="10.0.0.1", replaces_file=True).warnings
    assert said == (("net_warn_replaces_file", {"name": "eth0"}),)
    assert planned(gateway="10.0.0.2", replaces_file=True).warnings == ()
    assert planned(before=Settings("absent"), dns="10.0.0.1").warnings == ()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"address": "192.168.1.9/24", "gateway": "192.168.1.1"}, "net_overlap"),
        ({"address": "192.168.1.7/16", "gateway": "192.168.0.1"}, "net_overlap"),
        ({}, "net_nothing_changes"),
        ({"name": "eth7"}, "net_interface"),
        ({"method": "dhcp", "can": ()}, "net_cannot_dhcp"),
        ({"dns": "9.9.9.9", "can": ()}, "net_cannot_dns"),
    ],
)
def test_plans_that_are_refused(more: dict[str, Any], code: str) -> None:
    with pytest.raises(NetworkError) as error:
        planned(**more)
    assert error.value.code == code


def test_what_ip_prints_with_holes_is_no_fault() -> None:
    rows = [
        {"ifname": "lo", "flags": ["LOOPBACK"]},
        {
            "ifname": "eth0",
            "addr_info": [{"family": "inet", "local": "10.0.0.5", "prefixlen": 24, "scope": "global", "dynamic": True}, {}, 3],
        },
        {},
        7,
    ]
    (found,) = interfaces_of(rows)
    assert (found.addresses, found.dynamic, found.state) == (("10.0.0.5/24",), True, "unknown")
    assert interfaces_of("nonsense") == routes_of(None) == ()
    assert name_servers_of("# x\nnameserver 10.0.0.1\nnameserver\noptions y\nnameserver fe80::1%eth0\n") == ("10.0.0.1", "fe80::1%eth0")
