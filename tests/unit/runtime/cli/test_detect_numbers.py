"""What the detective found is shown with all its digits: a person compares it with a display."""

from __future__ import annotations

import math
import struct

import pytest

from drivers.modbus.detective.hypotheses import Hypothesis, shapes
from drivers.modbus.detective.judgement import Candidate, Finding
from runtime.cli import detect_verb
from runtime.cli.detect_verb import number_said


def float32(value: float) -> float:
    return float(struct.unpack(">f", struct.pack(">f", value))[0])


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        (1802643.0, "uint32", "1802643"),
        (1802643, "uint32", "1802643"),
        ((1 << 63) - 1, "uint64", "9223372036854775807"),
        (18026.43, "uint32", "18026.43"),
        (2304 * 0.1, "uint16", "230.4"),
        (float32(230.4), "float32", "230.4"),
        (float32(1802643.5), "float32", "1802643.5"),
        (float32(16777216.0), "float32", "16777216"),
        (230.39999389648438, "float64", "230.399993896484"),
        (float32(1.25e-6), "float32", "0.00000125"),
        (-0.5, "float32", "-0.5"),
        (0.0, "float32", "0"),
        (1e300, "float64", "1e+300"),
        (math.inf, "float32", "inf"),
        (math.nan, "float32", "nan"),
    ],
)
def test_all_digits_and_no_more(value: float, kind: str, said: str) -> None:
    assert number_said(value, kind) == said


def test_a_counter_stands_in_the_table_as_on_its_display(capsys: pytest.CaptureFixture[str]) -> None:
    shape = next(each for each in shapes() if each.kind == "uint32")
    detect_verb._print(Finding("energy", "sure", [Candidate(Hypothesis("holding", 1, shape), 1.0, (1802643.0,), (1802643.0,), 1.0)]), "en")
    assert "1802643" in capsys.readouterr().out.splitlines()[2]
