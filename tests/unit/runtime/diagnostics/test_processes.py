"""A process is called by the part that it is, also those of a demo; nothing else of its command is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.diagnostics.processes import MODULES, Processes
from runtime.messages.catalogue import catalogue
from runtime.supervisor import module_command


def process(proc: Path, pid: int, parent: int, command: list[str]) -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    fields = ["S", str(parent), *["0"] * 17, str(pid), "0", "10"]
    (folder / "stat").write_text(f"{pid} (python) {' '.join(fields)}")
    (folder / "cmdline").write_bytes("\0".join(command).encode())
    (folder / "comm").write_text("python\n")


@pytest.mark.parametrize("module", MODULES)
def test_every_child_has_a_name_in_words(tmp_path: Path, module: str) -> None:
    process(tmp_path, 5, 1, ["python", "-m", "runtime", "run"])
    process(tmp_path, 6, 5, module_command(module, "serve", "--state", "/secret"))
    core, child = Processes(lambda: 100.0, 5, tmp_path).look()
    assert (core["name"], child["name"]) == ("core", MODULES[module])
    for lang in ("en", "zh"):
        assert f"diag.process.{child['name']}" in catalogue(lang)


def test_the_demos_plant_and_witness_are_named() -> None:
    assert (MODULES["boards.sim"], MODULES["anchor"]) == ("plant", "witness")
