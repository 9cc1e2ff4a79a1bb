"""Every script of ours for the browser can be parsed: what a page's own tests would only find where they open that page."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from playwright._impl._driver import compute_driver_executable

ROOT = Path(__file__).parents[2]
PARSE: Final = """
const vm = require("vm"), fs = require("fs");
for (const path of process.argv.slice(1)) {
  try { new vm.SourceTextModule(fs.readFileSync(path, "utf8")); } catch (fault) { console.log(`${path}: ${fault}`); }
}
"""


def faults(paths: Iterable[Path]) -> list[str]:
    """Return what the Node that comes with Playwright says of modules that do not parse. It runs none of them."""
    node, _ = compute_driver_executable()
    command = [node, "--experimental-vm-modules", "--no-warnings", "-e", PARSE, *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()


def test_every_module_parses() -> None:
    modules = sorted((ROOT / "runtime/faces/web/static").glob("*.js"))
    assert len(modules) > 30
    assert faults(modules) == []


def test_one_that_does_not_is_found(tmp_path: Path) -> None:
    bad, good = tmp_path / "bad.js", tmp_path / "good.js"
    bad.write_text("export const each = (a) => run((a);\n")
    good.write_text('import { a } from "/static/a.js";\nexport const b = await a;\n')
    (found,) = faults([bad, good])
    assert found.startswith(f"{bad}: SyntaxError")
