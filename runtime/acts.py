"""An act: one request to change something, how it is written in the ledger, and the small file of acts under way.

Room: hall. The door builds acts from what faces send, records them through these functions, and asks the journal after a restart which
were interrupted. It decides nothing and does nothing.

    intent body   cbor [1, face, session, action, target, [* [name, value]], expected revision / null, reason]
                  cbor [2, …, reason, [* approval]]: one that people signed; see ledger_client.approval
    outcome body  cbor [1, [* [name, value]]]
    acts.cbor     cbor [1, [* [id, request hash, size before, action]], [* [id, request hash, code, [* [name, value]], seq / null]]]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from ledger_client import cbor
from ledger_client.approval import Approval, act_hash_of, read_approvals, rows_of
from ledger_client.disk import Disk, read_whole, write_atomically
from ledger_client.errors import FormatError
from runtime.faces.feed import RequestRefusedError, Session
from runtime.permissions import Actor

VERSION: Final = 1
WITH_APPROVALS: Final = 2
ID_BYTES: Final = 16
UNKNOWN: Final = "unknown"
RECENT_MAX: Final = 256
FILE_NAME: Final = "acts.cbor"
DAMAGED: Final = ".damaged"
FILE_SIZE_MAX: Final = 1 << 20
BODY_SIZE_MAX: Final = 1 << 20
PARAMS_MAX: Final = 64
TEXT_MAX: Final = 1 << 20
SECRETS: Final = frozenset({"password", "old_password"})
"""Params of any act that never reach a body, a journal or a log."""
Plain = str | int | float | bool | bytes | None


@dataclass(frozen=True, slots=True)
class Act:
    """One request. `actor` is the core's own finding, never the face's word. `secrets` (passwords) are the tenant's, and never written."""

    id: bytes
    face: str
    actor: Actor
    action: str
    target: str
    params: Mapping[str, Plain]
    expected_revision: int | None
    reason: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    approvals: tuple[Approval, ...] = ()
    """Signatures of people on it, checked."""

    @property
    def session(self) -> str:
        """Who acts, as it is recorded: `alice (session 3f2a90c1)`, or `uid 0`."""
        return self.actor.text

    def intent_body(self) -> bytes:
        """Return the body of the intent entry; long texts and long bytes are named by their SHA-256."""
        row = [VERSION, self.face, self.session, self.action, self.target, rows_of(self.params), self.expected_revision, self.reason]
        return cbor.encode([WITH_APPROVALS, *row[1:], [each.row() for each in self.approvals]] if self.approvals else row)

    @property
    def approval_hash(self) -> bytes:
        """What an approval of it names."""
        return act_hash_of(self.id, self.action, self.target, self.params, self.expected_revision, self.reason)

    @property
    def request_hash(self) -> bytes:
        """What makes two requests the same one."""
        return sha256(self.intent_body()).digest()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an act: `code` is `done` or a message code; `seq` is the entry that says so, None while it is not recorded."""

    code: str
    params: Mapping[str, Plain] = field(default_factory=dict)
    seq: int | None = None
    told: Mapping[str, str] = field(default_factory=dict, repr=False)
    """For whoever asked, once (a new token): never recorded, never kept, not there when the same act is asked for again."""

    def body(self) -> bytes:
        """Return the body of the outcome entry."""
        return cbor.encode([VERSION, rows_of(self.params)])

    def plain(self) -> dict[str, Any]:
        """Return it for a face."""
        plain: dict[str, Any] = {"code": self.code, "params": dict(self.params), "seq": self.seq}
        return plain | {"told": dict(self.told)} if self.told else plain


def read_command(phase: int, body: bytes) -> dict[str, Any]:
    """Return what the body of a command entry says, for a person: of an intent who asked for what and why, of an outcome its values.

    Raises FormatError, `act_body_unknown` for a body of another shape or version.
    """
    match phase, cbor.decode(body, size_max=BODY_SIZE_MAX, what="act"):
        case 0, [version, str(face), str(session), str(action), str(target), list(rows), revision, str(reason), *more] if (
            version,
            len(more),
        ) in {(VERSION, 0), (WITH_APPROVALS, 1)} and (revision is None or type(revision) is int):
            who = {"face": face, "session": session, "action": action, "target": target}
            return who | {"params": _pairs(rows), "expected_revision": revision, "reason": reason, **_approved(version, more)}
        case 1, [version, list(rows)] if version == VERSION:
            return {"params": _pairs(rows)}
    raise FormatError("act_body_unknown")


def command_detail(act_id: bytes, phase: int, code: str, body: bytes) -> tuple[bytes, int, str, int, bytes]:
    """Return the detail of a command entry."""
    return (act_id, phase, code, len(body), sha256(body).digest())


def parse_act(session: Session, actor: Actor, raw: Mapping[str, Any]) -> Act:
    """Read what a face sent. Raises RequestRefusedError `act_shape`."""
    match raw:
        case {"id": bytes(act_id), "action": str(action), "target": str(target), "params": dict(given), "reason": str(reason)}:
            params = dict(given)
            revision = raw.get("expected_revision")
            plain = all(isinstance(name, str) and len(name) <= 100 and _is_plain(value) for name, value in params.items())
            sizes = len(act_id) == ID_BYTES and max(len(action), len(target), len(reason)) <= 1_000 and len(params) <= PARAMS_MAX
            known = set(raw) <= {"id", "action", "target", "params", "reason", "expected_revision", "token", "approval"}
            secrets = {name: params.pop(name) for name in SECRETS & set(params)} if known else {}
            plain = plain and all(isinstance(value, str) for value in secrets.values())
            if plain and sizes and known and (revision is None or type(revision) is int):
                return Act(act_id, session.face, actor, action, target, params, revision, reason, secrets)
    raise RequestRefusedError("act_shape")


class ActJournal:
    """Acts under way and those answered last, in `private/acts.cbor`.

    An id gets its old answer for as long as its act is among the last RECENT_MAX answered; asked again later than that, it is a new act.
    Changes are made on the loop and count once `save` has returned; `load` and `save` block and raise OSError.
    """

    def __init__(self, disk: Disk, folder: Path) -> None:
        """Call `load` first."""
        self._disk, self._path = disk, folder / FILE_NAME
        self.under_way: dict[bytes, tuple[bytes, int, str]] = {}
        """id -> (request hash, ledger size before its intent, action)."""
        self.answered: dict[bytes, tuple[bytes, Outcome]] = {}
        """id -> (request hash, outcome), oldest first."""

    def load(self) -> None:
        """Read the file. Raises FormatError when it is damaged."""
        data = read_whole(self._disk, self._path, FILE_SIZE_MAX)
        if data is None:
            return
        match cbor.decode(data, size_max=FILE_SIZE_MAX, what=FILE_NAME):
            case [1, list(under_way), list(answered)]:
                try:
                    self.under_way = {act_id: (bytes(digest), int(size), str(action)) for act_id, digest, size, action in under_way}
                    self.answered = {
                        act_id: (bytes(digest), Outcome(str(code), dict(params), seq)) for act_id, digest, code, params, seq in answered
                    }
                except (TypeError, ValueError) as error:
                    raise FormatError("acts_file_invalid") from error
            case _:
                raise FormatError("acts_file_invalid")

    def set_aside(self) -> None:
        """Keep a damaged file under another name, for whoever looks into it, and go on with an empty one. Blocking. Raises OSError."""
        self.under_way, self.answered = {}, {}
        self._disk.replace(self._path, self._path.with_name(self._path.name + DAMAGED))
        self._disk.sync_folder(self._path.parent)

    def begin(self, act: Act, size_before: int) -> None:
        """Remember an act before its intent is recorded."""
        self.under_way[act.id] = (act.request_hash, size_before, act.action)

    def answer(self, act_id: bytes, outcome: Outcome) -> None:
        """Move an act from under way to answered."""
        digest, _, _ = self.under_way.pop(act_id)
        self.answered[act_id] = (digest, outcome)
        while len(self.answered) > RECENT_MAX:
            del self.answered[next(iter(self.answered))]

    def forget(self, act_id: bytes) -> None:
        """Drop an act whose intent never became durable: nothing happened."""
        self.under_way.pop(act_id, None)

    def save(self) -> None:
        """Make the present state durable."""
        under_way = [[act_id, *row] for act_id, row in self.under_way.items()]
        answered = [[act_id, digest, o.code, rows_of(o.params), o.seq] for act_id, (digest, o) in self.answered.items()]
        write_atomically(self._disk, self._path, cbor.encode([VERSION, under_way, answered]))


def _pairs(rows: list[Any]) -> dict[str, Plain]:
    pairs = {row[0]: row[1] for row in rows if isinstance(row, list) and len(row) == 2 and isinstance(row[0], str) and _is_plain(row[1])}
    if len(pairs) != len(rows):
        raise FormatError("act_body_unknown")
    return pairs


def _approved(version: int, more: list[Any]) -> dict[str, Any]:
    """Return the approvals of a body that has some, as plain data; whether they hold is the verifier's question."""
    if version != WITH_APPROVALS:
        return {}
    told = [
        {"meaning": each.meaning, "name": each.name, "time_ms": each.time_ms, "key": each.key.kid.hex(), "self_approved": each.own}
        for each in read_approvals(more[0])
    ]
    return {"approvals": told}


def _is_plain(value: object) -> bool:
    if isinstance(value, str | bytes):
        return len(value) <= TEXT_MAX
    if isinstance(value, int) and not isinstance(value, bool):
        return -(1 << 63) <= value < 1 << 63
    return value is None or isinstance(value, bool | float)
