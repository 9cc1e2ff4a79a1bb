"""An exit code is a verdict: readers that leave, disks that are full and faults of our own never turn it into "a claim fails"."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rigs.evidence import EvidenceLog
from tests.tidy.source import ROOT

START = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
BROKEN = START + "import runtime.cli.evidence_verbs as verbs\nverbs.verify_file = lambda *a, **k: {}['no\\nsuch']\n"
GO = "from runtime.cli.app import main\nmain()\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, ...]:
    log = EvidenceLog().typical(3)
    (tmp_path / "part.wmseg").write_bytes(log.range(3, log.size()).encode())
    return (str(tmp_path / "part.wmseg"), "--policy", str(log.write(tmp_path / "state") / "policy.txt"))


def command(script: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-c", script, "verify", *arguments]


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_reader_that_leaves_takes_nothing_from_the_verdict(files: tuple[str, ...], more: tuple[str, ...]) -> None:
    with subprocess.Popen(command(START + GO, *files, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        said = running.stderr.read()
        assert (running.wait(60), said) == (0, b"")


def test_what_cannot_be_written_cannot_be_told(files: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command(START + GO, *files), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


def test_a_fault_of_our_own_is_one_line_and_cannot_tell(files: tuple[str, ...]) -> None:
    done = subprocess.run(command(BROKEN + GO, *files), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "KeyError" in done.stderr
    done = subprocess.run(command(BROKEN + GO, *files, "--json"), capture_output=True, text=True, timeout=60)
    assert (done.returncode, json.loads(done.stdout)["error"]) == (2, "program_fault")
    done = subprocess.run(command(BROKEN + GO, *files), capture_output=True, text=True, timeout=60, env={"WITNESSMARK_TRACEBACK": "1"})
    assert (done.returncode, "Traceback" in done.stderr) == (2, True)


def test_even_without_words_a_fault_cannot_tell(files: tuple[str, ...]) -> None:
    wordless = BROKEN + "import runtime.cli.console as console\nconsole.word = lambda *a, **k: {}['words']\n"
    done = subprocess.run(command(wordless + GO, *files), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (2, "witnessmark: KeyError\n")
