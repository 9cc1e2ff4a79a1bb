"""What a setpoint on the command line means."""

from __future__ import annotations

import pytest

from runtime.cli.act_verbs import parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [("100", 100), ("1e2", 100.0), ("-0.5", -0.5), ("true", True), ("on", "on"), ('"5"', "5"), ("[1]", "[1]"), ("null", "null"), ("", "")],
)
def test_numbers_and_truth_are_told_from_text(text: str, value: object) -> None:
    found = parse_value(text)
    assert (found, type(found)) == (value, type(value))
