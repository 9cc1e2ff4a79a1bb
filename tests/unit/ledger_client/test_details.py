"""Detail shapes: one good example of each kind, and every place of it spoiled in turn."""

from __future__ import annotations

from hashlib import sha256

import pytest

from ledger_client.details import BODY_SIZE_MAX, EMPTY_BODY_HASH, body_commitment, check_detail
from ledger_client.errors import FormatError
from ledger_client.kinds import Kind

H, K = bytes(32), b"k" * 44
GOOD = {
    Kind.GENESIS: ["a/b/1", 1, K, [H], ["a/b/0", 5, H], H],
    Kind.BATCH: [-5, 5, 1, 2, 3, 100, H, H, 16],
    Kind.BOOT: ["1.0", "sim", 1, 17],
    Kind.CLOCK: [-1, 1, 0, 4],
    Kind.ROTATE: [K, 9, "lost", bytes(64)],
    Kind.SCHEMA: [10, H, H, 1],
    Kind.GAP: [[1, 0, 9, "timeout", 4], [None, 0, 9, "reboot", 0]],
    Kind.RECEIPTS: [10, H, [["w", 5, H, H]]],
    Kind.COMMAND: [bytes(16), 1, "done", 0, EMPTY_BODY_HASH],
    Kind.CLOSE: ["operator"],
    Kind.EVENT: ["tag:x,2026:y", 1, H, 10],
    Kind.PLAN: ["tag:x,2026:p", 1, H, 10],
    Kind.CONFIG: [2, 1, H, "ana", "faster"],
}
SPOILT = (-1, 1 << 64, 2.5, True, "x" * 5000, b"", bytes(31), [], [[1]], {}, {1: 2})
ALLOWED = {
    (Kind.GENESIS, 2, 6),
    (Kind.GENESIS, 3, 7),
    (Kind.ROTATE, 0, 6),
    (Kind.BATCH, 0, 0),
    (Kind.BATCH, 1, 0),
    (Kind.CLOCK, 0, 0),
    (Kind.CLOCK, 1, 0),
}
"""(kind, place, number of the spoilt value) that happen to be good."""


@pytest.mark.parametrize("kind", GOOD)
def test_every_place_of_every_kind_is_checked(kind: Kind) -> None:
    good = GOOD[kind]
    frozen = check_detail(kind, good)
    assert isinstance(frozen, tuple)
    assert check_detail(kind, frozen) == frozen
    for other in (good[:-1], [*good, 1], {}, None, b""):
        if not (kind == Kind.GAP and other == good[:-1]):
            with pytest.raises(FormatError):
                check_detail(kind, other)
    for place in range(len(good)):
        for number, value in enumerate(SPOILT):
            if (kind, place, number) not in ALLOWED:
                with pytest.raises(FormatError):
                    check_detail(kind, [*good[:place], value, *good[place + 1 :]])


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        (Kind.BATCH, [0, 0, 0, 0, 0, BODY_SIZE_MAX + 1, H, H, 1]),
        (Kind.BATCH, [0, 0, 0, 0, 0, 1, H, H, 2]),
        (Kind.GAP, []),
        (Kind.RECEIPTS, [10, H, []]),
        (Kind.COMMAND, [bytes(15), 1, "", 0, H]),
        (Kind.CLOCK, [0, 0, 5, 0]),
        (13, []),
        (127, [1]),
    ],
)
def test_limits_and_unknown_kinds(kind: int, detail: list[object]) -> None:
    with pytest.raises(FormatError):
        check_detail(kind, detail)


def test_kinds_from_128_on_may_be_passed_over() -> None:
    assert check_detail(128, [1, [2, ["x"]]]) == (1, (2, ("x",)))
    assert body_commitment(128, (1,)) is None


def test_bodies_are_found_by_kind() -> None:
    committed = {kind for kind in GOOD if body_commitment(kind, check_detail(kind, GOOD[kind])) is not None}
    assert committed == {Kind.BATCH, Kind.SCHEMA, Kind.RECEIPTS, Kind.COMMAND, Kind.EVENT, Kind.PLAN}
    assert body_commitment(Kind.BATCH, check_detail(Kind.BATCH, GOOD[Kind.BATCH])) == (100, H)
    assert body_commitment(Kind.EVENT, check_detail(Kind.EVENT, GOOD[Kind.EVENT])) == (10, H)
    assert sha256(b"").digest() == EMPTY_BODY_HASH
