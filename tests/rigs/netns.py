"""A gateway and a technician on a wire of their own: two network namespaces and a veth pair between them, made by the kernel.

Room: tests. Nothing of the machine's own network is touched. Where the kernel or the rights for it are missing, `missing` says what.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

CLONE_NEWNET = 0x40000000
WIRE = "eth9"
Result = TypeVar("Result")


@dataclass(frozen=True)
class Wire:
    """The namespaces' names; the gateway has WIRE in its own, at first with OLD."""

    gateway: str
    client: str

    OLD = "10.77.1.10"
    NEW = "10.77.2.10"

    @property
    def before(self) -> tuple[str, ...]:
        """What to put before a command that is to run on the gateway's side."""
        return ("ip", "netns", "exec", self.gateway)

    def addresses(self) -> list[str]:
        """The gateway's addresses on the wire."""
        out = _ip("netns", "exec", self.gateway, "ip", "-o", "-4", "addr", "show", "dev", WIRE)
        return [line.split()[3] for line in out.splitlines()]

    def ways(self) -> str:
        """The gateway's default route."""
        return _ip("netns", "exec", self.gateway, "ip", "route", "show", "default").strip()

    def at_client(self, call: Callable[[], Result], *, gateway: bool = False) -> Result:
        """Run a call whose sockets are on the technician's side (or on the gateway's), on a thread of its own."""
        found: list[Any] = []

        def run() -> None:
            handle = os.open(f"/run/netns/{self.gateway if gateway else self.client}", os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
                found.append((True, call()))
            except BaseException as error:
                found.append((False, error))
            finally:
                os.close(handle)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        done, result = found[0]
        if not done:
            raise result
        return result  # type: ignore[no-any-return]


def missing() -> str | None:
    """Return why there can be no namespaces here, None where there can."""
    name = f"wm-try-{os.getpid()}"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    if done.returncode:
        return done.stderr.decode().strip()
    try:
        made = ["ip", "-n", name, "link", "add", "a0", "type", "veth", "peer", "name", "b0"]
        done = subprocess.run(made, capture_output=True, check=False)
        return done.stderr.decode().strip() if done.returncode else None
    finally:
        _ip("netns", "del", name)


def require_wire() -> None:
    """Skip the test with the reason where there can be no namespaces; in CI fail, unless the kernel or the rights are missing."""
    why = missing()
    if why is None:
        return
    if os.environ.get("CI") and "Operation not permitted" not in why and "Unknown device" not in why:
        pytest.fail(f"network namespaces: {why}")
    pytest.skip(f"no network namespaces here: {why}")


@contextlib.contextmanager
def wire() -> Iterator[Wire]:
    """Make both sides and the wire, and take them away again."""
    found = Wire(f"wm-g-{os.getpid()}", f"wm-c-{os.getpid()}")
    try:
        for name in (found.gateway, found.client):
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("-n", found.gateway, "link", "add", WIRE, "type", "veth", "peer", "name", "far0", "netns", found.client)
        _ip("-n", found.gateway, "addr", "add", f"{Wire.OLD}/24", "brd", "+", "dev", WIRE)
        for address in ("10.77.1.1/24", "10.77.2.1/24"):
            _ip("-n", found.client, "addr", "add", address, "dev", "far0")
        _ip("-n", found.gateway, "link", "set", WIRE, "up")
        _ip("-n", found.client, "link", "set", "far0", "up")
        _ip("-n", found.gateway, "route", "add", "default", "via", "10.77.1.1")
        yield found
    finally:
        for name in (found.gateway, found.client):
            if Path(f"/run/netns/{name}").exists():
                _ip("netns", "del", name)


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], capture_output=True, check=True, text=True).stdout
