"""The witness: every answer of the protocol, and the promise that no race, order or crash may break."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from anchor.cosigner import CLOCK_BACK_MAX_S, Cosigner
from anchor.store import Store
from anchor.witness import REQUEST_SIZE_MAX, Answer, parse_request
from ledger_client.errors import FormatError, KeyFaultError, StoreError
from ledger_client.keys import FileKey
from ledger_client.note import b64, check_signature, parse_note, parse_signature_line
from tests.rigs.small_log import SmallLog, key_of

NAME = "witness.example/w1"


class Rig:
    """A cosigner over a store in a folder, with a clock that the test sets; it can be killed and opened again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_s = 1_700_000_000
        self.open()

    def open(self) -> None:
        self.stack = ExitStack()
        self.store = self.stack.enter_context(Store(self.folder / "anchor.sqlite"))
        self.cosigner = Cosigner(self.store, NAME, key_of(100), lambda: self.now_s)

    def enroll(self, log: SmallLog) -> SmallLog:
        self.store.enroll(log.note_key, self.now_s)
        return log

    def time_of(self, log: SmallLog, answer: Answer) -> int:
        """Check a 200 and return its time."""
        assert answer.status == 200, answer
        line = parse_signature_line(answer.body.decode().removesuffix("\n"))
        time_s = check_signature(parse_note(log.note()).text, line, self.cosigner.note_key)
        assert time_s is not None
        return time_s


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path)
    yield made
    made.stack.close()


def test_it_cosigns_a_first_checkpoint_an_extension_and_the_same_again(rig):
    log = rig.enroll(SmallLog().grow(3))
    assert rig.time_of(log, rig.cosigner.add_checkpoint(log.request(0))) == rig.now_s
    log.grow(4)
    rig.now_s += 5
    assert rig.time_of(log, rig.cosigner.add_checkpoint(log.request(3))) == rig.now_s
    assert rig.time_of(log, rig.cosigner.add_checkpoint(log.request(7))) == rig.now_s
    stored = parse_note(rig.store.latest_note(log.origin))
    assert [s.name for s in stored.signatures] == [log.origin, NAME]


def test_every_refusal_of_the_protocol(rig):
    log = rig.enroll(SmallLog().grow(5))
    stranger = SmallLog("elsewhere.example/1").grow(5)
    impostor = SmallLog(log.origin, key_of(2)).grow(5)
    ask = rig.cosigner.add_checkpoint
    assert ask(stranger.request(0)).status == 404
    assert ask(impostor.request(0)).status == 403
    assert ask(log.request(0, 5).replace(b"old 0", b"old 6")).status == 400
    assert ask(log.request(2)) == Answer(409, b"0\n", "text/x.tlog.size")
    assert ask(log.request(0)).status == 200
    assert ask(log.request(0)) == Answer(409, b"5\n", "text/x.tlog.size")
    assert ask(log.request(2, 4)) == Answer(409, b"5\n", "text/x.tlog.size")
    fork = SmallLog().grow(4).grow(1, salt="other")
    assert ask(fork.request(5)) == Answer(409, b"5\n", "text/x.tlog.size"), "the same size, another root"
    assert ask(fork.grow(3).request(5)).status == 422, "another history"
    shortened = log.grow(3).request(5).split(b"\n", 2)
    assert ask(shortened[0] + b"\n" + shortened[2]).status == 422
    assert ask(log.request(5)).status == 200


def test_a_note_that_claims_an_enrolled_key_falsely_is_refused_even_beside_a_good_one(rig):
    log = rig.enroll(SmallLog().grow(2))
    rotated = SmallLog(log.origin, key_of(3))
    rig.store.enroll(rotated.note_key, rig.now_s)
    good = log.request(0).decode()
    id_and_junk = b64(rotated.note_key.id + bytes(64))
    assert rig.cosigner.add_checkpoint(f"{good}\N{EM DASH} {log.origin} {id_and_junk}\n".encode()).status == 403
    rotated.entries = log.entries
    assert rig.cosigner.add_checkpoint(rotated.request(0)).status == 200, "the second enrolled key of an origin counts too"


def test_a_device_with_a_p256_key_is_cosigned_too(rig):
    log = rig.enroll(SmallLog(key=FileKey(ec.derive_private_key(7, ec.SECP256R1()))).grow(3))
    assert rig.time_of(log, rig.cosigner.add_checkpoint(log.request(0))) == rig.now_s
    other = SmallLog(key=FileKey(ec.derive_private_key(8, ec.SECP256R1()))).grow(4)
    assert rig.cosigner.add_checkpoint(other.request(3)).status == 403


def test_a_full_disk_cosigns_nothing_and_forgets_nothing(rig):
    logs = [rig.enroll(SmallLog(f"witnessmark.example/{n}/1").grow(1)) for n in range(200)]
    pages = rig.store._db.execute("PRAGMA page_count").fetchone()[0]
    rig.store._db.execute(f"PRAGMA max_page_count = {pages + 2}")
    done = []
    with pytest.raises(sqlite3.Error):
        for log in logs:
            assert rig.cosigner.add_checkpoint(log.request(0)).status == 200
            done.append(log)
    assert done
    rig.store._db.execute("PRAGMA max_page_count = 100000")
    rig.stack.close()
    rig.open()
    assert [rig.store.latest(log.origin).size for log in logs] == [1] * len(done) + [0] * (200 - len(done))
    assert rig.cosigner.add_checkpoint(logs[-1].request(0)).status == 200


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b"",
        lambda b: b.replace(b"old 0", b"old 00"),
        lambda b: b.replace(b"old 0", b"old -1"),
        lambda b: b.replace(b"old 0", b"old 99999999999999999999"),
        lambda b: b.replace(b"old 0\n", b"old 0\r\n"),
        lambda b: b.replace(b"old 0\n", b"old 0\n" + b"A" * 43 + b"=\n" * 1 + b"====\n"),
        lambda b: b.replace(b"old 0\n", b"old 0\n" + (b64(bytes(32)) + "\n").encode() * 64),
        lambda b: b.replace(b"old 0\n", b"old 0\n" + (b64(bytes(31)) + "\n").encode()),
        lambda b: b.replace(b"\n\n", b"\n", 1),
        lambda b: b + b"\xff",
        lambda b: b + b"\x00",
        lambda b: b + b"x" * REQUEST_SIZE_MAX,
        lambda b: b[:-1],
    ],
)
def test_malformed_requests_answer_400(rig, change):
    log = rig.enroll(SmallLog().grow(2))
    assert rig.cosigner.add_checkpoint(change(log.request(0))).status == 400
    assert rig.store.latest(log.origin).size == 0


def test_time_never_goes_back_and_a_lost_clock_stops_it(rig):
    log = rig.enroll(SmallLog().grow(1))
    first = rig.time_of(log, rig.cosigner.add_checkpoint(log.request(0)))
    rig.now_s -= CLOCK_BACK_MAX_S
    other = rig.enroll(SmallLog("witnessmark.example/line-5/1").grow(1))
    assert rig.time_of(other, rig.cosigner.add_checkpoint(other.request(0))) == first, "one key, one line of time, whatever the log"
    rig.now_s -= 1
    log.grow(1)
    assert rig.cosigner.add_checkpoint(log.request(1)).status == 503
    assert rig.store.latest(log.origin).size == 1
    rig.now_s = first + 1
    assert rig.cosigner.add_checkpoint(log.request(1)).status == 200


def test_it_remembers_over_a_restart_and_refuses_another_key_or_file(rig, tmp_path):
    log = rig.enroll(SmallLog().grow(5))
    rig.cosigner.add_checkpoint(log.request(0))
    rig.stack.close()
    rig.open()
    assert rig.cosigner.add_checkpoint(log.copy().request(0, 3)).body == b"5\n"
    with pytest.raises(KeyFaultError, match="anchor_identity_changed"):
        Cosigner(rig.store, NAME, key_of(101), lambda: 1)
    (tmp_path / "other.sqlite").write_bytes(b"not a database, but long enough to be read as one" * 100)
    with pytest.raises(StoreError), Store(tmp_path / "other.sqlite"):
        pass


steps = st.lists(
    st.tuples(st.sampled_from(["honest", "fork", "short"]), st.integers(0, 12), st.integers(0, 12), st.booleans(), st.integers(-30, 30)),
    max_size=25,
)


@given(steps)
def test_never_two_roots_for_a_size_nor_a_smaller_size(tmp_path_factory, moves):
    """Whatever is asked, in whatever order, by two histories of one key, with restarts and a jumping clock."""
    rig = Rig(tmp_path_factory.mktemp("witness"))
    trunk = rig.enroll(SmallLog().grow(5))
    logs = {"honest": trunk.copy().grow(7), "fork": trunk.copy().grow(7, salt="other"), "short": trunk.copy()}
    cosigned: list[tuple[int, bytes, int]] = []
    for who, old, size, restart, clock_step in moves:
        log = logs[who]
        size = min(size, log.size)
        rig.now_s = max(rig.now_s + clock_step, 1)
        if restart:
            rig.stack.close()
            rig.open()
        answer = rig.cosigner.add_checkpoint(log.request(min(old, size), size))
        if answer.status == 200:
            line = parse_signature_line(answer.body.decode().removesuffix("\n"))
            time_s = check_signature(log.checkpoint(size).text, line, rig.cosigner.note_key)
            cosigned.append((size, log.checkpoint(size).root, time_s))
    rig.stack.close()
    sizes, times = [s for s, _, _ in cosigned], [t for _, _, t in cosigned]
    assert sizes == sorted(sizes)
    assert times == sorted(times)
    assert len({(s, r) for s, r, _ in cosigned}) == len(set(sizes))
    # One history only: each cosigned root is one of a single log's.
    assert any(all(log.size >= s and log.checkpoint(s).root == r for s, r, _ in cosigned) for log in logs.values())


@given(st.data())
def test_mutated_requests_never_make_it_sign_something_else(tmp_path_factory, data):
    rig = Rig(tmp_path_factory.mktemp("witness"))
    with rig.stack:  # hypothesis may leave at any draw
        log = rig.enroll(SmallLog().grow(6))
        rig.cosigner.add_checkpoint(log.request(0, 4))
        body = bytearray(log.request(4))
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, len(body) - 1))
            body[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        answer = rig.cosigner.add_checkpoint(bytes(body))
    assert answer.status in {200, 400, 403, 404, 409, 422}
    if answer.status == 200:
        parse_request(bytes(body))
        rig.time_of(log, answer)


@given(st.binary(max_size=300))
def test_junk_is_refused(junk):
    with pytest.raises(FormatError):
        parse_request(junk)
