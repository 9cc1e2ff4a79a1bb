"""What `read` says to whoever writes a tag behind its device."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from runtime.cli.app import make_app


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("voltage_l1", "witnessmark read meter/voltage_l1`."),
        ("holding:100", "Name a register and --all"),
        ("100", "Name a register and --all"),
    ],
)
def test_a_tag_behind_its_device_is_told_how_to_read_it(address: str, meant: str) -> None:
    done = CliRunner().invoke(make_app(), ["read", "meter", address])
    assert done.exit_code == 2
    assert meant in done.output.replace("\n", " ")
