"""What a device says is printed as it is, also when it looks like an instruction to the terminal's colours."""

from __future__ import annotations

import pytest

from runtime.cli.gateway_verbs import _print_rows


def test_a_text_value_that_looks_like_markup(capsys: pytest.CaptureFixture[str]) -> None:
    _print_rows([{"tag": "d/t", "value": "[/red] [bold]x", "unit": "", "quality": "good", "cause": None, "params": {}}])
    assert "[/red] [bold]x" in capsys.readouterr().out
