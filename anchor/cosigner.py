"""The witness at work: rules, memory, clock and key become cosignatures.

Room: upstream. The server calls `add_checkpoint` in the store's thread. A cosignature is made inside the transaction that
compares with and replaces the remembered checkpoint, and is returned only after that transaction is on disk, so that no
crash and no race can make it sign two histories. It never reads a log's entries; that is `mirror`.
"""

from __future__ import annotations

from collections.abc import Callable

from anchor.store import Store
from anchor.witness import Answer, Remembered, parse_request, refuse_history, refuse_signature
from ledger_client.errors import FormatError, KeyFaultError
from ledger_client.keys import ALG_ED25519, PrivateKey
from ledger_client.note import SIG_COSIGNATURE, Note, NoteKey, cosign, note_key, signature_line

CLOCK_BACK_MAX_S = 10
"""A clock that is behind our last cosignature by less is taken as that time; by more, nothing is signed until it is mended."""

Now = Callable[[], int]
"""Wall time in s since 1970 UTC."""


class Cosigner:
    """One witness identity: a name, a key, a store and a clock."""

    def __init__(self, store: Store, name: str, key: PrivateKey, now_s: Now) -> None:
        if key.public.alg != ALG_ED25519:
            raise KeyFaultError("anchor_key_not_ed25519")
        self.note_key: NoteKey = note_key(name, SIG_COSIGNATURE, key.public)
        self._store = store
        self._key = key
        self._now_s = now_s
        with store.transaction():
            known = store.identity()
            if known is None:
                store.set_identity(self.note_key.vkey, 0)
            elif known[0] != self.note_key.vkey:
                # Another key over this memory would be a witness that forgot, under a name that is trusted not to.
                raise KeyFaultError("anchor_identity_changed", was=known[0], now=self.note_key.vkey)

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer an add-checkpoint request: 200 with a cosignature line, or 400, 403, 404, 409, 422, 503. Raises sqlite3.Error."""
        try:
            request = parse_request(body)
        except FormatError as error:
            return Answer(400, f"{error}\n".encode())
        origin = request.checkpoint.origin
        keys = self._store.keys(origin)
        refusal = refuse_signature(request, keys)
        if refusal is not None:
            return refusal
        with self._store.transaction():
            refusal = refuse_history(request, self._store.latest(origin))
            if refusal is not None:
                return refusal
            time_s = self._time_s()
            if time_s is None:
                return Answer(503, b"the clock of this witness went back\n")
            mine = cosign(request.note.text, self.note_key, time_s, self._key.sign)
            known = {(key.name, key.id) for key in keys}
            kept = tuple(line for line in request.note.signatures if (line.name, line.id) in known)
            note = Note(request.note.text, (*kept, mine)).encode()
            self._store.set_latest(origin, Remembered(request.checkpoint.size, request.checkpoint.root), note, time_s)
            self._store.set_identity(self.note_key.vkey, time_s)
        return Answer(200, signature_line(mine).encode())

    def _time_s(self) -> int | None:
        """Return the time to sign, which never goes back for this key; None when the clock is too far behind to be believed."""
        known = self._store.identity()
        last = known[1] if known else 0
        now = self._now_s()
        return None if now < max(last - CLOCK_BACK_MAX_S, 1) else max(now, last)
