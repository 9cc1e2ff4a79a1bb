"""A gateway's ledger in memory, with batches, schema, receipts of three witnesses and rotations: what the verifier is tried on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from ledger_client.body import BatchBuilder
from ledger_client.checkpoint import Checkpoint
from ledger_client.entry import ZERO_HASH, Payload, assemble, parse, to_be_signed
from ledger_client.errors import CorruptError
from ledger_client.heads import Heads
from ledger_client.key_chain import rotation_message
from ledger_client.keys import FileKey
from ledger_client.kinds import KINDS_KEPT, Kind
from ledger_client.leaves import disclose
from ledger_client.merkle import Frontier, inclusion_path, leaf_hash, root_of
from ledger_client.note import SIG_COSIGNATURE, Note, cosign, device_note_key, note_key, sign_note
from ledger_client.policy import Policy, parse_policy
from ledger_client.proof import Link, Proof
from ledger_client.reader import ledger_folder
from ledger_client.receipt import AKIND_TLOG, Receipt, receipts_entry
from ledger_client.records import SEGMENT_MAGIC, Header, pack_header, pack_record
from ledger_client.recovery import segment_path
from ledger_client.schema import Descriptor, GroupRow, SchemaState
from ledger_client.segment_file import Range
from tests.rigs.small_log import key_of

START_MS = 1_790_000_000_000
ORIGIN = "witnessmark.example/line-4/1"
OPERATORS = "operator acme w1\noperator self w2\n"
WITNESSES = {name: key_of(100 + i) for i, name in enumerate(("w1", "w2", "w3"))}
WITNESS_KEYS = {name: note_key(f"{name}.example", SIG_COSIGNATURE, key.public) for name, key in WITNESSES.items()}


def schema_of(tags: int = 3) -> SchemaState:
    """One group of a filler: `filler/tag1` and so on, uids from 1."""
    descriptors = {
        uid: Descriptor(uid, "plant/line-4/filler", f"filler/tag{uid}", "bar", "float", -2, f"holding:{uid}", "")
        for uid in range(1, tags + 1)
    }
    return SchemaState({7: GroupRow(7, "filler", "fast", 1000, "poll", tuple(descriptors))}, descriptors)


def policy_text(
    *,
    logs: Sequence[str] | None = None,
    quorum: str = "2of3",
    operators: str = "operator acme w1\noperator self w2\n",
    gap_s: int | None = 600,
) -> bytes:
    """The policy of an auditor who enrolled the first device key."""
    lines = logs if logs is not None else [device_note_key(ORIGIN, key_of(1).public).vkey]
    text = "# what we ask for\n" + "".join(f"log {vkey}\n" for vkey in lines)
    text += "".join(f"witness {name} {key.vkey} https://{name}.example\n" for name, key in WITNESS_KEYS.items())
    text += f"group 2of3 2 w1 w2 w3\nquorum {quorum}\n{operators}"
    return (text + (f"max-anchor-gap {gap_s}\n" if gap_s else "")).encode()


def policy_of(**options: object) -> Policy:
    return parse_policy(policy_text(**options))  # type: ignore[arg-type]


@dataclass
class EvidenceLog:
    """Entries with bodies; also a `Source` for verify_ledger. Time moves by `step_ms` with every entry."""

    origin: str = ORIGIN
    step_ms: int = 5_000
    span: int = 16
    key: FileKey = field(default_factory=lambda: key_of(1))
    entries: list[bytes] = field(default_factory=list)
    bodies: list[bytes | None] = field(default_factory=list)
    damaged: set[int] = field(default_factory=set)
    schema: SchemaState = field(default_factory=SchemaState)
    seen: Receipt | None = None
    boot: int = 1
    mono_ms: int = 10_000
    offset_ms: int = START_MS
    clock: int = 2
    links: list[int] = field(default_factory=list)
    coming: tuple[int, FileKey] | None = None

    # ---------------------------------------------------------------- Source
    def size(self) -> int:
        return len(self.entries)

    def entry(self, seq: int) -> bytes:
        if seq in self.damaged:
            raise CorruptError("record_invalid", offset=0, reason="checksum")
        return self.entries[seq]

    def body(self, seq: int) -> bytes | None:
        return self.bodies[seq]

    def segments(self) -> dict[int, set[str]]:
        return {first: {".wmlog"} for first in range(0, len(self.entries), 16)}

    # ---------------------------------------------------------------- growing
    @property
    def wall_ms(self) -> int:
        return self.mono_ms + self.offset_ms

    def append(self, kind: int, detail: tuple, body: bytes = b"", *, wall_ms: int | None = None) -> int:
        self.mono_ms += self.step_ms
        seq = len(self.entries)
        if self.coming is not None and seq >= self.coming[0]:
            self.key, self.coming = self.coming[1], None
        prev = sha256(self.entries[-1]).digest() if self.entries else ZERO_HASH
        wall = self.wall_ms if wall_ms is None else wall_ms
        seen = self.seen.hash if self.seen else None
        payload = Payload(kind, seq, prev, self.boot, self.mono_ms, wall, self.clock, seen, detail).encode()
        self.entries.append(assemble(self.key.public, payload, self.key.sign(to_be_signed(self.key.public, payload))))
        self.bodies.append(body)
        return seq

    def begin(
        self, tags: int = 3, next_hashes: tuple[bytes, ...] = (), *, epoch: int = 1, previous: tuple[str, int, bytes] | None = None
    ) -> EvidenceLog:
        detail = (self.origin, epoch, self.key.public.cose, next_hashes, previous, sha256(policy_text()).digest())
        self.append(Kind.GENESIS, detail)
        self.reboot()
        self.schema = schema_of(tags)
        self._append_schema()
        return self

    def rename(self, names: dict[int, str]) -> None:
        """Give tags other names by uid, in a whole tag list."""
        tags = {uid: replace(tag, name=names.get(uid, tag.name)) for uid, tag in self.schema.descriptors.items()}
        self.schema = SchemaState(self.schema.groups, tags)
        self._append_schema()

    def _append_schema(self) -> None:
        body = self.schema.full_body()
        self.append(Kind.SCHEMA, (len(body), sha256(body).digest(), self.schema.state_hash, 1), body)

    def reboot(self) -> int:
        self.boot += 1
        self.mono_ms, self.offset_ms = 20_000, self.wall_ms - 20_000
        return self.append(Kind.BOOT, ("0.1.0", "sim", 1, 0))

    def batch_of(self, readings: Sequence[tuple[int, float]]) -> int:
        """Append a batch of scans (read time, the value that every tag has), in this order."""
        builder = BatchBuilder(sha256(b"secret%d" % self.size()).digest(), self.offset_ms, self.span, self.schema)
        for time_ms, value in readings:
            builder.add(7, time_ms, None, [value] * len(self.schema.groups[7].tag_uids))
        sealed = builder.seal()
        return self.append(Kind.BATCH, sealed.detail, sealed.body)

    def batch(self, scans: int = 5, statuses: list[int] | None = None) -> int:
        builder = BatchBuilder(sha256(b"secret%d" % self.size()).digest(), self.offset_ms, self.span, self.schema)
        width = len(self.schema.groups[7].tag_uids)
        for scan in range(scans):
            time_ms = self.wall_ms + self.step_ms - (scans - scan) * 900
            builder.add(
                7, time_ms, time_ms - 3 if scan % 2 else None, [100 * self.size() + scan + c / 4 for c in range(width)], statuses, None
            )
        sealed = builder.seal()
        return self.append(Kind.BATCH, sealed.detail, sealed.body)

    def receipts(self, size: int | None = None, names: Sequence[str] = ("w1", "w2", "w3"), *, after_s: int = 2) -> int:
        """Have the witnesses cosign the tree of `size`, `after_s` from now, and keep what they gave."""
        size = self.size() if size is None else size
        got = []
        for place, name in enumerate(names):
            text = self.note(size, {name: self.wall_ms // 1000 + after_s + place})
            got.append(Receipt(AKIND_TLOG, name, size, self.root(size), text.encode(), self.wall_ms + 1000 * after_s))
        detail, body = receipts_entry(got)
        seq = self.append(Kind.RECEIPTS, detail, body)
        self.seen = got[-1]
        return seq

    def rotate(self, new: FileKey, effective_after: int = 1) -> int:
        effective = self.size() + effective_after
        agreed = new.sign(rotation_message(self.key.public, new.public.cose, effective))
        seq = self.append(Kind.ROTATE, (new.public.cose, effective, "yearly", agreed))
        self.links.append(seq)
        self.coming = (effective, new)
        return seq

    def typical(self, batches: int = 12) -> EvidenceLog:
        """Batches, and receipts after every third."""
        self.begin()
        for number in range(batches):
            self.batch()
            if number % 3 == 2:
                self.receipts()
        return self

    # ---------------------------------------------------------------- as files
    def write(self, state: Path, cut: int | None = None) -> Path:
        """Put the ledger into a state folder as one segment, or two cut at a seq, with its policy; return the folder."""
        folder = ledger_folder(state, 1)
        folder.mkdir(parents=True, exist_ok=True)
        heads = Heads(self.origin, 1, 0, 0, 0, None, None, (key_of(1).public.cose, 0), sha256(policy_text()).digest(), None)
        tree, prev = Frontier(), ZERO_HASH
        for seq, (entry, body) in enumerate(zip(self.entries, self.bodies, strict=True)):
            if seq in {0, cut}:
                path = segment_path(folder, seq)
                path.write_bytes(pack_header(SEGMENT_MAGIC, Header(seq, prev, tuple(tree.hashes), heads.copy())))
            with path.open("ab") as file:
                file.write(pack_record(entry, body or b""))
            payload = parse(entry).payload
            heads.apply(payload.kind, seq, payload.boot, payload.mono_ms, payload.wall_ms, payload.detail)
            tree.append(leaf_hash(entry))
            prev = sha256(entry).digest()
        with path.open("ab") as file:
            file.write(bytes(4096))
        (state / "policy.txt").write_bytes(policy_text())
        return state

    # ---------------------------------------------------------------- showing
    def root(self, size: int) -> bytes:
        return root_of([leaf_hash(entry) for entry in self.entries[:size]])

    def subtree(self, start: int, size: int) -> bytes:
        return root_of([leaf_hash(entry) for entry in self.entries[start : start + size]])

    def note(self, size: int, times: dict[str, int]) -> str:
        text = Checkpoint(self.origin, size, self.root(size)).text
        lines = [sign_note(text, device_note_key(self.origin, self.key.public), self.key.sign)]
        lines += [cosign(text, WITNESS_KEYS[name], time_s, WITNESSES[name].sign) for name, time_s in times.items()]
        return Note(text, tuple(lines)).encode()

    def note_now(self, size: int) -> str:
        now_s = self.wall_ms // 1000
        return self.note(size, {"w1": now_s + 1, "w2": now_s + 3, "w3": now_s + 4})

    def seen_of(self, seq: int) -> bytes | None:
        """The receipt that an entry names, found in the receipts entries before it."""
        from ledger_client.receipt import parse_receipts

        wanted = parse(self.entries[seq]).payload.seen
        for earlier in range(seq):
            payload = parse(self.entries[earlier]).payload
            if payload.kind == Kind.RECEIPTS:
                for receipt in parse_receipts(self.bodies[earlier] or b"", payload.detail):
                    if receipt.hash == wanted:
                        return receipt.encode()
        return None

    def path(self, seq: int, size: int) -> tuple[bytes, ...]:
        return tuple(inclusion_path(self.subtree, seq, size))

    def proof(self, seq: int, tag_uid: int = 2, place: int = 1, *, size: int | None = None, note: str | None = None) -> Proof:
        size = self.size() if size is None else size
        detail = parse(self.entries[seq]).payload.detail
        from ledger_client.body import read_body

        time_ms = read_body(self.bodies[seq] or b"", detail, self.schema).sections[0].times[place]
        shown = disclose(self.bodies[seq] or b"", detail, self.schema, tag_uid, time_ms)
        links = tuple(Link(self.entries[at], self.path(at, size)) for at in self.links if at < size)
        return Proof(self.entries[seq], shown, self.path(seq, size), note or self.note_now(size), self.seen_of(seq), links, time_ms)

    def range(self, start: int, end: int, *, size: int | None = None, bodies: bool = True) -> Range:
        """Without bodies, those of receipts and schema entries stay, as in an export."""
        size = self.size() if size is None else size
        links = tuple(Link(self.entries[at], self.path(at, size)) for at in self.links if at < size)
        schema = self.schema.full_body() if start > 2 else b""
        pairs = zip(self.entries[start:end], self.bodies[start:end], strict=True)
        shown = tuple(body if bodies or parse(raw).payload.kind in KINDS_KEPT else None for raw, body in pairs)
        return Range(
            start, tuple(self.entries[start:end]), shown, self.path(start, size), self.path(end - 1, size), self.note_now(size), schema,
            self.seen_of(start), links,
        )  # fmt: skip
