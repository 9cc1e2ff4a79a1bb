"""What the core answers to the page of clock and network, and to the first steps."""

from __future__ import annotations

from typing import Any


def network_answers(*, is_empty: bool) -> dict[str, Any]:
    """Empty: a machine that tells little and may change nothing; full: a change of its network waits."""
    kernel = {"offset_us": -1234.5, "maxerror_us": 16_000_000, "esterror_us": 9, "is_steered": False}
    clock = {"state": "unset", "steps": 0, "wall_ms": 9_000, "boot_ms": 9_000, "zone": "", "kernel": kernel, "sources": [], "rtc_s": None}
    told: dict[str, Any] = {
        "picture": {"interfaces": [], "routes": [], "dns": []}, "fault": None, "backend": "none", "wanted": "auto", "host": "0.0.0.0",
        "confirm_within_s": 120, "change": None, "pending": None,
    }  # fmt: skip
    if is_empty:
        return {"clock": clock, "network": told}
    now_ms = 1_750_000_000_000
    sources = [
        {"service": "chrony", "server": "10.0.0.1", "heard_ms": now_ms - 90_000},
        {"service": "systemd-timesyncd", "server": "", "heard_ms": None},
    ]
    clock |= {"state": "ntp", "steps": 2, "wall_ms": now_ms, "zone": "Asia/Shanghai", "sources": sources, "rtc_s": now_ms // 1000 - 3}
    clock["kernel"] = kernel | {"maxerror_us": 1_200, "is_steered": True}
    eth0 = {
        "name": "eth0", "state": "up", "mac": "02:00:00:00:00:01", "mtu": 1500, "addresses": ["10.0.0.5/24"],
        "addresses6": ["2001:db8::5/64"], "dynamic": False, "carrier": True, "speed_mbit": 1000,
    }  # fmt: skip
    eth1 = eth0 | {"name": "eth1", "state": "down", "addresses": [], "addresses6": [], "carrier": False, "speed_mbit": None}
    routes = [{"to": "default", "via": "10.0.0.1", "interface": "eth0"}, {"to": "10.0.0.0/24", "via": "", "interface": "eth0"}]
    told["picture"] = {"interfaces": [eth0, eth1], "routes": routes, "dns": ["10.0.0.1"]}
    pending = {
        "interface": "eth0", "confirm_at": ["10.0.1.5"], "keeps_address": False, "state": "waiting", "left_s": 900,
        "by": "Ada (session 3f2a90c1)",
    }  # fmt: skip
    return {"clock": clock, "network": told | {"backend": "networkd", "pending": pending}}
