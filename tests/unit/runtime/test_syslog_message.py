"""Messages for a log server: whatever was typed, one message with the fields that it has, read back by a reader of RFC 5424."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.syslog.message import SIZE_MAX, frame, message

FIELDS = rb'((?: [\w.-]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*)'
SHAPE = re.compile(rb"<(\d{1,3})>1 (\S+) (\S+) (\S+) (\S+) (\S+) \[witnessmark@32473" + FIELDS + rb"\] \xef\xbb\xbf(.*)", re.DOTALL)
PAIR = re.compile(r' ([\w.-]+)="((?:[^"\\\]]|\\["\\\]])*)"')
ANYTHING = st.text(max_size=300)


def read(raw: bytes) -> tuple[int, dict[str, str], str]:
    found = SHAPE.fullmatch(raw)
    assert found is not None, raw
    pairs = {name: re.sub(r"\\(.)", r"\1", value) for name, value in PAIR.findall(found[7].decode())}
    return int(found[1]), pairs, found[8].decode()


def made(fields: dict[str, str | int], text: str, *, wall_ms: int | None = 1_790_000_000_123, host: str = "press") -> bytes:
    return message(facility=13, severity=5, wall_ms=wall_ms, host=host, process=7, kind="act", fields=fields, text=text)


@settings(max_examples=300, deadline=None)
@given(reason=ANYTHING, target=ANYTHING, text=ANYTHING, host=ANYTHING)
def test_whatever_is_typed_is_data_of_one_message(reason: str, target: str, text: str, host: str) -> None:
    raw = made({"reason": reason, "target": target, "seq": 5}, text, host=host)
    priority, fields, said = read(raw)
    assert priority == 109
    assert fields["seq"] == "5"
    assert fields["reason"] == "".join(char if char.isprintable() else " " for char in reason[:256])
    assert not re.search(r"[\x00-\x1f\x7f\u202e\u2028]", said + "".join(fields.values()))
    assert frame(raw) == str(len(raw)).encode() + b" " + raw
    assert len(raw) <= SIZE_MAX


def test_the_longest_message_still_ends_in_a_whole_character_and_an_unset_clock_claims_no_time() -> None:
    raw = made(dict.fromkeys("abcdefgh", "龍" * 300), "龍" * 2_000)
    assert len(raw) <= SIZE_MAX
    assert raw.decode().endswith("龍")
    assert made({}, "x", wall_ms=None).startswith(b"<109>1 - press witnessmark 7 act ")
    assert made({}, "x").startswith(b"<109>1 2026-09-21T14:13:20.123Z press ")
