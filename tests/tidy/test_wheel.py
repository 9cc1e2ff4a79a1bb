"""The wheel: what a stranger installs holds every package whole, and nobody else owns their names.

Room: tests. Builds with the locked backend, without asking any registry.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.tidy.source import PRODUCT, ROOT

pytestmark = pytest.mark.integration


def _run(*command: str | Path) -> str:
    done = subprocess.run([str(c) for c in command], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel once."""
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-I", "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    return next(folder.glob("witnessmark-*.whl"))


def test_wheel_holds_code_data_and_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    missing = []
    for package in PRODUCT:
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and path.relative_to(ROOT).as_posix() not in names:
                missing.append(path.relative_to(ROOT).as_posix())
    assert not missing
    assert any(n.endswith("licenses/LICENSE") for n in names)
    assert not [n for n in names if n.startswith(("tests/", "benchmarks/", "docs/"))]


def test_each_package_name_has_one_owner_beside_everything_we_depend_on(wheel: Path, tmp_path: Path) -> None:
    """In a fresh environment that also sees every locked dependency, nobody else ships a `models` or a `runtime`."""
    _run(sys.executable, "-I", "-m", "venv", "--without-pip", tmp_path / "env")
    python = tmp_path / "env" / "bin" / "python"
    site = _run(python, "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    _run(sys.executable, "-I", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site, wheel)
    ask = (
        "import importlib.metadata as m, json, sys\n"
        "sys.path.append(sys.argv[1])\n"
        "print(json.dumps({k: sorted(set(v)) for k, v in m.packages_distributions().items()}))"
    )
    # Our own editable install in that second folder names no packages, so it does not count twice.
    owners = json.loads(_run(python, "-I", "-c", ask, sysconfig.get_path("purelib")))
    shared = {name: owners.get(name) for name in PRODUCT if owners.get(name) != ["witnessmark"]}
    assert not shared
    assert len(owners) > len(PRODUCT), "the check must see the dependencies too"
    assert _run(python, "-I", "-c", "import boards, runtime.version as v; print(v.VERSION, boards.__file__)").count(str(tmp_path)) == 1
