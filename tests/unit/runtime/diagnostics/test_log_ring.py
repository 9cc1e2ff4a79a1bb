"""The newest log lines: whatever a child writes, what is kept of it fits into an answer that a face can read."""

from __future__ import annotations

import json
from dataclasses import astuple

import pytest

from ledger_client.errors import FormatError
from runtime.diagnostics.log_ring import FIELDS_MAX, LogLine, LogRing
from runtime.faces.feed import decode_frame, encode_frame

HALF = "caf\\udce9"
"""As JSON writes the undecodable name of a file."""


def relayed(line: str) -> LogLine:
    ring = LogRing(lambda: 0)
    ring.pass_on = lambda _: None
    ring.relay("web", line)
    ((found,), missed) = ring.since(0, 10)
    assert missed == 0
    return found


@pytest.mark.parametrize(
    "line",
    [
        f'{{"event": "said {HALF}"}}',
        f'{{"event": "said", "name": "{HALF}"}}',
        f'{{"event": "said", "{HALF}": 1}}',
        f'{{"event": "said", "names": ["{HALF}"]}}',
        f'{{"event": "said", "exception": "{HALF}"}}',
        '{"event": "said", "number": 36893488147419103232}',
        json.dumps({"event": "said"} | {f"n{number}": number for number in range(1_100)}),
        "caf\udce9",
    ],
)
def test_whatever_a_child_writes_a_face_can_read_it(line: str) -> None:
    answer = list(astuple(relayed(line)))
    try:
        assert decode_frame(encode_frame(["response", 1, True, answer])[4:])[3] == answer
    except FormatError as error:
        pytest.fail(f"the face hangs up: {error}")


def test_what_was_readable_of_it_stays() -> None:
    found = relayed(f'{{"event": "said", "level": "error", "name": "{HALF} 网", "count": 3, "share": 0.5, "no": null, "big": -{1 << 64}}}')
    assert (found.level, found.code) == ("error", "said")
    assert found.params == {"name": "caf? 网", "count": 3, "share": 0.5, "no": None, "big": "-18446744073709551616"}


def test_of_very_many_fields_the_first_are_kept() -> None:
    found = relayed(json.dumps({"event": "said"} | {f"n{number}": number for number in range(1_100)}))
    assert list(found.params) == [f"n{number}" for number in range(FIELDS_MAX)]
