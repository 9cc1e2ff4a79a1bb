"""Why a start failed, in words, and what a base install says of a verb that it lacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.cli.console import unreadable
from runtime.cli.until_stopped import start_fault

BARE = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"structlog", "pydantic", "starlette", "uvicorn", "tomlkit", "pymodbus", "msgspec"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from runtime.{module} import main
main()
"""


def bare(module: str, words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a base install does, which has none of the gateway's libraries."""
    return subprocess.run(
        [sys.executable, "-c", BARE.replace("{module}", module), *words.split(" ")], capture_output=True, text=True, timeout=60,
        check=False, cwd=folder, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4]), "COLUMNS": "160"},
    )  # fmt: skip


def test_what_the_system_refused_is_named_with_its_path() -> None:
    for number, code in ((20, "start_not_a_folder"), (13, "start_no_permission"), (28, "start_disk_full"), (5, "start_failed_at")):
        found, params = start_fault(OSError(number, os.strerror(number), "/x/run"))
        assert (found, params["path"]) == (code, "/x/run")
    assert start_fault(OSError("filler does not start")) == (
        "start_failed",
        {"path": "", "reason": "filler does not start", "detail": "filler does not start"},
    )


def test_a_file_that_cannot_be_read_is_named_without_numbers(tmp_path: Path) -> None:
    missing = tmp_path / "x.toml"
    with pytest.raises(OSError, match=r"x\.toml") as caught:
        missing.read_text()
    assert unreadable(tmp_path, caught.value) == {"path": str(missing), "detail": "No such file or directory"}
    missing.write_bytes(b"\xff")
    with pytest.raises(UnicodeDecodeError) as undecodable:
        missing.read_text(encoding="utf-8")
    assert unreadable(missing, undecodable.value)["detail"] == "not UTF-8"


@pytest.mark.parametrize("words", ["run", "demo --for 1", "read filler", "check x.toml", "anchor list"])
def test_a_base_install_names_the_extra(words: str, tmp_path: Path) -> None:
    done = bare("cli.app", f"{words} --json", tmp_path)
    assert done.returncode == 2, done.stderr
    said = json.loads(done.stdout)
    verb = words.split(maxsplit=1)[0]
    extra = "anchor" if verb == "anchor" else "gateway"
    assert (said["error"], said["params"]["verb"], said["params"]["extra"]) == ("extra_missing", verb, extra)
    assert "Traceback" not in done.stderr


def test_the_core_s_own_process_names_the_extra_in_words(tmp_path: Path) -> None:
    """`run` becomes it; it keeps rich from structlog, and not from whoever says that structlog is missing."""
    done = bare("core_process", f"run {tmp_path} ", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'witnessmark: "run" needs a part that is not installed (structlog). Install witnessmark[gateway].\n'


def test_the_list_of_verbs_names_the_extra_of_each_that_lacks_one(tmp_path: Path) -> None:
    rows = bare("cli.app", "--help", tmp_path).stdout.splitlines()
    lacking = [row for row in rows if "(needs witnessmark" in row]
    assert any("learned" in row for row in lacking)
    assert [row for row in lacking if "(needs witnessmark[gateway])" not in row and "(needs witnessmark[anchor])" not in row] == []
