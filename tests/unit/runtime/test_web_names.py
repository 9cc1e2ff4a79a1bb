"""Which of a machine's addresses is named to those who look for its page."""

from __future__ import annotations

import socket

import pytest

from runtime.web_names import most_likely, reached_at, route_addresses

DOCKER = "172.17.0.1"
LAN = "192.168.7.20"
LAN6 = "2001:db8:7::20"


@pytest.mark.parametrize(
    ("routes", "own", "families", "likely"),
    [
        ([LAN], [DOCKER, LAN], {4}, LAN),
        ([LAN, LAN6], [DOCKER, LAN, LAN6], {4, 6}, LAN),
        ([LAN6], [DOCKER, LAN6], {4, 6}, LAN6),
        ([LAN6], [DOCKER, LAN6], {4}, DOCKER),
        ([LAN, LAN6], [DOCKER, LAN, LAN6], {6}, LAN6),
        ([], ["127.0.1.1", LAN, "fe80::1"], {4, 6}, LAN),
        ([], ["127.0.1.1", "::1", "fe80::1"], {4, 6}, "127.0.0.1"),
        ([LAN], [LAN, "fe80::1"], {6}, "::1"),
    ],
)
def test_the_address_of_the_route_comes_first_and_only_those_of_the_socket_s_family(
    routes: list[str], own: list[str], families: set[int], likely: str
) -> None:
    assert most_likely(routes, own, families) == likely


def test_a_socket_of_every_ipv4_address_is_reached_at_that_of_the_route() -> None:
    routes = [each for each in route_addresses() if ":" not in each]
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as bound:
        bound.bind(("0.0.0.0", 0))
        assert ":" not in reached_at(bound)
        assert not routes or reached_at(bound) == routes[0]
