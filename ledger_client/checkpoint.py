"""A checkpoint: origin, size and root of a log, as the text of a signed note.

Room: ground. The signer signs one, the outbox sends it, witnesses cosign it, verifiers read it. It never decides whether a
checkpoint may be signed; that is the signer's. Source: C2SP tlog-checkpoint 1.0.0, without extension lines.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger_client.errors import FormatError
from ledger_client.note import b64, check_name, unb64

SIZE_MAX = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log claims to be: `size` leaves under `root` (32 bytes), named by `origin`."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note text that is signed."""
        return f"{self.origin}\n{self.size}\n{b64(self.root)}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint's text (a note's text). Raises FormatError: other lines, leading zeros, a root that is not 32 bytes."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise FormatError("checkpoint_invalid", reason="lines")
    check_name(lines[0])
    if not lines[1].isascii() or not lines[1].isdigit() or (lines[1] != "0" and lines[1][0] == "0") or len(lines[1]) > 19:
        raise FormatError("checkpoint_invalid", reason="size")
    size, root = int(lines[1]), unb64(lines[2], "checkpoint root")
    if size > SIZE_MAX or len(root) != 32:
        raise FormatError("checkpoint_invalid", reason="size or root")
    return Checkpoint(lines[0], size, root)
