"""The page's process has uvicorn's server and not its command line; whoever wants all of it still gets it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.rigs.gateway import ROOT


def told(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_page_reads_nothing_of_the_command_line() -> None:
    script = "import sys, runtime.faces.web.__main__; print(sorted({'click', 'multiprocessing', 'uvicorn.main'} & set(sys.modules)))"
    assert told(script) == "[]"


@pytest.mark.parametrize("order", ["anchor.listener, runtime.faces.web.listener", "runtime.faces.web.listener, anchor.listener"])
def test_others_get_all_of_it_in_any_order(order: str) -> None:
    checks = "import uvicorn; assert callable(uvicorn.run) and uvicorn.main; from uvicorn import Server, Config; "
    assert told(f"import {order}; {checks} from runtime.faces.web.uvicorn_alone import Server as S; print(S is Server)") == "True"


def test_one_that_is_made_otherwise_is_imported_whole() -> None:
    script = (
        "import importlib.util as u, sys, pathlib; package = pathlib.Path(u.find_spec('uvicorn').origin); "
        "text = package.read_text().replace('import Server, main, run', 'import Server, main, run, click'); "
        "import importlib.machinery as m; real = m.SourceFileLoader.get_data; "
        "m.SourceFileLoader.get_data = lambda self, path: text.encode() if path == str(package) else real(self, path); "
        "m.SourceFileLoader.get_code = lambda self, name: compile(self.get_data(self.path), self.path, 'exec'); "
        "from runtime.faces.web.uvicorn_alone import Server; import uvicorn; print(uvicorn.Server is Server)"
    )
    assert told(script) == "True"
