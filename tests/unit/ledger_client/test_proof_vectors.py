"""The frozen proofs and ranges: what a verifier of format 1 found in them once, every later one finds too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger_client.verify import parse_policy, verify_file
from tests.vectors.make_proofs_v1 import files, found

FOLDER = Path(__file__).parents[2] / "vectors" / "proofs_v1"
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text())


@pytest.mark.parametrize("name", EXPECTED)
def test_each_file_is_found_as_it_was(name: str) -> None:
    policy = parse_policy((FOLDER / "policy.txt").read_bytes())
    report = verify_file((FOLDER / name).read_bytes(), policy)
    assert json.loads(json.dumps(found(report))) == EXPECTED[name]


def test_the_folder_is_whole_and_what_is_written_today_is_found_the_same() -> None:
    assert {path.name for path in FOLDER.iterdir()} == EXPECTED.keys() | {"expected.json", "policy.txt"}
    policy = parse_policy((FOLDER / "policy.txt").read_bytes())
    for name, data in files().items():
        assert json.loads(json.dumps(found(verify_file(data, policy)))) == EXPECTED[name]
