"""What a gateway that nobody owns says when it starts: how to claim it, and the code itself on a terminal only."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from runtime.accounts.claim_code import make_code
from runtime.cli.claim_notice import claim_code, claim_notice
from runtime.layout import Layout

CODE = make_code(bytes(range(13)))
PRINT = "from pathlib import Path; from runtime.cli.claim_notice import claim_notice; from runtime.layout import Layout; import sys;"
PRINT += "print(claim_notice(Layout(Path(sys.argv[1])), has_page=True))"


def test_a_log_gets_the_way_to_the_code_and_a_terminal_the_code(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert claim_notice(layout, has_page=True) is None
    layout.private.mkdir()
    layout.claim_code.write_text(CODE + "\n")
    assert claim_code(layout) == CODE
    command = [sys.executable, "-c", PRINT, str(tmp_path)]
    piped = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[4], timeout=60, check=True).stdout
    assert CODE not in piped
    assert "page, which is off" in (claim_notice(layout, has_page=False) or "")
    assert "witnessmark accounts claim-code --state" in piped
    near, far = pty.openpty()
    subprocess.run(command, stdout=far, cwd=Path(__file__).parents[4], timeout=60, check=True)
    assert CODE in os.read(near, 4_096).decode()
    os.close(near)
    os.close(far)
