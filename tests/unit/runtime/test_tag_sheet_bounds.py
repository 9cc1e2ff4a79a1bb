"""Tables of tags with more wrong in them than anybody reads: judged soon, and as many faults are gathered as are told."""

from __future__ import annotations

import pytest

from runtime.tag_sheet.sheet import FAULTS_MAX, SheetError, read_sheet


@pytest.mark.parametrize(
    ("header", "row", "codes"),
    [
        (",".join(f"c{n}" for n in range(100_000)), "1", {"sheet_column_unknown"}),
        ("name," * 100_000, "x", {"sheet_column_twice"}),
        ("address", "a" + ",1" * 100_000, {"sheet_cell_beyond"}),
    ],
)
def test_as_many_faults_are_gathered_of_a_table_as_are_told(header: str, row: str, codes: set[str]) -> None:
    """In a time that grows with the table: 40,000 columns took 17 s, and each doubling four times as long."""
    sheet = read_sheet(f"name,{header}\r\nx,{row}\r\n".encode(), ["name", "address"], "name")
    assert {fault.code for fault in sheet.faults} == codes
    assert len(sheet.faults) == FAULTS_MAX
    assert [found["name"] for _, found in sheet.rows] == ["x"]


def test_a_table_of_very_many_columns_without_the_one_that_is_needed_says_so_soon() -> None:
    with pytest.raises(SheetError, match="name"):
        read_sheet(",".join(f"c{n}" for n in range(200_000)).encode(), ["name", "address"], "name")
