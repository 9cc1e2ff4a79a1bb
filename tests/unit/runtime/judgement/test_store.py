"""Models on the disk: used only as long as bytes, manifest and who vouches for them hold, bit by bit."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from random import Random

import pytest

from ledger_client.event_bodies import MODEL, ModelBody
from ledger_client.kinds import Kind
from ledger_client.vendor_signature import sign_as_vendor
from models.model_fault import ModelFault
from runtime.judgement.store import ENTRY, MANIFEST, TFLITE, VENDOR, Kept, ModelStore, require_trust
from tests.rigs.judged import FOLDER, JudgedLog, manifest, model_bytes
from tests.rigs.small_log import key_of
from tests.simulation.disk import ShimDisk


def store() -> ModelStore:
    disk = ShimDisk()
    disk.mkdir(FOLDER)
    return ModelStore(disk, FOLDER)


def put(kept_in: ModelStore, vendor: int | None = None) -> Kept:
    model = model_bytes()
    made = manifest(model)
    signature = None if vendor is None else sign_as_vendor(key_of(vendor), made.hash, made.model_sha256)
    kept_in.put(made.encoded(), model, signature)
    return kept_in.load(made.hash)


def vouched(kept: Kept, code: str = "learned", **changed: bytes) -> JudgedLog:
    log = JudgedLog()
    body = ModelBody("line", "checking", code, kept.manifest_hash, kept.manifest.model_sha256)
    encoded = replace(body, **changed).encode()
    log.add(Kind.EVENT, (MODEL, 1, sha256(encoded).digest(), len(encoded)), encoded)
    return log


def fault(kept: Kept, log: JudgedLog | None, seq: int | None, *trusted: int) -> str:
    try:
        require_trust(kept, log, seq, [key_of(each).public.cose for each in trusted])
    except ModelFault as refused:
        return refused.code
    return ""


@pytest.mark.parametrize("file", [TFLITE, MANIFEST])
def test_every_changed_byte_is_refused(file: str, seed: int) -> None:
    kept_in, rng = store(), Random(seed)
    kept = put(kept_in)
    path = kept_in.path(kept.manifest_hash) / file
    disk = kept_in._disk
    handle = disk.open(path)
    size = disk.size(handle)
    for _ in range(60):
        at = rng.randrange(size)
        byte = disk.pread(handle, 1, at)
        disk.pwrite(handle, bytes((byte[0] ^ 1 << rng.randrange(8),)), at)
        with pytest.raises(ModelFault) as refused:
            kept_in.load(kept.manifest_hash)
        assert refused.value.code == ("model_changed" if file == TFLITE else "model_manifest_changed"), seed
        disk.pwrite(handle, byte, at)
    assert kept_in.load(kept.manifest_hash) == kept


def test_another_whole_model_under_the_name_of_this_one_is_refused() -> None:
    kept_in = store()
    kept = put(kept_in)
    other = manifest(model_bytes(9))
    kept_in.put(other.encoded(), model_bytes(9))
    disk, folder = kept_in._disk, kept_in.path(kept.manifest_hash)
    for name in (TFLITE, MANIFEST):
        disk.replace(kept_in.path(other.hash) / name, folder / name)
    with pytest.raises(ModelFault) as refused:
        kept_in.load(kept.manifest_hash)
    assert refused.value.code == "model_manifest_changed"
    with pytest.raises(ModelFault) as gone:
        kept_in.load(other.hash)
    assert gone.value.code == "model_missing"


def test_the_device_vouches_by_its_own_signed_entry_and_by_nothing_else() -> None:
    kept = put(store())
    log = vouched(kept)
    assert fault(kept, log, 1) == ""
    assert fault(kept, log, 0) == "model_not_vouched"
    assert fault(kept, log, 7) == "model_not_vouched"
    assert fault(kept, log, None) == "model_not_vouched"
    assert fault(kept, None, 1) == "model_not_vouched"
    assert fault(kept, vouched(kept, "model_shadow"), 1) == "model_not_vouched"
    assert fault(kept, vouched(kept, "imported_signed"), 1) == "model_not_vouched"
    assert fault(kept, vouched(kept, manifest_hash=bytes(32)), 1) == "model_not_vouched"
    assert fault(kept, vouched(kept, model_sha256=bytes(32)), 1) == "model_not_vouched"
    forged = vouched(kept)
    forged.log.key = key_of(77)  # who reads it knows another key than the one that signed
    assert fault(kept, forged, 1) == "model_not_vouched"


def test_trust_outlives_the_deletion_of_bodies_through_the_copy_that_fits_the_entry() -> None:
    kept_in = store()
    kept = put(kept_in)
    log = vouched(kept)
    log.withheld.add(1)
    assert fault(kept, log, 1) == "model_not_vouched"
    kept_in.put_entry(kept.manifest_hash, log.log.bodies[1])
    assert fault(kept_in.load(kept.manifest_hash), log, 1) == ""
    other = ModelBody("line", "checking", "learned", kept.manifest_hash, kept.manifest.model_sha256, {"x": 1}).encode()
    kept_in.put_entry(kept.manifest_hash, other)
    assert fault(kept_in.load(kept.manifest_hash), log, 1) == "model_not_vouched"
    assert ENTRY in kept_in._disk.names(kept_in.path(kept.manifest_hash))


def test_a_vendors_model_needs_that_vendors_key_and_no_entry_stands_in_for_it() -> None:
    kept_in = store()
    kept = put(kept_in, 50)
    assert fault(kept, None, None, 51, 50) == ""
    assert fault(kept, None, None, 51) == "model_key_untrusted"
    assert fault(kept, None, None) == "model_key_untrusted"
    assert fault(kept, vouched(kept), 1) == "model_key_untrusted", "a key that was struck off is not trusted by way of an old entry"
    disk, path = kept_in._disk, kept_in.path(kept.manifest_hash) / VENDOR
    handle = disk.open(path)
    disk.pwrite(handle, bytes((disk.pread(handle, 1, 90)[0] ^ 4,)), 90)
    assert fault(kept_in.load(kept.manifest_hash), None, None, 50) == "model_signature_invalid"


def test_what_does_not_fit_together_is_not_kept() -> None:
    kept_in, model = store(), model_bytes()
    for made, given, code in (
        (manifest(model).encoded(), model[:-1], "model_changed"),
        (manifest(model).encoded() + b"\0", model, "manifest_invalid"),
        (b"", model, "manifest_invalid"),
        (b"\xff" * 100, model, "manifest_invalid"),
    ):
        with pytest.raises(ModelFault) as refused:
            kept_in.put(made, given)
        assert refused.value.code == code
    assert kept_in.hashes() == []


def test_names_that_are_no_hashes_are_passed_over() -> None:
    kept_in = store()
    kept = put(kept_in)
    kept_in._disk.mkdir(FOLDER / "notes")
    kept_in._disk.mkdir(FOLDER / ("Z" * 64))
    assert kept_in.hashes() == [kept.manifest_hash]
