"""The models on the disk: a folder for each manifest, named by its hash, and what must hold before one of them is used.

Room: hall, judgement. The core writes what is imported, the trainer what was learned, the judge and the replay load. It never imports
numpy and never runs a model. A model is used when its bytes have the hash that the manifest names, the manifest has the hash of its
folder's name, and either an entry of the ledger signed by the device names that manifest, or a vendor whose key the configuration lists
has signed it. Every file is hashed again at each load. All calls block.

    models/<manifest hash>/manifest.cbor   see models/manifest.py
                           model.tflite    the model's bytes
                           vendor.cose     COSE_Sign1 of a vendor, where there is one
                           entry.cbor      body of the device's entry, so that trust outlives the deletion of bodies
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol

from ledger_client.disk import Disk, read_whole, write_atomically
from ledger_client.entry import parse
from ledger_client.errors import FormatError, LedgerError
from ledger_client.event_bodies import DECISION_MAX, MODEL, TRUSTING, ModelBody, read_event
from ledger_client.heads import Heads
from ledger_client.keys import from_cose
from ledger_client.kinds import Kind
from ledger_client.vendor_signature import SIGNATURE_SIZE_MAX, check_vendor
from models.manifest import Manifest
from models.model_fault import ModelFault

MANIFEST: Final = "manifest.cbor"
TFLITE: Final = "model.tflite"
VENDOR: Final = "vendor.cose"
ENTRY: Final = "entry.cbor"
MANIFEST_SIZE_MAX: Final = 1 << 20
MODEL_SIZE_MAX: Final = 16 << 20
ENTRY_BODY_MAX: Final = 64 << 10
KEPT_MAX: Final = 256
"""Folders: a replay needs old models, and a disk has an end."""


class Ledger(Protocol):
    """The part of `ledger_client.reader.LedgerReader` that trust needs."""

    def entry(self, seq: int) -> bytes:
        """An entry's bytes."""
        ...

    def body(self, seq: int) -> bytes | None:
        """Its body, None when it is withheld."""
        ...

    def heads(self, at: int) -> Heads:
        """What was in force before an entry."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """One model as it lies there, its hashes checked, its trust not."""

    manifest: Manifest
    manifest_hash: bytes
    model: bytes
    vendor: bytes | None
    entry_body: bytes | None


class ModelStore:
    """The folder `models` under a state folder."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk, self.folder = disk, folder

    def path(self, manifest_hash: bytes) -> Path:
        """Return a model's folder."""
        return self.folder / manifest_hash.hex()

    def hashes(self) -> list[bytes]:
        """Return the manifests that there are. Raises OSError."""
        try:
            names = self._disk.names(self.folder)
        except FileNotFoundError:
            return []
        return sorted(bytes.fromhex(name) for name in names if len(name) == 64 and _is_hex(name))

    def put(self, manifest: bytes, model: bytes, vendor: bytes | None = None) -> Kept:
        """Keep a model that came from outside, and return it. Raises ModelFault for what does not fit together, OSError."""
        kept = _fitting(manifest, model, vendor, None, sha256(manifest).digest())
        if len(self.hashes()) >= KEPT_MAX:
            raise ModelFault("models_store_full", {"most": KEPT_MAX})
        folder = self.path(kept.manifest_hash)
        self._disk.mkdir(folder)
        self._disk.sync_folder(folder.parent)
        for name, data in ((TFLITE, model), (VENDOR, vendor), (MANIFEST, manifest)):  # the manifest last: with it the model is there
            if data is not None:
                write_atomically(self._disk, folder / name, data)
        return kept

    @staticmethod
    def fitting(manifest: bytes, model: bytes, vendor: bytes | None) -> Kept:
        """Return a model that is not kept yet. Raises ModelFault for what does not fit together."""
        return _fitting(manifest, model, vendor, None, sha256(manifest).digest())

    def put_entry(self, manifest_hash: bytes, body: bytes) -> None:
        """Keep the body of the entry that vouches for a manifest. Raises OSError."""
        write_atomically(self._disk, self.path(manifest_hash) / ENTRY, body)

    def load(self, manifest_hash: bytes) -> Kept:
        """Read a model and check its hashes. Raises ModelFault `model_missing`, `model_manifest_changed`, `model_changed`; OSError."""
        folder = self.path(manifest_hash)
        manifest, model = self._read(folder / MANIFEST, MANIFEST_SIZE_MAX), self._read(folder / TFLITE, MODEL_SIZE_MAX)
        if manifest is None or model is None:
            raise ModelFault("model_missing", {"manifest": manifest_hash.hex()[:12]})
        if sha256(manifest).digest() != manifest_hash:
            raise ModelFault("model_manifest_changed", {"manifest": manifest_hash.hex()[:12]})
        vendor, entry = self._read(folder / VENDOR, SIGNATURE_SIZE_MAX), self._read(folder / ENTRY, ENTRY_BODY_MAX)
        return _fitting(manifest, model, vendor, entry, manifest_hash)

    def holds(self, kept: Kept) -> bool:
        """Tell whether the files are still those that were loaded. Raises OSError."""
        folder = self.path(kept.manifest_hash)
        manifest, model = self._read(folder / MANIFEST, MANIFEST_SIZE_MAX), self._read(folder / TFLITE, MODEL_SIZE_MAX)
        same = manifest is not None and sha256(manifest).digest() == kept.manifest_hash and model == kept.model
        return same and self._read(folder / VENDOR, SIGNATURE_SIZE_MAX) == kept.vendor

    def _read(self, path: Path, size_max: int) -> bytes | None:
        try:
            return read_whole(self._disk, path, size_max + 1)
        except NotADirectoryError:
            return None


def require_trust(kept: Kept, ledger: Ledger | None, seq: int | None, trusted_keys: Iterable[bytes]) -> str:
    """Return who vouches for a model, `device` or a vendor's key id. Raises ModelFault `model_key_untrusted`, `model_not_vouched`; OSError.

    `seq` is the entry that is said to name the manifest; `ledger` the epoch that holds it; `trusted_keys` COSE_Keys of vendors.
    """
    if kept.vendor is not None:
        return check_vendor_of(kept, trusted_keys)
    if ledger is None or seq is None or not _device_names(kept, ledger, seq):
        raise ModelFault("model_not_vouched", {"manifest": kept.manifest_hash.hex()[:12]})
    return "device"


def check_vendor_of(kept: Kept, trusted_keys: Iterable[bytes]) -> str:
    """Return the key id (hex) of the vendor that signed a model. Raises ModelFault `model_key_untrusted`, `model_signature_invalid`."""
    try:
        key = check_vendor(kept.vendor or b"", kept.manifest_hash, kept.manifest.model_sha256, [from_cose(each) for each in trusted_keys])
    except FormatError as error:
        raise ModelFault(error.code, error.params) from error
    return key.kid.hex()


def _device_names(kept: Kept, ledger: Ledger, seq: int) -> bool:
    """Whether entry `seq` is signed by the device's key of then and vouches for the manifest."""
    try:
        entry = parse(ledger.entry(seq))
        if entry.payload.kind != Kind.EVENT or entry.payload.detail[0] != MODEL:
            return False
        if entry.seq != seq or not entry.verify_signature(from_cose(ledger.heads(seq).key[0])):
            return False
        body = ledger.body(seq)
        body = kept.entry_body if body is None else body
        if body is None or sha256(body).digest() != entry.payload.detail[2]:
            return False
        said = read_event(MODEL, entry.payload.detail[1], body)
    except (LedgerError, IndexError):
        return False
    return (
        isinstance(said, ModelBody)
        and said.code in TRUSTING
        and said.manifest_hash == kept.manifest_hash
        and said.model_sha256 == kept.manifest.model_sha256
    )


def _fitting(manifest: bytes, model: bytes, vendor: bytes | None, entry: bytes | None, manifest_hash: bytes) -> Kept:
    if len(manifest) > MANIFEST_SIZE_MAX or len(model) > MODEL_SIZE_MAX:
        raise ModelFault("model_too_long", {"size": max(len(manifest), len(model))})
    read = Manifest.read(manifest)
    look = read.decision.look
    if 3 + read.decision.needed + 2 * look > DECISION_MAX:  # its decision would not fit a receipt
        raise ModelFault("model_look_too_long", {"look": look})
    if sha256(model).digest() != read.model_sha256:
        raise ModelFault("model_changed", {"model": read.model_sha256.hex()[:12]})
    return Kept(read, manifest_hash, model, vendor, entry)


def _is_hex(name: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in name)
