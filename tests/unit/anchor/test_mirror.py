"""The mirror: it holds what the cosigned tree holds, nothing else, and gives it back as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchor.cosigner import Cosigner
from anchor.mirror import Mirror
from anchor.store import RECENT_MAX, Store
from ledger_client import cbor
from ledger_client.anchors.package import ENTRIES_MAX, Package, parse_held, parse_package
from ledger_client.errors import FormatError
from ledger_client.merkle import leaf_hash, root_of
from tests.rigs.small_log import SmallLog, key_of


def package(log: SmallLog, start: int, end: int, size: int, *, with_bodies: bool = True) -> Package:
    entries = tuple((log.entries[i], log.bodies[i] if with_bodies else None) for i in range(start, end))
    return Package(start, size, entries, tuple(log.prover(size)(end)))


@pytest.fixture
def rig(tmp_path):
    with Store(tmp_path / "anchor.sqlite") as store:
        cosigner = Cosigner(store, "witness.example/w1", key_of(100), lambda: 1_700_000_000)
        log = SmallLog().grow(10)
        store.enroll(log.note_key, 1)
        assert cosigner.add_checkpoint(log.request(0)).status == 200
        yield store, cosigner, log


def info(size: int, wanted: int) -> bytes:
    return f"{size}\n{wanted}\n\n".encode()


def test_entries_are_held_only_as_part_of_the_cosigned_tree(rig):
    store, cosigner, log = rig
    mirror = Mirror(store)
    assert mirror.add_entries("elsewhere.example/1", b"").status == 404
    first = mirror.add_entries(log.origin, package(log, 0, 4, 10).encode())
    assert (first.status, first.body) == (202, info(10, 4))
    again = mirror.add_entries(log.origin, package(log, 0, 4, 10).encode())
    assert (again.status, again.body) == (409, info(10, 4))
    other = log.copy()
    other.entries, other.bodies = other.entries[:4], other.bodies[:4]
    other.grow(6, salt="other")
    forged = Package(4, 10, package(other, 4, 10, 10).entries, ())
    assert mirror.add_entries(log.origin, forged.encode()).status == 422
    last = mirror.add_entries(log.origin, package(log, 4, 10, 10, with_bodies=False).encode())
    assert (last.status, last.body) == (200, info(10, 10))
    log.grow(3)
    assert mirror.add_entries(log.origin, package(log, 10, 13, 13).encode()).body == info(10, 10), "not cosigned yet"
    assert cosigner.add_checkpoint(log.request(10)).status == 200
    assert mirror.add_entries(log.origin, package(log, 10, 13, 13).encode()).status == 200

    start, held = parse_held(mirror.read(log.origin, 0, 999).body, 1 << 20)
    assert start == 0
    assert [entry for entry, _ in held] == log.entries
    assert [body for _, body in held] == [*log.bodies[:4], *[None] * 6, *log.bodies[10:]]
    assert root_of([leaf_hash(entry) for entry, _ in held]) == store.latest(log.origin).root
    assert mirror.read("elsewhere.example/1", 0, 1).status == 404


def test_an_upload_may_prove_against_one_of_the_last_checkpoints(rig):
    store, cosigner, log = rig
    mirror = Mirror(store)
    for _ in range(RECENT_MAX - 1):
        assert cosigner.add_checkpoint(log.grow(1).request(log.size - 1)).status == 200
    assert mirror.add_entries(log.origin, package(log, 0, 5, 10).encode()).status == 202
    assert cosigner.add_checkpoint(log.grow(1).request(log.size - 1)).status == 200
    late = mirror.add_entries(log.origin, package(log, 5, 10, 10).encode())
    assert (late.status, late.body) == (409, info(log.size, 5))
    assert mirror.add_entries(log.origin, package(log, 5, log.size, log.size).encode()).status == 200


def test_bodies_that_were_kept_back_may_come_later_and_never_go(rig):
    store, _, log = rig
    mirror = Mirror(store)

    def bodies() -> list[bytes | None]:
        return [body for _, body in parse_held(mirror.read(log.origin, 0, 99).body, 1 << 20)[1]]

    assert mirror.add_entries(log.origin, package(log, 0, 5, 10, with_bodies=False).encode()).status == 202
    other = log.copy()
    other.entries, other.bodies = [], []
    other.grow(10, salt="other")
    foreign = Package(0, 10, package(other, 0, 5, 10).entries, package(log, 0, 5, 10).path)
    assert mirror.add_entries(log.origin, foreign.encode()).status == 409
    assert bodies() == [None] * 5
    for start, end, wanted in ((0, 3, 5), (2, 8, 8)):  # the second one lies across the end of what is held
        late = mirror.add_entries(log.origin, package(log, start, end, 10).encode())
        assert (late.status, late.body) == (202, info(10, wanted))
    forged = Package(5, 10, (*package(log, 5, 8, 10, with_bodies=False).entries, *package(other, 8, 10, 10).entries), ())
    assert mirror.add_entries(log.origin, forged.encode()).status == 409, "it brings no body"
    assert mirror.add_entries(log.origin, package(log, 0, 8, 10, with_bodies=False).encode()).status == 409
    assert bodies() == log.bodies[:8]
    assert store.held(log.origin)[1] == sum(map(len, log.entries[:8])) + sum(map(len, log.bodies[:8]))


def test_an_origin_cannot_fill_the_disk(rig):
    store, _, log = rig
    mirror = Mirror(store, held_bytes_max=len(log.entries[0]) * 4)
    assert mirror.add_entries(log.origin, package(log, 0, 3, 10).encode()).status == 202
    assert mirror.add_entries(log.origin, package(log, 3, 6, 10).encode()).status == 507
    assert len(parse_held(mirror.read(log.origin, 0, 99).body, 1 << 20)[1]) == 3


def test_a_package_is_read_strictly():
    log = SmallLog().grow(4)
    good = package(log, 1, 3, 4)
    assert parse_package(good.encode()) == good
    entries = good.entries
    for broken in (
        Package(0, 4, entries, good.path),
        Package(1, 2, entries, good.path),
        Package(1, 4, (), good.path),
        Package(1, 4, ((entries[0][0], b"another body"), entries[1]), good.path),
        Package(1, 4, ((b"junk", None),), good.path),
        Package(1, 4, entries, (b"short",)),
        Package(1, 4, entries, (bytes(32),) * 64),
        Package(0, 1000, entries * ENTRIES_MAX, ()),
    ):
        with pytest.raises(FormatError):
            parse_package(broken.encode())
    for row in ([2, 1, 4, list(entries), []], [1, 1, 4, list(entries)], [1, -1, 4, list(entries), []], {}, [1, 1, 4, [list(entries)], []]):
        with pytest.raises(FormatError):
            parse_package(cbor.encode(row))


@given(st.data())
def test_mutated_packages_never_change_what_is_held(tmp_path_factory, data):
    log = SmallLog().grow(6)
    with Store(tmp_path_factory.mktemp("mirror") / "anchor.sqlite") as store:
        cosigner = Cosigner(store, "witness.example/w1", key_of(100), lambda: 1)
        store.enroll(log.note_key, 1)
        cosigner.add_checkpoint(log.request(0))
        body = bytearray(package(log, 0, 3, 6).encode())
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        mirror = Mirror(store)
        answer = mirror.add_entries(log.origin, bytes(body))
        held = parse_held(mirror.read(log.origin, 0, 9).body, 1 << 20)[1]
    assert answer.status in {202, 400, 409, 422}
    assert [entry for entry, _ in held] == (log.entries[:3] if answer.status == 202 else [])
