"""A table that renames or takes out a tag which another part of the configuration names says which part, and where."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from runtime.cli.app import make_app
from runtime.commissioning.tag_tables import judged
from runtime.messages.catalogue import word
from runtime.tag_sheet.sheet import SheetError

CONFIG = """# the plant
[gateway]
name = "g"

[devices.m]
type = "modbus"
host = "h"

[[devices.m.groups]]
name = "fast"
period_ms = 1000
tags = [
  { name = "L1.U", address = "holding:0" },
  { name = "b", address = "holding:1" },
]

[[devices.m.groups]]
name = "slow"
period_ms = 60000
tags = [{ name = "c", address = "holding:2" }, { name = "d", address = "400005" }]
"""
NAMED = """
[devices.calc]
type = "virtual"
[[devices.calc.groups]]
name = "g"
period_ms = 1000
tags = [{ name = "sum", formula = "[m/b] + 1" }]

[[models.define]]
name = "line"
tags = ["m/L1.U"]

[[alarms]]
name = "high"
condition = "above"
limit = 1
text = "high"
advisory = true
tag = "m/b"
"""


def sheet_of(*lines: str) -> bytes:
    return "\r\n".join(lines).encode()


def test_who_names_a_tag_that_is_renamed_or_taken_out_is_told_with_its_line() -> None:
    text = CONFIG + NAMED
    line = {place: text[: text.index(begin)].count("\n") + 1 for place, begin in
            (("model", "[[models"), ("alarm", 'tag = "m/b"'), ("formula", 'tags = [{ name = "sum"'))}  # fmt: skip
    data = sheet_of("name,tag_uid,group,address", "U1,1,fast,holding:0", "c,3,slow,holding:2", "new,,slow,holding:9", "d,4,slow,400005")
    with pytest.raises(SheetError) as refused:
        judged(text, "m", data, {"m/L1.U": 1, "m/b": 2, "m/c": 3, "m/d": 4}, remove=True)
    assert [(fault.row, fault.column, fault.code, fault.params) for fault in refused.value.faults] == [
        (0, "alarms.high.tag", "sheet_removed_named", {"line": line["alarm"], "tag": "m/b"}),
        (0, "devices.calc.groups.g.tags.sum.formula", "sheet_removed_named", {"line": line["formula"], "tag": "m/b"}),
        (0, "models.define.line", "sheet_renamed_named", {"line": line["model"], "tag": "m/L1.U", "name": "U1"}),
    ]
    assert refused.value.faults[2].text().startswith(f"models.define.line: line {line['model']} of the configuration names m/L1.U")


def test_a_fault_elsewhere_is_not_said_to_be_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(CONFIG + NAMED)
    (tmp_path / "tags.csv").write_bytes(sheet_of("name", "c"))
    said = CliRunner().invoke(
        make_app(), ["tags", "import", "m", str(tmp_path / "tags.csv"), "--config", str(tmp_path / "c.toml"), "--dry-run"]
    )  # fmt: skip
    assert said.exit_code == 1
    assert "tags.csv: 3 tags of the device have no row" in said.output
    assert word("sheet_tags_missing", {"count": 1, "names": "b"}).startswith("1 tag of the device has no row: b. Put it back")
    assert "\nmodels.define.line: line " in said.output
