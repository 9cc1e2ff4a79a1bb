"""The guide for driver authors, taken at its word: its files, installed as the plug-in that it describes, pass their own tests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tidy.source import ROOT, plain_text

pytestmark = pytest.mark.integration

PAGE = ROOT / "docs" / "writing-a-driver.md"
FILE = re.compile(r"^```(?:python|toml)\n# ([\w./-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTION = re.compile(r"^```toml\n(\[devices\..*?)^```$", re.MULTILINE | re.DOTALL)


def run_python(site: Path, folder: Path, *arguments: str, expected: int = 0) -> str:
    """Run Python where the plug-in is installed, beside Witnessmark; return what it printed."""
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def plug_in(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Write the page's files into a folder and install its package into another; return (repository, site)."""
    repository, site = tmp_path_factory.mktemp("linebus"), tmp_path_factory.mktemp("site")
    for name, text in FILE.findall(plain_text(PAGE)):
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text(text, encoding="utf-8")
    offline = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    run_python(site, repository, "-m", "pip", "install", *offline, "--target", str(site), ".")
    return repository, site


def test_the_guide_holds_every_file_that_it_names() -> None:
    names = [name for name, _ in FILE.findall(plain_text(PAGE))]
    wanted = {"pyproject.toml", "linebus_witnessmark/factory.py", "linebus_witnessmark/driver.py", "tests/test_linebus.py"}
    assert wanted <= set(names)
    assert len(names) == len(set(names)) == 8


def test_its_driver_conforms(plug_in: tuple[Path, Path]) -> None:
    repository, site = plug_in
    said = run_python(site, repository, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    passed = re.search(r"^(\d+) passed in", said, re.MULTILINE)
    assert passed, said
    assert int(passed[1]) >= 34, said


def test_its_driver_is_known_by_name_and_its_options_are_judged(plug_in: tuple[Path, Path], tmp_path: Path) -> None:
    _, site = plug_in
    devices = SECTION.findall(plain_text(PAGE))
    assert len(devices) == 1
    file = tmp_path / "gateway.toml"
    file.write_text('[gateway]\nname = "g"\n' + devices[0])
    assert json.loads(run_python(site, tmp_path, "-m", "runtime", "check", str(file), "--json"))["tags"] == 2
    file.write_text(file.read_text().replace("point = 4", "point = 40000"))
    faults = json.loads(run_python(site, tmp_path, "-m", "runtime", "check", str(file), "--json", expected=1))["faults"]
    assert [fault["where"] for fault in faults] == ["devices.filler.groups.fast.tags.temperature.point"]


def test_its_code_is_as_tidy_as_ours(plug_in: tuple[Path, Path]) -> None:
    repository, site = plug_in
    for arguments in (("check", "--no-cache", "linebus_witnessmark"), ("format", "--no-cache", "--check", ".")):
        run_python(site, repository, "-m", "ruff", *arguments, "--config", str(ROOT / "pyproject.toml"))
