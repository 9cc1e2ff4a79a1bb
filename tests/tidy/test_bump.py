"""`tests/bump` says what an upgrade changed, and leaves the locks alone when it cannot make both.

Room: tests. Runs the real script on a copy of the frame, with a stand-in for uv (no network) and for `tests/run`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.tidy.source import ROOT

UV = """#!/bin/sh
for argument; do [ "$before" = --output-file ] && out=$argument; before=$argument; done
name=$(basename "$out" .lock)
[ -f "new/$name.lock" ] || { echo "no such release" >&2; exit 1; }
cp "new/$name.lock" "$out"
"""
RUN = '#!/bin/sh\necho "ran: $*"\nexit "${RESULT:-0}"\n'


def lock(*pins: str) -> str:
    """A lock as uv writes it; `name==version:ab` has files with the hashes a and b."""
    text = ""
    for pin in pins:
        release, _, files = pin.partition(":")
        text += f"{release} ; sys_platform != 'emscripten' \\\n" + " \\\n".join(f"    --hash=sha256:{each}" for each in files) + "\n"
    return text


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("tests", "requirements", "new"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / "tests" / "bump", tmp_path / "tests" / "bump")
    shutil.copy(ROOT / "requirements" / "venv.sh", tmp_path / "requirements" / "venv.sh")
    for path, text in ((tmp_path / "uv", UV), (tmp_path / "tests" / "run", RUN)):
        path.write_text(text)
        path.chmod(0o755)
    for name in ("dev", "gateway"):
        (tmp_path / "requirements" / f"{name}.lock").write_text(lock("anyio==4.1:ab", "rich==14.0:cd", "wheel==1.0:e"))
    return tmp_path


def bump(tree: Path, *arguments: str, new: dict[str, str], result: int = 0) -> subprocess.CompletedProcess[str]:
    for name, text in new.items():
        (tree / "new" / f"{name}.lock").write_text(text)
    told = {**os.environ, "UV": str(tree / "uv"), "RESULT": str(result)}
    return subprocess.run([tree / "tests" / "bump", *arguments], env=told, capture_output=True, text=True, check=False, timeout=30)


def test_it_runs_the_tests_and_says_what_changed(tree: Path) -> None:
    new = lock("anyio==4.1:axb", "rich==14.1:fg", "zope==2:h")
    done = bump(tree, "--fast", "tests/tidy", new={"dev": new, "gateway": new})
    assert (done.returncode, done.stdout) == (0, "ran: --fast tests/tidy\n"), done.stderr
    assert done.stderr.splitlines() == ["Changed pins (- before, + after):", "- rich==14.0", "- wheel==1.0", "+ rich==14.1", "+ zope==2"]
    assert (tree / "requirements" / "gateway.lock").read_text() == new


def test_nothing_new_touches_nothing(tree: Path) -> None:
    old = (tree / "requirements" / "dev.lock").read_text()
    before = (tree / "requirements" / "dev.lock").stat()
    done = bump(tree, "--lock-only", new={"dev": old, "gateway": old}, result=1)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == ["Changed pins (- before, + after):", "  none"]
    assert (tree / "requirements" / "dev.lock").stat().st_mtime_ns == before.st_mtime_ns


def test_a_release_that_lost_a_file_and_tests_that_fail_are_said(tree: Path) -> None:
    new = lock("anyio==4.1:az", "rich==14.0:cd", "wheel==1.0:e")
    done = bump(tree, new={"dev": new, "gateway": new}, result=1)
    assert done.returncode == 1
    assert "look at these releases: anyio==4.1\n" in done.stderr
    assert "The tests fail with these versions" in done.stderr


def test_without_both_locks_none_changes(tree: Path) -> None:
    old = [(tree / "requirements" / f"{name}.lock").read_text() for name in ("dev", "gateway")]
    done = bump(tree, new={"dev": lock("rich==14.1:fg")})
    assert done.returncode == 2
    assert "gateway could not be made" in done.stderr
    assert "ran:" not in done.stdout
    assert [(tree / "requirements" / f"{name}.lock").read_text() for name in ("dev", "gateway")] == old
