"""A witness in memory: the anchor's own rules, with a dictionary in place of its store and a call in place of the wire.

Room: tests, also for authors of anchors. `MemoryWitness.anchor` is what the rig gives to the core in place of
`ledger_client.anchors.registry.make_anchor`: the real client `TlogAnchor`, asking this witness.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from anchor.witness import Remembered, parse_request, refuse_history, refuse_signature
from ledger_client.anchors.anchor import Clock
from ledger_client.anchors.http import Reply
from ledger_client.anchors.tlog import TlogAnchor, request_body
from ledger_client.checkpoint import Checkpoint, parse_checkpoint
from ledger_client.errors import AnchorError
from ledger_client.keys import FileKey
from ledger_client.note import SIG_COSIGNATURE, NoteKey, cosign, device_note_key, note_key, parse_note, signature_line
from tests.rigs.small_log import key_of

URL = "http://witness.invalid"


@dataclass(frozen=True, slots=True)
class Sent:
    """A checkpoint that left the gateway; `cosigned` once the witness has remembered it."""

    checkpoint: Checkpoint
    cosigned: bool


class MemoryWitness:
    """One witness. It keeps its memory when the gateway loses power. Faults: `down`, `lose_replies`, `latency_s`.

    Args:
        now_s: true time, which no step of the gateway's clock moves.
        told: called when a checkpoint reaches the witness, before and after it is cosigned.
    """

    def __init__(self, now_s: Callable[[], int], told: Callable[[Sent], None] = lambda sent: None, *, number: int = 1) -> None:
        self.key: FileKey = key_of(100 + number)
        self.note_key: NoteKey = note_key(f"witness.example/w{number}", SIG_COSIGNATURE, self.key.public)
        self.name = f"w{number}"
        self.remembered: dict[str, Remembered] = {}
        self.down = self.lose_replies = False
        self.latency_s = 0.05
        self._now_s, self._told = now_s, told

    def anchor(self, clock: Clock) -> WitnessClient:
        """Return a client of this witness."""
        return WitnessClient(self, clock)

    async def ask(self, body: bytes) -> Reply:
        """Answer an add-checkpoint request as the anchor's server does."""
        if self.down:
            await asyncio.sleep(self.latency_s)
            raise AnchorError("anchor_unreachable", reason="simulated")
        request = parse_request(body)
        self._told(Sent(request.checkpoint, cosigned=False))
        await asyncio.sleep(self.latency_s / 2)
        origin = request.checkpoint.origin
        refusal = refuse_signature(request, [device_note_key(origin, key_of(1).public)])
        refusal = refusal or refuse_history(request, self.remembered.get(origin, Remembered()))
        if refusal is not None:
            return Reply(refusal.status, {"content-type": refusal.content_type}, refusal.body)
        self.remembered[origin] = Remembered(request.checkpoint.size, request.checkpoint.root)
        self._told(Sent(request.checkpoint, cosigned=True))
        line = cosign(request.note.text, self.note_key, self._now_s(), self.key.sign)
        await asyncio.sleep(self.latency_s / 2)
        if self.lose_replies:
            raise AnchorError("anchor_timeout", timeout_s=1)
        return Reply(200, {"content-type": "text/plain; charset=utf-8"}, signature_line(line).encode())


class WitnessClient(TlogAnchor):
    """The real client; only the wire is a call."""

    def __init__(self, witness: MemoryWitness, clock: Clock) -> None:
        super().__init__(witness.name, URL, [witness.note_key], clock)
        self._witness = witness

    async def _ask(self, note: str, old: int, proof: Sequence[bytes]) -> Reply:
        return await self._witness.ask(request_body(note, old, proof))


def checkpoint_of(note: str) -> Checkpoint:
    """Return the checkpoint in a note."""
    return parse_checkpoint(parse_note(note).text)
