"""The anchor as its own process, as an operator runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger_client.anchors.tlog import TlogAnchor
from ledger_client.note import NoteKey, parse_vkey
from tests.rigs.clock import RunningClock

ROOT = Path(__file__).parents[2]


@dataclass
class AnchorProcess:
    """A running anchor: its address, its key and its process."""

    url: str
    port: int
    key: NoteKey
    process: subprocess.Popen

    def client(self, name: str = "w1", timeout_s: float = 10.0) -> TlogAnchor:
        return TlogAnchor(name, self.url, [self.key], RunningClock(), timeout_s=timeout_s)


def anchor_command(*arguments: str) -> list[str]:
    # -I would hide the tree that is tested here when it is not installed.
    return [sys.executable, "-m", "anchor", *arguments]


@contextmanager
def anchor_process(state: Path, *arguments: str, port: int = 0) -> Iterator[AnchorProcess]:
    """Serve until the block ends; then SIGTERM, and the exit must be clean unless the test killed it."""
    command = anchor_command("serve", "--state", str(state), "--port", str(port), "--json", *arguments)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        try:
            facts = json.loads(process.stdout.readline())
            yield AnchorProcess(facts["url"], facts["port"], parse_vkey(facts["vkey"]), process)
            killed = process.poll() is not None
            process.terminate()
            assert process.wait(20) == 0 or killed
        finally:
            process.kill()


def anchor_verb(*arguments: str) -> dict:
    """Run another verb with --json and return what it printed."""
    done = subprocess.run([*anchor_command(*arguments), "--json"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    return json.loads(done.stdout)
