"""The rules of a C2SP witness. Pure: bytes and a remembered checkpoint in, an answer out.

Room: upstream. `cosigner` calls these inside its transaction. Nothing here signs, stores or looks at a clock. The one
promise they guard: for one origin, never two roots for a size, and never a smaller size after a larger one. Source: C2SP
tlog-witness 1.0.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ledger_client.checkpoint import SIZE_MAX, Checkpoint, parse_checkpoint
from ledger_client.errors import FormatError
from ledger_client.merkle import EMPTY_ROOT, PATH_MAX, consistent
from ledger_client.note import NOTE_SIZE_MAX, Note, NoteKey, parse_note, unb64, verified_by

REQUEST_SIZE_MAX = NOTE_SIZE_MAX + 4_096

_OLD_LINE = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, content type, body."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Remembered:
    """The newest checkpoint that was cosigned for an origin; of a new one, the empty tree."""

    size: int = 0
    root: bytes = EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class Request:
    """A parsed add-checkpoint request. Nothing of it is verified yet."""

    old: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint


def parse_request(body: bytes) -> Request:
    """Read an add-checkpoint body: an old-size line, proof lines, an empty line, a note. Raises FormatError."""
    if len(body) > REQUEST_SIZE_MAX:
        raise FormatError("request_invalid", reason="size")
    try:
        head, gap, note_text = body.decode().partition("\n\n")
    except UnicodeDecodeError as error:
        raise FormatError("request_invalid", reason="encoding") from error
    old_line, *proof_lines = head.split("\n")
    found = _OLD_LINE.fullmatch(old_line)
    if not gap or found is None or int(found[1]) > SIZE_MAX or len(proof_lines) > PATH_MAX:
        raise FormatError("request_invalid", reason="old size or proof")
    proof = tuple(unb64(line, "proof line") for line in proof_lines)
    if any(len(step) != 32 for step in proof):
        raise FormatError("request_invalid", reason="proof line")
    note = parse_note(note_text)
    return Request(int(found[1]), proof, note, parse_checkpoint(note.text))


def refuse_signature(request: Request, keys: Iterable[NoteKey]) -> Answer | None:
    """Answer 404 for an origin without enrolled keys, 403 when none of them signed (or one is claimed falsely), else None."""
    known = list(keys)
    if not known:
        return Answer(404, b"this origin is not enrolled here\n")
    try:
        signed = verified_by(request.note, known)
    except FormatError:
        signed = []
    return None if signed else Answer(403, b"no valid signature by an enrolled key\n")


def refuse_history(request: Request, latest: Remembered) -> Answer | None:
    """Answer 400, 409 or 422 when this checkpoint does not extend what was cosigned last; None when it may be cosigned."""
    new = request.checkpoint
    if request.old > new.size:
        return Answer(400, b"the old size is beyond the checkpoint\n")
    if request.old != latest.size:
        return conflict(latest)
    if new.size == latest.size and new.root != latest.root:
        return conflict(latest)
    if not consistent(latest.size, new.size, latest.root, new.root, request.proof):
        return Answer(422, b"the consistency proof does not hold\n")
    return None


def conflict(latest: Remembered) -> Answer:
    """Return the 409 that tells the size we remember."""
    return Answer(409, f"{latest.size}\n".encode(), "text/x.tlog.size")
