"""The verdict vectors under the Python verifier: what is frozen is found as it was, and what is made today is found the same."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.vectors.make_verdicts import FOLDER, cases, for_the_page, found

EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
SORTS = {"good", "altered", "dropped", "reordered", "back-dated", "withheld", "unanchored", "equivocated", "wrong key", "unreadable"}
SORTS |= {"later version", "content", "policy", "cannot tell"}
VERDICTS = {"good": {"holds"}, "cannot tell": {"cannot tell"}, "withheld": {"cannot tell"}, "policy": {"refused"}}


@pytest.mark.parametrize("name", EXPECTED)
def test_each_file_is_found_as_it_was(name: str) -> None:
    row = EXPECTED[name]
    data, policy = (FOLDER / "files" / row["file"]).read_bytes(), (FOLDER / "policies" / row["policy"]).read_bytes()
    assert found(data, policy) == row["python"]
    assert row["python"]["verdict"] in VERDICTS.get(row["sort"], {"fails", "cannot tell", "refused"})


def test_the_folder_is_whole_and_every_sort_is_there() -> None:
    assert len(EXPECTED) >= 150
    assert {row["sort"] for row in EXPECTED.values()} == SORTS
    assert {path.name for path in (FOLDER / "files").iterdir()} == {row["file"] for row in EXPECTED.values()}
    assert {path.name for path in (FOLDER / "policies").iterdir()} == {row["policy"] for row in EXPECTED.values()}


def test_what_is_made_today_is_found_the_same() -> None:
    made = {case.name: case for case in cases()}
    assert made.keys() == EXPECTED.keys()
    for name, case in made.items():
        row = EXPECTED[name]
        if case.data == (FOLDER / "files" / row["file"]).read_bytes() and case.policy == (FOLDER / "policies" / row["policy"]).read_bytes():
            continue  # judged above; what another zlib or a fresh ECDSA signature made otherwise is judged here
        python = found(case.data, case.policy)
        assert python == EXPECTED[name]["python"], name
        assert for_the_page(case, python) == EXPECTED[name].get("page", python), name
