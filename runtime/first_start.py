"""What happens once in the life of a gateway: its key, its policy and the genesis entry of its ledger; and finding them again.

Room: hall. `app` calls it at every start but for the key, which its signer makes; `demo` makes the key before, so that a
witness can be told of it. It never
replaces a key, a policy or a ledger that is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from ledger_client.chain import Chain
from ledger_client.chain_seams import Clock, Signer
from ledger_client.disk import Disk, read_whole, write_atomically
from ledger_client.entry import parse
from ledger_client.errors import FormatError, KeyFaultError, LedgerError, StoreError
from ledger_client.keys import FileKey, PublicKey, create_private, load_private
from ledger_client.kinds import Kind
from ledger_client.note import device_note_key
from ledger_client.reader import LedgerReader, epochs
from ledger_client.schema import SchemaState
from ledger_client.segments import SegmentShape
from runtime.config import Config
from runtime.layout import Layout
from runtime.revisions import Recorded
from runtime.tag_ids import TagIds, load_tag_ids, rebuilt

FIRST_EPOCH: Final = 1
POLICY_SIZE_MAX: Final = 256 << 10


def ensure_key(layout: Layout) -> FileKey:
    """Return the device key, making it when there is none and no ledger either; for a process other than the core. Raises KeyFaultError."""
    try:
        return load_private(layout.key)
    except KeyFaultError as fault:
        if fault.code != "key_file_missing" or has_ledger(layout.state):
            raise
    return create_private(layout.key)


def origin_of(config: Config, public: PublicKey, epoch: int = FIRST_EPOCH) -> str:
    """Return the name of a gateway's log."""
    template = config.evidence.origin
    return template.format(gateway=config.gateway.name, epoch=epoch, key_hash=sha256(public.raw).hexdigest())


def policy_text(config: Config, origin: str, public: PublicKey) -> str:
    """Return the policy that the configured anchors amount to: this log, their witnesses, all of which must confirm."""
    lines = [f"log {device_note_key(origin, public).vkey}"]
    names: list[str] = []
    operators: dict[str, list[str]] = {}
    for anchor in config.anchors:
        vkeys = anchor.options.get("vkeys", ())
        for number, vkey in enumerate(vkeys, start=1):
            name = anchor.name if len(vkeys) == 1 else f"{anchor.name}-{number}"
            lines.append(f"witness {name} {vkey} {anchor.options.get('url', '')}".rstrip())
            names.append(name)
            operators.setdefault(anchor.operator, []).append(name)
    if names:
        lines.append(f"group witnesses all {' '.join(names)}")
    lines.append(f"quorum {'witnesses' if names else 'none'}")
    lines += [f"operator {operator} {' '.join(found)}" for operator, found in operators.items()]
    return "\n".join(lines) + "\n"


async def ensure_ledger(disk: Disk, layout: Layout, signer: Signer, clock: Clock, config: Config, shape: SegmentShape) -> None:
    """Write the policy and the genesis entry unless there is a ledger. Raises LedgerError, OSError."""
    if has_ledger(layout.state, disk):
        return
    origin = origin_of(config, signer.public)
    policy = read_whole(disk, layout.policy, POLICY_SIZE_MAX)
    if policy is None:
        given = config.evidence.policy_file
        policy = Path(given).read_bytes() if given else policy_text(config, origin, signer.public).encode()
        write_atomically(disk, layout.policy, policy)
    await Chain.create(
        disk, layout.state, signer, clock, origin=origin, epoch=FIRST_EPOCH, policy_hash=sha256(policy).digest(), shape=shape
    )


def recorded_revision(disk: Disk, state: Path) -> Recorded | None:
    """Return the last config revision that the ledger recorded; None without a ledger, or when it cannot be read. Blocking."""
    try:
        for epoch in reversed(epochs(disk, state)):  # a new epoch begins without one
            reader = LedgerReader(disk, state, epoch)
            found = reader.heads(reader.size()).config
            if found is not None:
                return found
    except LedgerError:
        pass  # opening the chain will say what is wrong with it
    return None


def load_ids(disk: Disk, layout: Layout) -> TagIds:
    """Return the tag numbers: from their file, or when that is lost from every schema entry. Blocking. Raises LedgerError, OSError."""
    try:
        found = load_tag_ids(disk, layout.private)
    except FormatError:
        found = None
    if found is not None:
        return found
    tags: list[tuple[int, str]] = []
    groups: list[tuple[int, str]] = []
    for schema in _schemas(disk, layout.state):
        tags += [(d.uid, d.name) for d in schema.descriptors.values()]
        groups += [(g.uid, f"{g.device}/{g.name}") for g in schema.groups.values()]
    return rebuilt(disk, layout.private, tags, groups)


def _schemas(disk: Disk, state: Path) -> Iterator[SchemaState]:
    for epoch in epochs(disk, state):
        reader = LedgerReader(disk, state, epoch)
        schema = SchemaState()
        for seq, raw in enumerate(reader.entries(0, reader.size())):
            payload = parse(raw).payload
            body = reader.body(seq) if payload.kind == Kind.SCHEMA else None
            if body:
                schema = schema.apply(body, full=bool(payload.detail[3]))
                yield schema


def has_ledger(state: Path, disk: Disk | None = None) -> bool:
    """Whether there is at least one entry; an empty first segment is an interrupted first start."""
    if disk is None:
        return any((state / "ledger").glob("*/*.wmlog"))
    try:
        return any(LedgerReader(disk, state, epoch).size() for epoch in epochs(disk, state))
    except StoreError as error:
        return error.code != "ledger_missing"  # damaged is not absent
