"""A log in memory, as a gateway would sign it: for tests of witnesses, mirrors and the outbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger_client.anchors.tlog import request_body
from ledger_client.checkpoint import Checkpoint
from ledger_client.entry import ZERO_HASH, Payload, assemble, to_be_signed
from ledger_client.keys import FileKey
from ledger_client.kinds import Kind
from ledger_client.merkle import consistency_path, leaf_hash, root_of
from ledger_client.note import Note, device_note_key, sign_note


def key_of(seed: int) -> FileKey:
    """An Ed25519 key that is the same in every run."""
    return FileKey(Ed25519PrivateKey.from_private_bytes(sha256(b"test key %d" % seed).digest()))


class SmallLog:
    """Entries, their tree and signed checkpoints of any size so far."""

    def __init__(self, origin: str = "witnessmark.example/line-4/1", key: FileKey | None = None) -> None:
        self.origin = origin
        self.key = key or key_of(1)
        self.note_key = device_note_key(origin, self.key.public)
        self.entries: list[bytes] = []
        self.bodies: list[bytes] = []

    @property
    def size(self) -> int:
        return len(self.entries)

    def grow(self, count: int, *, salt: str = "") -> SmallLog:
        """Append event entries; another salt makes another history."""
        for seq in range(self.size, self.size + count):
            body = f"{salt}{seq}".encode()
            self.add(Kind.EVENT, ("test:event", 1, sha256(body).digest(), len(body)), body)
        return self

    def add(self, kind: int, detail: tuple, body: bytes = b"", *, wall_ms: int | None = None) -> bytes:
        prev = sha256(self.entries[-1]).digest() if self.entries else ZERO_HASH
        at_ms = 1_700_000_000_000 + self.size if wall_ms is None else wall_ms
        payload = Payload(kind, self.size, prev, 1, self.size, at_ms, 2, None, detail).encode()
        raw = assemble(self.key.public, payload, self.key.sign(to_be_signed(self.key.public, payload)))
        self.entries.append(raw)
        self.bodies.append(body)
        return raw

    def copy(self) -> SmallLog:
        """What a cloned state folder is: the same key and the same past."""
        other = SmallLog(self.origin, self.key)
        other.entries, other.bodies = list(self.entries), list(self.bodies)
        return other

    def subtree(self, start: int, size: int) -> bytes:
        return root_of([leaf_hash(entry) for entry in self.entries[start : start + size]])

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        size = self.size if size is None else size
        return Checkpoint(self.origin, size, self.subtree(0, size))

    def note(self, size: int | None = None) -> str:
        text = self.checkpoint(size).text
        return Note(text, (sign_note(text, self.note_key, self.key.sign),)).encode()

    def prover(self, size: int | None = None) -> Callable[[int], list[bytes]]:
        new = self.size if size is None else size
        return lambda old: consistency_path(self.subtree, old, new)

    def prove(self, size: int | None = None) -> Callable[[int], Awaitable[list[bytes]]]:
        """The prover as an anchor is given it."""
        make = self.prover(size)

        async def prove(old: int) -> list[bytes]:
            return make(old)

        return prove

    def request(self, old: int, size: int | None = None) -> bytes:
        """An add-checkpoint body."""
        return request_body(self.note(size), old, self.prover(size)(old))
