"""What a log line of a fault shows, and what it must not."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import structlog
from runtime.cli.log import set_up_log
set_up_log(json_lines={json_lines})
def connect(token):
    raise ValueError("no such host")
try:
    connect("secret-" + str(6 * 7))
except ValueError:
    structlog.get_logger("t").exception("part_failed", part="outbox")
"""


@pytest.mark.parametrize("json_lines", [True, False])
def test_a_traceback_shows_no_values_of_variables(json_lines: bool) -> None:
    program = PROGRAM.format(json_lines=json_lines)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == ""
    assert "part_failed" in done.stderr
    assert "no such host" in done.stderr
    assert "secret-42" not in done.stderr
