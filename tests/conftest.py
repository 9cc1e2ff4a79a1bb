"""What every test may ask for: the size of the run, its seed, and outside services.

Room: tests. pytest loads it; product code never does. `tests/run` sets the environment; plain `pytest` runs at size `fast`.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

SIZES: Final = ("fast", "run", "full")
SIZE: Final = os.environ.get("WITNESSMARK_TEST_SIZE", "fast")
SEED: Final = int(os.environ.get("WITNESSMARK_SEED") or int.from_bytes(os.urandom(4), "big"))
PACKAGE_OF: Final = {
    "sigsum-witness": "sigsum-go",
    "chromium": "chromium",
    "gcc": "gcc",
    "shellcheck": "shellcheck",
    "mosquitto": "mosquitto",
    "slapd": "slapd",
    "ldapmodify": "ldap-utils",
}
"""Command -> the Debian package that brings it."""

SLOW: Final = {
    "boards/sim/test_plant.py", "drivers/modbus/test_codec.py", "drivers/modbus/test_detective.py", "drivers/modbus/test_learning.py",
    "drivers/modbus/test_planner.py", "drivers/modbus/test_poison.py", "drivers/modbus/test_remembering.py", "drivers/modbus/test_types.py",
    "ledger_client/test_outbox_mirror.py", "ledger_client/test_verify_ledger.py", "models/test_commission.py",
    "models/test_slow_residuals.py", "runtime/alarms/test_left_over.py", "runtime/commissioning/test_desk.py",
    "runtime/diagnostics/test_bundle.py", "runtime/judgement/test_findings_over_time.py", "runtime/judgement/test_replay.py",
}  # fmt: skip
"""Of tests/unit: what computes longest. Size fast leaves it out, to stay under its 90 s."""

LONGEST: Final = (("integration", "web"), ("integration", "runtime"))
"""Folders of tests that start browsers and whole gateways."""

for _name, _examples in (("fast", 25), ("run", 300), ("full", 3000)):
    settings.register_profile(_name, max_examples=_examples, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(SIZE)


def pytest_report_header() -> str:
    """Print what replays this run."""
    return f"witnessmark: size {SIZE}, WITNESSMARK_SEED={SEED}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder, so that nobody forgets to. Those that take longest come first, or two workers wait for the third."""
    items.sort(key=_place)
    for item in items:
        parts = _parts(item)
        if parts[0] in ("integration", "simulation", "hardware"):
            item.add_marker(parts[0])
        if "/".join(parts).removeprefix("unit/") in SLOW:
            item.add_marker("slow")


def pytest_collection_finish() -> None:
    """Spare each later collection of garbage the many objects that collecting the tests made."""
    gc.freeze()


def _parts(item: pytest.Item) -> tuple[str, ...]:
    path = Path(item.path)
    here = Path(__file__).parent
    return path.relative_to(here).parts if path.is_relative_to(here) else path.parts


def _place(item: pytest.Item) -> int:
    folder = _parts(item)[:2]
    return LONGEST.index(folder) if folder in LONGEST else len(LONGEST)


@pytest.fixture(scope="session")
def test_size() -> str:
    """Return `fast`, `run` or `full`."""
    return SIZE


@pytest.fixture(scope="session")
def count() -> Callable[[int, int, int], int]:
    """Return a function that picks how often: `count(fast, run, full)`."""
    return lambda fast, run, full: (fast, run, full)[SIZES.index(SIZE)]


@pytest.fixture(scope="session")
def seed() -> int:
    """Return the seed of this run; print what you derive from it, so that a failure can be replayed."""
    return SEED


@pytest.fixture(scope="session")
def require_service() -> Callable[[str], str]:
    """Return a function that gives the path of a command, or skips the test with the reason; in CI it fails instead."""

    def require(name: str) -> str:
        # Debian has servers where a plain user's PATH does not look.
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path is not None:
            return path
        reason = f"{name} is not installed (Debian package {PACKAGE_OF.get(name, name)})"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)

    return require
