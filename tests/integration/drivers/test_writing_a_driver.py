"""The guide for driver authors, taken at its word: its files, installed as the plug-in that it describes, pass their own tests."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.rigs.gateway import ALONE, Gateway, until
from tests.tidy.source import ROOT, plain_text

pytestmark = pytest.mark.integration

PAGE = ROOT / "docs" / "writing-a-driver.md"
FILE = re.compile(r"^```(?:python|toml)\n# ([\w./-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECTION = re.compile(r"^```toml\n(\[gateway\]\n.*?)^```$", re.MULTILINE | re.DOTALL)


def environment_of(site: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}


def run_python(site: Path, folder: Path, *arguments: str, expected: int = 0) -> str:
    """Run Python where the plug-in is installed, beside Witnessmark; return what it printed."""
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment_of(site), capture_output=True, text=True, timeout=120)
    assert done.returncode == expected, done.stdout + done.stderr
    return done.stdout


def install(repository: Path, site: Path) -> None:
    """Install a package into a folder, without asking any registry."""
    offline = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    run_python(site, repository, "-m", "pip", "install", *offline, "--target", str(site), ".")


def environment_with(site: Path, folder: Path) -> Path:
    """Make a virtual environment that has all that this one has, and the plug-in: the gateway runs isolated and heeds no PYTHONPATH."""
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", str(folder)], check=True, timeout=60)
    places = (site, ROOT, sysconfig.get_path("purelib"))
    found = next(folder.glob("lib/python*/site-packages"))
    (found / "plug-in.pth").write_text("".join(f"{place}\n" for place in places))
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def plug_in(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Write the page's files into a folder and install its package into another; return (repository, site)."""
    repository, site = tmp_path_factory.mktemp("linebus"), tmp_path_factory.mktemp("site")
    for name, text in FILE.findall(plain_text(PAGE)):
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text(text, encoding="utf-8")
    install(repository, site)
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
    assert int(passed[1]) >= 37, said


def test_its_driver_is_known_by_name_and_its_options_are_judged(plug_in: tuple[Path, Path], tmp_path: Path) -> None:
    _, site = plug_in
    sections = SECTION.findall(plain_text(PAGE))
    assert len(sections) == 1
    file = tmp_path / "gateway.toml"
    file.write_text(sections[0])
    assert json.loads(run_python(site, tmp_path, "-m", "runtime", "check", str(file), "--json"))["tags"] == 2
    file.write_text(file.read_text().replace("point = 4", "point = 40000"))
    faults = json.loads(run_python(site, tmp_path, "-m", "runtime", "check", str(file), "--json", expected=1))["faults"]
    assert [fault["where"] for fault in faults] == ["devices.filler.groups.fast.tags.temperature.point"]


def test_its_code_is_as_tidy_as_ours(plug_in: tuple[Path, Path]) -> None:
    repository, site = plug_in
    for arguments in (("check", "--no-cache", "linebus_witnessmark"), ("format", "--no-cache", "--check", ".")):
        run_python(site, repository, "-m", "ruff", *arguments, "--config", str(ROOT / "pyproject.toml"))


@pytest.fixture(scope="module")
def second_plug_in(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A driver that was written with the guide at hand: another protocol, in binary frames, that pushes as well."""
    repository, site = tmp_path_factory.mktemp("repository") / "tickwire", tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "tests" / "rigs" / "tickwire", repository)
    install(repository, site)
    return repository, site


def test_a_driver_of_another_protocol_written_from_the_guide_conforms(second_plug_in: tuple[Path, Path]) -> None:
    repository, site = second_plug_in
    said = run_python(site, repository, "-m", "pytest", "-q", "-p", "no:cacheprovider", "check_tickwire.py")
    assert re.search(r"^19 passed in", said, re.MULTILINE), said


def test_a_gateway_polls_and_is_pushed_to_through_a_plug_in(second_plug_in: tuple[Path, Path], tmp_path: Path) -> None:
    repository, site = second_plug_in
    config = tmp_path / "gateway.toml"

    async def run() -> None:
        terminal = await asyncio.create_subprocess_exec(
            sys.executable, "terminal.py", cwd=repository, env=environment_of(site), stdout=asyncio.subprocess.PIPE
        )  # fmt: skip
        python = environment_with(site, tmp_path / "env")
        gateway = Gateway(tmp_path / "state", config, before=("sh", "-c", f'shift; exec {python} "$@"', "sh"))
        try:
            async with asyncio.timeout(60):
                assert terminal.stdout is not None
                config.write_text(ALONE + TICKWIRE.format(port=int(await terminal.stdout.readline())))
                await gateway.start()
                async with gateway.watching() as face:
                    await until(lambda: len(face.values) == 3 and all(row[5] == "recorded" for row in face.values.values()))
                    found = {face.tags[uid][1]: row[1:5] for uid, row in face.values.items()}
                    assert {name: (value, status, source) for name, (value, status, _, source) in found.items()} == {
                        "scale/net": (21.5, 0, 1_700_000_000_000),
                        "scale/count": (7, 0, 1_700_000_000_001),
                        "scale/alarm": (True, 0, 1_700_000_000_002),
                    }
                    terminal.kill()
                    await until(lambda: all(row[2] >> 31 for row in face.values.values()))
        finally:
            await gateway.stop()
            with contextlib.suppress(ProcessLookupError):
                terminal.kill()
            await terminal.wait()

    asyncio.run(run())


TICKWIRE = """[gateway]
name = "g"
[evidence]
seal_every_s = 1
[devices.scale]
type = "tickwire"
host = "127.0.0.1"
port = {port}
[[devices.scale.groups]]
name = "polled"
period_ms = 200
tags = [{{ name = "net", channel = 0, unit = "kg" }}, {{ name = "count", channel = 1, kind = "counter" }}]
[[devices.scale.groups]]
name = "pushed"
period_ms = 200
mode = "subscribe"
tags = [{{ name = "alarm", channel = 2, kind = "alarm" }}]
"""
