"""What the device key refuses to sign."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ledger_client import cbor
from ledger_client.disk import RealDisk
from ledger_client.entry import ZERO_HASH, NextEntry, Payload, assemble, parse, to_be_signed
from ledger_client.errors import SignerError
from ledger_client.kinds import Kind
from ledger_client.note import check_signature, device_note_key
from ledger_client.opening import make_ledger
from ledger_client.signing import HEAD_NAME, SignerRules
from tests.rigs.shim_ledger import ORIGIN, TINY
from tests.rigs.small_log import key_of

GENESIS = Payload(Kind.GENESIS, 0, ZERO_HASH, 1, 10, 1, 2, None, (ORIGIN, 1, key_of(1).public.cose, (), None, ZERO_HASH))


def begun(state: Path) -> SignerRules:
    (state / "private").mkdir(exist_ok=True)
    if not (state / "ledger").exists():
        make_ledger(RealDisk(), state, key_of(1).public, TINY, origin=ORIGIN, epoch=1, policy_hash=ZERO_HASH)
    rules = SignerRules(key_of(1), RealDisk(), state)
    rules.begin(1)
    return rules


def sign(rules: SignerRules, payload: Payload) -> bytes:
    raw = assemble(key_of(1).public, payload.encode(), rules.entry(payload.encode()))
    assert parse(raw).verify_signature(key_of(1).public)
    return parse(raw).hash


def closing(prev: bytes, seq: int = 1) -> Payload:
    return Payload(Kind.CLOSE, seq, prev, 1, 11, 1, 2, None, ("stop",))


@pytest.mark.parametrize(
    "change",
    [
        lambda p: replace(p, seq=0),
        lambda p: replace(p, seq=2),
        lambda p: replace(p, prev=ZERO_HASH),
        lambda p: replace(p, boot=3),
        lambda p: replace(p, boot=0),
        lambda p: replace(p, mono_ms=9),
        lambda p: replace(p, kind=Kind.GENESIS, detail=GENESIS.detail),
        lambda p: replace(p, kind=Kind.ROTATE, detail=(b"key", 2, "lost", bytes(64))),
        lambda p: replace(p, kind=77),
        lambda p: replace(p, clock=9),
    ],
)
def test_only_the_next_entry_is_signed(tmp_path: Path, change: Callable[[Payload], Payload]) -> None:
    rules = begun(tmp_path)
    following = closing(sign(rules, GENESIS))
    with pytest.raises(SignerError):
        rules.entry(change(following).encode())
    sign(rules, following)
    with pytest.raises(SignerError, match="signer_not_next"):
        rules.entry(following.encode())


@pytest.mark.parametrize("detail", [("other", 1), (ORIGIN, 2)])
def test_a_genesis_is_of_this_log(tmp_path: Path, detail: tuple[str, int]) -> None:
    with pytest.raises(SignerError, match="genesis"):
        begun(tmp_path).entry(replace(GENESIS, detail=(*detail, *GENESIS.detail[2:])).encode())


def test_checkpoints_are_of_the_own_tree_and_remembered_first(tmp_path: Path) -> None:
    rules = begun(tmp_path)
    raw = assemble(key_of(1).public, GENESIS.encode(), key_of(1).sign(to_be_signed(key_of(1).public, GENESIS.encode())))
    sign(rules, GENESIS)
    root = parse(raw).leaf
    for size, wrong in ((0, root), (2, root), (1, ZERO_HASH)):
        with pytest.raises(SignerError, match="signer_checkpoint_differs"):
            rules.checkpoint(size, wrong)
    assert not (tmp_path / "private" / HEAD_NAME).exists()
    signature = rules.checkpoint(1, root)
    assert (tmp_path / "private" / HEAD_NAME).exists()
    assert signature == rules.checkpoint(1, root)
    with pytest.raises(Exception, match="note_signature_invalid"):
        check_signature("x\n", signature, device_note_key(ORIGIN, key_of(1).public))
    # The entry never got to the disk: what was signed is more than what is there.
    with pytest.raises(SignerError, match="signer_rollback"):
        begun(tmp_path)


def test_nothing_is_signed_before_it_has_begun_nor_with_another_key(tmp_path: Path) -> None:
    begun(tmp_path)
    with pytest.raises(SignerError):
        SignerRules(key_of(1), RealDisk(), tmp_path).entry(GENESIS.encode())
    with pytest.raises(SignerError, match="signer_key_differs"):
        SignerRules(key_of(2), RealDisk(), tmp_path).begin(1)
    (tmp_path / "private" / HEAD_NAME).write_bytes(b"\x00rubbish")
    with pytest.raises(SignerError, match="signer_head_damaged"):
        begun(tmp_path)


def test_no_second_epoch_takes_the_name_of_an_earlier_one(tmp_path: Path) -> None:
    """A core gone wrong could write any origin into the header of a new epoch; two trees under one name would be a fork."""
    rules = begun(tmp_path)
    sign(rules, GENESIS)
    raw = assemble(key_of(1).public, GENESIS.encode(), key_of(1).sign(to_be_signed(key_of(1).public, GENESIS.encode())))
    rules.checkpoint(1, parse(raw).leaf)
    for epoch, origin, good in ((2, ORIGIN, False), (2, "other/2", True), (3, ORIGIN, False), (3, "other/2", False), (4, "other/4", True)):
        shutil.rmtree(tmp_path / "ledger" / str(epoch), ignore_errors=True)
        make_ledger(RealDisk(), tmp_path, key_of(1).public, TINY, origin=origin, epoch=epoch, policy_hash=ZERO_HASH)
        following = SignerRules(key_of(1), RealDisk(), tmp_path)
        if not good:
            with pytest.raises(SignerError, match="origin"):
                following.begin(epoch)
            continue
        following.begin(epoch)
        genesis = replace(GENESIS, detail=(origin, epoch, *GENESIS.detail[2:]))
        raw = assemble(key_of(1).public, genesis.encode(), following.entry(genesis.encode()))
        following.checkpoint(1, parse(raw).leaf)


def test_only_a_boot_entry_opens_a_boot(tmp_path: Path) -> None:
    rules = begun(tmp_path)
    following = replace(closing(sign(rules, GENESIS)), boot=2)
    with pytest.raises(SignerError, match="boot"):
        rules.entry(following.encode())
    sign(rules, replace(following, kind=Kind.BOOT, detail=("1.0", "sim", 1, 0)))


def following(payload: Payload) -> NextEntry:
    rest = (payload.boot, payload.mono_ms, payload.wall_ms, payload.clock, payload.seen)
    return NextEntry(payload.kind, payload.seq, *rest, cbor.encode(payload.detail))


def test_what_follows_on_the_entry_signed_last_is_the_same_bytes_as_with_its_hash(tmp_path: Path) -> None:
    rules = begun(tmp_path)
    prev = sign(rules, GENESIS)
    for seq in (1, 2, 3):
        payload = closing(prev, seq)
        assert following(payload).after(prev) == payload.encode()
        assert following(payload).payload(prev, payload.detail) == payload
        signature, prev = rules.next_entry(following(payload))
        raw = assemble(key_of(1).public, payload.encode(), signature)
        assert parse(raw).verify_signature(key_of(1).public)
        assert parse(raw).hash == prev


@pytest.mark.parametrize("seq", [0, 1, 3])
def test_a_number_is_not_signed_twice_by_asking_for_what_follows(tmp_path: Path, seq: int) -> None:
    rules = begun(tmp_path)
    rules.next_entry(following(closing(sign(rules, GENESIS))))
    with pytest.raises(SignerError) as caught:
        rules.next_entry(following(closing(ZERO_HASH, seq)))
    assert caught.value.code == "signer_not_next"


def test_no_detail_reaches_behind_its_place(tmp_path: Path) -> None:
    rules = begun(tmp_path)
    sign(rules, GENESIS)
    good = following(closing(ZERO_HASH))
    for detail_raw in (b"", good.detail_raw + b"\x00", good.detail_raw[:-1], b"\x9f\x64stop\xff"):
        with pytest.raises(SignerError) as caught:
            rules.next_entry(replace(good, detail_raw=detail_raw))
        assert caught.value.code == "signer_refused"
