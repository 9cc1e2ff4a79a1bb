"""Where this machine has connections, as its kernel tells: of real sockets, in both kinds of addresses."""

from __future__ import annotations

import socket

import pytest

from runtime.diagnostics.connected import is_connected


@pytest.mark.parametrize(
    ("family", "bound", "reached", "asked"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET6, "::1", "::1", "::1"),
        (socket.AF_INET6, "::ffff:127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_connection_is_seen_while_there_is_one(family: socket.AddressFamily, bound: str, reached: str, asked: str) -> None:
    with socket.socket(family) as server, socket.socket(family) as other, socket.socket(family) as client:
        try:
            server.bind((bound, 0))
            other.bind((bound, 0))
        except OSError:
            pytest.skip(f"no {bound} here")
        server.listen()
        other.listen()
        port = server.getsockname()[1]
        assert not is_connected([asked], port), "somebody listens, nobody is connected"
        client.connect((reached, port))
        assert is_connected(["192.0.2.1", asked], port)
        assert not is_connected(["192.0.2.1", "2001:db8::1"], port)
        assert not is_connected([asked], other.getsockname()[1]), "that port is ours, and nobody came to it"
    assert not is_connected([asked], port)
