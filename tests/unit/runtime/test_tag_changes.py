"""What a table changes is said cell by cell, and the text keeps its form about it."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runtime.cli.app import make_app
from runtime.tags_in_text import with_groups

CONFIG = """[gateway]
name = "g"

[devices.m]
type = "modbus"
host = "h"

[[devices.m.groups]]
name = "fast"
period_ms = 1000
tags = [
  { name = "L1.U", address = "holding:0", unit = "V", scale = 0.1 },  # phase 1
  { name = "b", address = "holding:1", report = { deadband = 0.5 } },
]

[[devices.m.groups]]
name = "slow"
period_ms = 60000
tags = [{ name = "c", address = "holding:2", data = "bool", unit = "°C" }, { name = "d", address = "400005" }]
"""


def test_a_dry_run_says_which_cells_change_from_what_to_what(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(CONFIG, encoding="utf-8")
    place = ("--config", str(tmp_path / "c.toml"), "--state", str(tmp_path / "none"))
    table = tmp_path / "t.csv"
    CliRunner().invoke(make_app(), ["tags", "export", "m", str(table), "--every", *place])
    sheet = list(csv.reader(io.StringIO(table.read_bytes().decode("utf-8-sig"))))
    head, rows = sheet[0], {row[sheet[0].index("name")]: row for row in sheet[1:]}
    for name, column, cell in (
        ("L1.U", "unit", "kV"), ("L1.U", "scale", "0.001"), ("b", "report.deadband", ""), ("c", "group", "fast"),
        ("c", "period_ms", "1000"), ("d", "period_ms", "30000"), ("d", "writable", "true"),
    ):  # fmt: skip
        rows[name][head.index(column)] = cell
    with table.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows.values()])
    told = json.loads(CliRunner().invoke(make_app(), ["tags", "import", "m", str(table), "--dry-run", *place, "--json"]).stdout)
    assert told["cells"] == {
        "L1.U": {"scale": [0.1, 0.001], "unit": ["V", "kV"]}, "b": {"report.deadband": [0.5, None]}, "c": {"group": ["slow", "fast"]},
        "d": {"writable": [None, True]},
    }  # fmt: skip
    assert told["groups"] == {"slow": {"period_ms": [60000, 30000]}}
    said = CliRunner().invoke(make_app(), ["tags", "import", "m", str(table), "--dry-run", *place]).stdout
    for line in (
        "  * L1.U: scale 0.1 -> 0.001, unit V -> kV\n", "  * b: report.deadband 0.5 -> -\n", "  * c: group slow -> fast\n",
        "  * d: writable - -> true\n", "  * [slow]: period_ms 60000 -> 30000\n",
    ):  # fmt: skip
        assert line in said


@pytest.mark.parametrize("last", [" }", "}"])
def test_a_key_that_is_added_leaves_the_blanks_about_it_as_they_are(last: str) -> None:
    text = CONFIG.replace('unit = "V", scale = 0.1 }', f'unit = "V", scale = 0.1{last}')
    groups = [dict(group) for group in tomllib.loads(text)["devices"]["m"]["groups"]]
    groups[0]["tags"] = [dict(tag) for tag in groups[0]["tags"]]
    groups[0]["tags"][0] |= {"name": "U", "was": "m/L1.U", "report": {"deadband": 1.0}}
    made = with_groups(text, "m", groups, {"U": "L1.U"})
    assert f'scale = 0.1, was = "m/L1.U", report = {{ deadband = 1.0 }}{last},' in made
    del groups[0]["tags"][0]["report"], groups[0]["tags"][0]["was"], groups[0]["tags"][0]["scale"]
    assert f'unit = "V"{last},' in with_groups(text, "m", groups, {"U": "L1.U"})
