"""The privileged part as a process: its answer is read strictly, it is waited for with a limit, it refuses files that are not root's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import runtime
from runtime.network import privileged
from runtime.network.privileged import others_may_change
from runtime.network.privileged_process import run_privileged
from runtime.network.settings import NetworkError

READ = {"backend": "ip", "do": "read", "interface": "eth0"}
CRASH = "echo 'Traceback (most recent call last):' >&2; echo 'ModuleNotFoundError: no runtime' >&2; exit 1"


def asked(folder: Path, script: str, timeout_s: float = 10.0) -> NetworkError:
    """Ask a stand-in for sudo, and return why that was no answer."""
    path = folder / "sudo"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    with pytest.raises(NetworkError) as error:
        run_privileged(READ, [str(path), "-n"], timeout_s)
    return error.value


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("echo 'sudo: a password is required' >&2; exit 1", "net_not_allowed", None),
        ("echo 'Sorry, user g is not allowed to execute that' >&2; exit 1", "net_not_allowed", None),
        (CRASH, "net_privileged", "ModuleNotFoundError: no runtime"),
        (f"echo 'sudo: unable to resolve host g' >&2; {CRASH}", "net_privileged", "ModuleNotFoundError: no runtime"),
        ("cat >/dev/null; echo '{}'; echo 'sudo: late' >&2; exit 1", "net_privileged", "sudo: late"),
        ("""echo '{"fault": ["net_interface", {"name": "eth0"}]}'; exit 1""", "net_interface", None),
        ("""echo '{"fault": ["other", {}]}'; exit 1""", "net_privileged", ""),
        ("""echo '{"fault": "net_interface"}'""", "net_privileged", ""),
        ("""echo '{"fault": ["net_interface", {}], "more": 1}'""", "net_privileged", ""),
        ("echo '[]'", "net_privileged", ""),
    ],
)
def test_what_is_no_answer(tmp_path: Path, script: str, code: str, said: str | None) -> None:
    error = asked(tmp_path, script)
    assert error.code == code
    assert error.params.get("said") == said


def test_an_answer_is_one(tmp_path: Path) -> None:
    path = tmp_path / "sudo"
    path.write_text("#!/bin/sh\nexec cat\n")
    path.chmod(0o755)
    assert run_privileged(READ, [str(path)]) == READ


def test_it_is_not_waited_for_beyond_the_limit(tmp_path: Path) -> None:
    """Also when something that it started keeps its end of the pipes open."""
    error = asked(tmp_path, "sleep 60 & echo $! >&2; wait", timeout_s=0.5)
    assert (error.code, error.params) == ("net_privileged", {"said": "timeout"})


def test_it_ends_itself_at_its_deadline() -> None:
    load = f"import sys; sys.path[:] = {sys.path!r}; from runtime.network import privileged as part"
    start = f"{load}; part.DEADLINE_S = 1; sys.exit(part.main())"
    environment = {name: value for name, value in os.environ.items() if name != "SUDO_UID"}
    with subprocess.Popen([sys.executable, "-I", "-c", start], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.wait(60) == 1, "although the request never ends"
        assert process.stdout is not None
        assert json.loads(process.stdout.read()) == {"fault": ["net_privileged", {"said": "timeout"}]}


def test_files_that_others_can_change(tmp_path: Path) -> None:
    assert others_may_change([Path("/usr/bin/env"), Path("/nowhere")]) is None
    path = tmp_path / "package"
    path.mkdir()
    path.chmod(0o775)
    (path / "file").touch(mode=0o644)
    assert others_may_change([path / "file"]) in {path / "file", path}, "not root's, or in a folder that others write"


@pytest.mark.parametrize(("by", "code"), [({}, "net_shape"), ({"SUDO_UID": "1000"}, "net_not_roots")])
def test_under_sudo_it_does_nothing_from_such_files(tmp_path: Path, by: dict[str, str], code: str) -> None:
    package = tmp_path / "runtime"
    shutil.copytree(Path(privileged.__file__).parent, package / "network")
    shutil.copy(str(runtime.__file__), package)
    (package / "network").chmod(0o777)
    start = f"import runpy, sys; sys.path.insert(0, {str(tmp_path)!r}); runpy.run_module({privileged.__name__!r}, run_name='__main__')"
    environment = {name: value for name, value in os.environ.items() if name != "SUDO_UID"} | by
    done = subprocess.run([sys.executable, "-I", "-c", start], input=b"{}", capture_output=True, check=False, env=environment, timeout=60)
    assert json.loads(done.stdout)["fault"][0] == code
    assert done.returncode == 1
