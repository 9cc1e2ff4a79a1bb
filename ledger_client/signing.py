"""What the device key may sign: the one next entry of this ledger, and checkpoints of exactly that chain. Nothing else, ever.

Room: ground. The signer process (signer.py) runs these rules with the key; the simulation runs them in-process through
`SignerCore`. They believe no one: the head comes from the segment files, the root from their own tree, and the newest signed
checkpoint from `private/signer.head`, which is durable before its signature leaves. Source: house rules of the key, and
docs/ledger-format.md sections 3 and 6.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ledger_client import cbor
from ledger_client.checkpoint import Checkpoint
from ledger_client.details import is_hash, is_uint
from ledger_client.disk import Disk, read_whole, write_atomically
from ledger_client.entry import NextEntry, Payload, assemble, parse_payload, to_be_signed
from ledger_client.errors import FormatError, LedgerError, SignerError
from ledger_client.keys import PrivateKey, PublicKey
from ledger_client.kinds import Kind
from ledger_client.merkle import Frontier, leaf_hash
from ledger_client.note import NoteSignature, device_note_key, sign_note
from ledger_client.reader import LedgerReader, ledger_folder
from ledger_client.recovery import Scanned, read_newest

HEAD_NAME = "signer.head"
HEAD_SIZE_MAX = 64 << 10


@dataclass(frozen=True, slots=True)
class SignedHead:
    """The newest checkpoint that this key has signed, and the origins of the epochs before: none of them is signed for again."""

    epoch: int
    size: int
    root: bytes
    origin: str
    past: tuple[str, ...] = ()


class SignerRules:
    """The rules, without any process around them. Blocking; raises SignerError for a request that must not be signed."""

    def __init__(self, key: PrivateKey, disk: Disk, state: Path) -> None:
        self._key = key
        self._disk = disk
        self._state = state
        self._epoch = -1
        self._origin = ""
        self._tree = Frontier()
        self._head_hash = b""
        self._boot = 0
        self._mono_ms = 0
        self._signed: SignedHead | None = None
        self._past: tuple[str, ...] = ()

    @property
    def public(self) -> PublicKey:
        """The key that verifies."""
        return self._key.public

    def begin(self, epoch: int) -> tuple[int, bytes]:
        """Read the durable head of an epoch's ledger; return its size and the hash of its last entry.

        Raises SignerError: `signer_rollback` when the disk holds less than, or something else than, what was signed before;
        `signer_ledger_damaged`, `signer_key_differs`, `signer_head_damaged`.
        """
        self._epoch = -1
        try:
            seen = read_newest(self._disk, ledger_folder(self._state, epoch))
            if seen.fault is not None:
                raise SignerError("signer_ledger_damaged", reason=seen.fault.code)
            if seen.heads.key[0] != self.public.cose:
                raise SignerError("signer_key_differs", kid=self.public.kid.hex())
            signed = self._read_head()
            self._check_against(signed, epoch, seen)
        except SignerError:
            raise
        except LedgerError as error:
            raise SignerError("signer_ledger_damaged", reason=error.code) from error
        except OSError as error:
            raise SignerError("signer_disk_error", errno=error.errno or 0) from error
        self._signed = signed if signed is not None and signed.epoch == epoch else None
        self._past = () if signed is None else signed.past if signed.epoch == epoch else (*signed.past, signed.origin)
        self._origin, self._tree, self._head_hash = seen.heads.origin, seen.tree, seen.head_hash
        self._boot, self._mono_ms = seen.heads.boot, seen.heads.last_mono_ms
        self._epoch = epoch
        return seen.size, seen.head_hash

    def entry(self, payload_raw: bytes) -> bytes:
        """Sign the next entry; return the 64-byte signature. Raises SignerError when it is not the next entry."""
        try:
            payload = parse_payload(payload_raw)
            self._check_next(payload)
            signature = self._key.sign(to_be_signed(self.public, payload_raw))
            raw = assemble(self.public, payload_raw, signature)
        except FormatError as error:
            raise SignerError("signer_refused", reason=error.code) from error
        self._tree.append(leaf_hash(raw))
        self._head_hash = sha256(raw).digest()
        self._boot, self._mono_ms = payload.boot, payload.mono_ms
        return signature

    def next_entry(self, fields: NextEntry) -> tuple[bytes, bytes]:
        """Sign the entry of these fields behind the one signed last; return its signature and its hash. Raises SignerError as `entry`.

        By the hash the caller can tell that both mean the same bytes.
        """
        return self.entry(fields.after(self._head_hash)), self._head_hash

    def checkpoint(self, size: int, root: bytes) -> NoteSignature:
        """Sign a checkpoint of the chain as it stands. Raises SignerError for any other size or root, or when it cannot be remembered."""
        if self._epoch < 0 or size < 1 or size != self._tree.size or root != self._tree.root():
            raise SignerError("signer_checkpoint_differs", size=size, own_size=self._tree.size)
        head = SignedHead(self._epoch, size, root, self._origin, self._past)
        if self._signed is not None and (self._signed.size > size or (self._signed.size == size and self._signed.root != root)):
            raise SignerError("signer_rollback", size=size, signed_size=self._signed.size)
        text = Checkpoint(self._origin, size, root).text
        if head != self._signed:
            data = cbor.encode([1, head.epoch, head.size, head.root, head.origin, head.past])
            try:
                write_atomically(self._disk, self._state / "private" / HEAD_NAME, data)
            except OSError as error:
                raise SignerError("signer_disk_error", errno=error.errno or 0) from error
            self._signed = head
        return sign_note(text, device_note_key(self._origin, self.public), self._key.sign)

    def _check_next(self, payload: Payload) -> None:
        if self._epoch < 0 or payload.seq != self._tree.size or payload.prev != self._head_hash:
            raise SignerError("signer_not_next", seq=payload.seq, own_size=self._tree.size)
        if self._signed is not None and payload.seq < self._signed.size:
            raise SignerError("signer_rollback", size=payload.seq, signed_size=self._signed.size)
        if payload.kind == Kind.ROTATE:
            raise SignerError("signer_refused", reason="rotate")
        if (payload.kind == Kind.GENESIS) != (payload.seq == 0):
            raise SignerError("signer_refused", reason="genesis")
        if payload.kind == Kind.GENESIS:
            origin, epoch, cose_key = payload.detail[:3]
            if origin != self._origin or epoch != self._epoch or cose_key != self.public.cose:
                raise SignerError("signer_refused", reason="genesis")
        same_boot = payload.boot == self._boot
        if not same_boot and payload.boot != self._boot + 1:
            raise SignerError("signer_refused", reason="boot")
        if not same_boot and payload.kind not in {Kind.BOOT, Kind.GENESIS}:
            raise SignerError("signer_refused", reason="boot")
        if same_boot and payload.mono_ms < self._mono_ms:
            raise SignerError("signer_refused", reason="mono")

    def _check_against(self, signed: SignedHead | None, epoch: int, seen: Scanned) -> None:
        """Refuse a ledger that is older than, or another than, what was signed before."""
        if signed is None:
            return
        # A second epoch under the name of the first would let one log have two trees.
        origin = seen.heads.origin
        if signed.epoch <= epoch and (origin in signed.past or (origin == signed.origin) != (signed.epoch == epoch)):
            raise SignerError("signer_ledger_damaged", reason="origin")
        if signed.epoch < epoch:
            return
        if signed.epoch > epoch or signed.size > seen.size:
            raise SignerError("signer_rollback", size=seen.size, signed_size=signed.size)
        if signed.size >= seen.header.first_seq:
            tree = seen.header.tree
            for leaf in seen.leaves[: signed.size - seen.header.first_seq]:
                tree.append(leaf)
            root = tree.root()
        else:
            root = LedgerReader(self._disk, self._state, epoch).root_at(signed.size)
        if root != signed.root:
            raise SignerError("signer_rollback", size=signed.size, signed_size=signed.size)

    def _read_head(self) -> SignedHead | None:
        raw = read_whole(self._disk, self._state / "private" / HEAD_NAME, HEAD_SIZE_MAX)
        if raw is None:
            return None
        try:
            match cbor.decode(raw, size_max=HEAD_SIZE_MAX, what="signer.head"):
                case [1, epoch, size, root, str(origin), list(past)] if is_uint(epoch) and is_uint(size) and is_hash(root):
                    if all(isinstance(name, str) for name in past):
                        return SignedHead(epoch, size, root, origin, tuple(past))
        except FormatError as error:
            raise SignerError("signer_head_damaged") from error
        raise SignerError("signer_head_damaged")


class SignerCore:
    """The rules as the chain calls them, in this very process: for simulations and tools. The gateway uses SignerProcess."""

    def __init__(self, key: PrivateKey, disk: Disk, state: Path) -> None:
        self._rules = SignerRules(key, disk, state)
        self._signed: deque[tuple[bytes, bytes] | SignerError] = deque()
        self.public = key.public

    def begin(self, epoch: int) -> tuple[int, bytes]:
        """See SignerRules.begin."""
        self._signed.clear()
        return self._rules.begin(epoch)

    def sign_entry(self, payload_raw: bytes) -> bytes:
        """See SignerRules.entry."""
        return self._rules.entry(payload_raw)

    def ask_next(self, entries: Sequence[NextEntry]) -> None:
        """Sign at once, as the process might while an entry before is being flushed."""
        for fields in entries:
            try:
                self._signed.append(self._rules.next_entry(fields))
            except SignerError as error:
                self._signed.append(error)

    def take_next(self, *, wait: bool) -> tuple[bytes, bytes] | None:
        """Return what `ask_next` has made, or raise its SignerError. It never has to wait."""
        if not self._signed:
            raise SignerError("signer_gone")
        signed = self._signed.popleft()
        if isinstance(signed, SignerError):
            raise signed
        return signed

    def sign_checkpoint(self, size: int, root: bytes) -> NoteSignature:
        """See SignerRules.checkpoint."""
        return self._rules.checkpoint(size, root)
