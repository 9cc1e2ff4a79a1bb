"""What the tags of a ledger are at some seq: groups and descriptors, their hash, and the deltas between states. Pure.

Room: ground. The chain keeps the state in force and writes schema entries from `delta_to`; readers build it up again with
`apply`; bodies need it to know their columns. It never assigns a uid and never forgets one by itself.
Source: docs/ledger-format.md section 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any

from ledger_client import cbor
from ledger_client.deflate import deflate, inflate
from ledger_client.details import is_text, is_uint
from ledger_client.errors import FormatError

COLUMNS_MAX = 1024
"""Tags in one group: as many as a section of a body can have leaves."""
INFLATED_MAX = 16 << 20
_EXPONENT_MAX = 400


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What one tag measures. `exponent` is the power of ten of a decimal value, None when unknown; `name` is `device/tag`."""

    uid: int
    asset: str
    name: str
    unit: str
    type: str
    exponent: int | None
    source: str
    calibration: str
    _leaf_prefix: bytes = field(default=b"", init=False, repr=False, compare=False)

    def row(self) -> tuple[Any, ...]:
        """Return the array that is encoded and hashed."""
        return (self.uid, self.asset, self.name, self.unit, self.type, self.exponent, self.source, self.calibration)

    @property
    def hash(self) -> bytes:
        """SHA-256 of the row's CBOR: what every leaf of this tag's readings contains."""
        return self.leaf_prefix[1:]

    @property
    def leaf_prefix(self) -> bytes:
        """What every leaf of this tag begins with; reckoned once (in a slot: a dictionary for each of thousands of tags is half a kB)."""
        if not self._leaf_prefix:
            object.__setattr__(self, "_leaf_prefix", b"\x00" + sha256(cbor.encode(self.row())).digest())
        return self._leaf_prefix


@dataclass(frozen=True)
class GroupRow:
    """Tags of one device that are read together; `tag_uids` is the order of a body's columns."""

    uid: int
    device: str
    name: str
    period_ms: int
    mode: str
    tag_uids: tuple[int, ...]

    def row(self) -> tuple[Any, ...]:
        """Return the array that is encoded and hashed."""
        return (self.uid, self.device, self.name, self.period_ms, self.mode, self.tag_uids)


@dataclass(frozen=True)
class SchemaState:
    """Every group and descriptor in force, by uid. Two states are the same when their `state_hash` is."""

    groups: Mapping[int, GroupRow] = field(default_factory=dict)
    descriptors: Mapping[int, Descriptor] = field(default_factory=dict)

    @cached_property
    def state_hash(self) -> bytes:
        """SHA-256 of the CBOR of both tables, each sorted by uid."""
        return sha256(cbor.encode([_rows(self.groups), _rows(self.descriptors)])).digest()

    def full_body(self) -> bytes:
        """Return the body of a full schema entry."""
        return deflate(cbor.encode([1, _rows(self.groups), _rows(self.descriptors), [], []]))

    def delta_to(self, new: SchemaState) -> bytes | None:
        """Return the body that turns this state into the new one, None when nothing changed."""
        groups = [row.row() for uid, row in sorted(new.groups.items()) if self.groups.get(uid) != row]
        descriptors = [row.row() for uid, row in sorted(new.descriptors.items()) if self.descriptors.get(uid) != row]
        gone = sorted(self.descriptors.keys() - new.descriptors.keys())
        gone_groups = sorted(self.groups.keys() - new.groups.keys())
        if not (groups or descriptors or gone or gone_groups):
            return None
        return deflate(cbor.encode([1, groups, descriptors, gone, gone_groups]))

    def apply(self, body: bytes, *, full: bool) -> SchemaState:
        """Return the state after a schema body. Raises FormatError: not the format, unknown uids, a state that does not hang together."""
        value = cbor.decode(inflate(body, size_max=INFLATED_MAX, what="schema body"), size_max=INFLATED_MAX, what="schema body")
        match value:
            case [version, list() as groups, list() as descriptors, list() as gone, list() as gone_groups] if is_uint(version):
                pass
            case _:
                raise FormatError("schema_shape", reason="body")
        if version != 1:
            raise FormatError("schema_version", version=version)
        if full and (gone or gone_groups):
            raise FormatError("schema_shape", reason="full with removals")
        new_groups = {} if full else dict(self.groups)
        new_descriptors = {} if full else dict(self.descriptors)
        for uid in _ascending(gone):
            if new_descriptors.pop(uid, None) is None:
                raise FormatError("schema_shape", reason="removed tag unknown")
        for uid in _ascending(gone_groups):
            if new_groups.pop(uid, None) is None:
                raise FormatError("schema_shape", reason="removed group unknown")
        parsed_groups = [_parse_group(row) for row in groups]
        parsed = [parse_descriptor(row) for row in descriptors]
        for uid, group in zip(_ascending([g.uid for g in parsed_groups]), parsed_groups, strict=True):
            new_groups[uid] = group
        for uid, descriptor in zip(_ascending([d.uid for d in parsed]), parsed, strict=True):
            new_descriptors[uid] = descriptor
        _check_whole(new_groups, new_descriptors)
        return SchemaState(new_groups, new_descriptors)


def parse_descriptor(row: Any) -> Descriptor:
    """Read a descriptor's array strictly. Raises FormatError."""
    if isinstance(row, list | tuple) and len(row) == 8:
        uid, asset, name, unit, kind, exponent, source, calibration = row
        exponent_ok = exponent is None or (type(exponent) is int and abs(exponent) <= _EXPONENT_MAX)
        if is_uint(uid) and exponent_ok and all(is_text(t) for t in (asset, name, unit, kind, source, calibration)):
            return Descriptor(uid, asset, name, unit, kind, exponent, source, calibration)
    raise FormatError("schema_shape", reason="descriptor")


def _parse_group(row: Any) -> GroupRow:
    if isinstance(row, list | tuple) and len(row) == 6:
        uid, device, name, period_ms, mode, tags = row
        shape_ok = is_uint(uid) and is_text(device) and is_text(name) and is_uint(period_ms) and is_text(mode)
        if shape_ok and isinstance(tags, list | tuple) and len(tags) <= COLUMNS_MAX and all(is_uint(t) for t in tags):
            return GroupRow(uid, device, name, period_ms, mode, tuple(tags))
    raise FormatError("schema_shape", reason="group")


def _check_whole(groups: Mapping[int, GroupRow], descriptors: Mapping[int, Descriptor]) -> None:
    """Every tag of a group is described, and no tag stands in two places."""
    seen: set[int] = set()
    for group in groups.values():
        for uid in group.tag_uids:
            if uid in seen or uid not in descriptors:
                raise FormatError("schema_shape", reason="tag of a group")
            seen.add(uid)


def _ascending(uids: Iterable[Any]) -> list[int]:
    out: list[int] = []
    for uid in uids:
        if not is_uint(uid) or (out and uid <= out[-1]):
            raise FormatError("schema_shape", reason="uids not ascending")
        out.append(uid)
    return out


def _rows(table: Mapping[int, GroupRow] | Mapping[int, Descriptor]) -> list[tuple[Any, ...]]:
    return [table[uid].row() for uid in sorted(table)]
