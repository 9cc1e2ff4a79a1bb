"""Which devices wait for one another: those on one line are told, so that their dues are spread."""

from __future__ import annotations

from drivers.registry import make_driver
from drivers.shared import Shared
from runtime.acquisition.field import Field
from runtime.clock import SystemClock
from runtime.points import DevicePoints
from runtime.supervisor import Supervisor
from tests.rigs.field import KeptScans, device_toml, points_of


def test_a_device_knows_whether_others_are_on_its_line() -> None:
    clock, shared = SystemClock(), Shared()
    serial = 'transport = "rtu"\nserial_port = "/dev/ttyS9"\n'

    def with_line(name: str, line: str) -> str:
        return device_toml(name, {"g": (1000, 1)}).replace('host = "127.0.0.1"\nport = 502\n', line)

    def apply(*devices: str) -> dict[str, bool]:
        points: dict[str, DevicePoints] = points_of(*devices)
        field.apply(points, field.prepare(points))
        return {name: poller.shares_line for name, poller in field.pollers.items()}

    field = Field(KeptScans(), clock, lambda p: make_driver(p.config.type, p.name, p.config.options, clock, shared), Supervisor(clock))
    alone, gateway = device_toml("alone", {"g": (1000, 1)}), device_toml("a", {"g": (1000, 1)}, port=503)
    assert apply(alone, gateway, with_line("s", serial)) == {"alone": False, "a": False, "s": False}
    second = device_toml("b", {"g": (1000, 1)}, port=503).replace("port = 503", "port = 503\nunit_id = 2")
    assert apply(alone, gateway, second, with_line("s", serial), with_line("t", f"{serial}unit_id = 2\n")) == {
        "alone": False, "a": True, "b": True, "s": True, "t": True,
    }  # fmt: skip
    assert apply(alone, second) == {"alone": False, "b": False}
