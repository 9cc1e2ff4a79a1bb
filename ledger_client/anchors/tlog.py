"""A C2SP witness as an anchor: POST add-checkpoint, check the cosignature, tell harmless conflicts from rollback and fork.

Room: ground, anchors. Made by `registry`, called by the outbox. It trusts nothing in a reply but a cosignature by a
configured key over exactly the checkpoint that was sent. Sources: C2SP tlog-witness 1.0.0, tlog-cosignature 1.0.1.

What a conflict means (the witness answers 409 and the size S that it cosigned last; ours is N):
  S > N                     we are an older copy: Rollback
  S <= N, not what we sent  a receipt was lost; prove from S and ask once more (counted in `resyncs`)
  S = N = what we sent      the same size under another root: Fork
422 means the proof does not hold against what the witness has. We first ask which size that is, prove from there, and only
a second 422 is a Fork.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ledger_client.anchors.anchor import Clock, ForkError, Prove, RollbackError
from ledger_client.anchors.http import Reply, ask, check_url, trusted_roots
from ledger_client.anchors.mirror import MirrorClient
from ledger_client.checkpoint import Checkpoint
from ledger_client.errors import AnchorError, FormatError
from ledger_client.note import (
    SIG_COSIGNATURE,
    SIGNATURES_MAX,
    Note,
    NoteKey,
    NoteSignature,
    b64,
    check_signature,
    parse_note,
    parse_signature_line,
    parse_vkey,
)
from ledger_client.receipt import AKIND_TLOG, Receipt

REPLY_SIZE_MAX = 16_384
ROUNDS_MAX = 3
"""Requests per submission: the first, one that asks for the size (after a 422), one that proves from it."""

_SIZE_BODY = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


class TlogAnchor:
    """One witness, or one service that answers for several witness keys."""

    def __init__(
        self, name: str, url: str, keys: Sequence[NoteKey], clock: Clock, *, timeout_s: float = 10.0, ca_file: str | None = None,
        mirror: MirrorClient | None = None,
    ) -> None:  # fmt: skip
        """`mirror` is given when the same server holds entries too; the outbox then brings them to it."""
        check_url(url)
        if not keys or any(key.type != SIG_COSIGNATURE for key in keys):
            raise AnchorError("anchor_vkey_not_a_witness", transient=False, anchor=name, option="vkeys")
        self.name = name
        self.url = url
        self.resyncs = 0
        self.mirror = mirror
        self._url = url.rstrip("/") + "/add-checkpoint"
        self._keys = {(key.name, key.id): key for key in keys}
        self._clock = clock
        self._timeout_s = timeout_s
        self._ca_file = ca_file
        self._context: ssl.SSLContext | None = None

    async def __aenter__(self) -> Self:
        """Read the TLS roots once."""
        self._context = trusted_roots(self._url, self._ca_file, self.name)
        if self.mirror is not None:
            self.mirror.context = self._context
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Nothing is kept open between submissions."""
        self._context = None

    async def submit(self, note: str, checkpoint: Checkpoint, old_size: int, prove: Prove) -> Receipt:
        """See Anchor."""
        old, resynced, refused_once = min(old_size, checkpoint.size), False, False
        for _ in range(ROUNDS_MAX):
            reply = await self._ask(note, old, await prove(old))
            if reply.status == 200:
                self.resyncs += resynced
                return self._receipt(note, checkpoint, reply)
            if reply.status == 422:
                if resynced:
                    raise ForkError("anchor_fork", anchor=self.name, size=checkpoint.size, witness_size=old)
                if refused_once or old == 0:  # a proof from nothing is empty: there is nothing to refuse in it
                    raise AnchorError("anchor_reply_unexpected", status=422, anchor=self.name)
                old, refused_once = 0, True
                continue
            if reply.status != 409:
                raise self._refusal(reply)
            known = self._known_size(reply)
            if known > checkpoint.size:
                raise RollbackError("anchor_rollback", anchor=self.name, size=checkpoint.size, witness_size=known)
            if known == old:
                if old == checkpoint.size:
                    raise ForkError("anchor_fork", anchor=self.name, size=checkpoint.size, witness_size=known)
                raise AnchorError("anchor_reply_unexpected", status=409, anchor=self.name)
            if resynced:
                break
            old, resynced = known, True
        raise AnchorError("anchor_resync_unsettled", anchor=self.name)

    async def _ask(self, note: str, old: int, proof: Sequence[bytes]) -> Reply:
        body = request_body(note, old, proof)
        return await ask(self._url, body, timeout_s=self._timeout_s, reply_size_max=REPLY_SIZE_MAX, context=self._context)

    def _known_size(self, reply: Reply) -> int:
        kind = reply.headers.get("content-type", "").split(";", 1)[0].strip().lower()
        if kind != "text/x.tlog.size" or _SIZE_BODY.fullmatch(reply.body) is None:
            raise AnchorError("anchor_reply_invalid", reason="conflict without a size", anchor=self.name)
        return int(reply.body)

    def _refusal(self, reply: Reply) -> AnchorError:
        match reply.status:
            case 403:
                return AnchorError("anchor_refuses_key", transient=False, anchor=self.name)
            case 404:
                return AnchorError("anchor_knows_us_not", transient=False, anchor=self.name)
            case status if status == 429 or status >= 500:
                return AnchorError("anchor_busy", anchor=self.name, status=status)
            case status:
                return AnchorError("anchor_reply_unexpected", transient=False, anchor=self.name, status=status)

    def _receipt(self, note: str, checkpoint: Checkpoint, reply: Reply) -> Receipt:
        """Build the receipt from the lines by known keys; others are dropped, one that does not hold spoils the reply."""
        sent = parse_note(note)
        try:
            text = reply.body.decode()
            if not text.endswith("\n") or text.count("\n") > SIGNATURES_MAX:
                raise FormatError("note_invalid", reason="signature lines")
            found: dict[tuple[str, bytes], NoteSignature] = {}
            for line in map(parse_signature_line, text[:-1].split("\n")):
                key = self._keys.get((line.name, line.id))
                if key is not None:
                    check_signature(sent.text, line, key)
                    found.setdefault((line.name, line.id), line)
        except (FormatError, UnicodeDecodeError) as error:
            raise AnchorError("anchor_cosignature_invalid", anchor=self.name) from error
        if not found:
            raise AnchorError("anchor_cosignature_foreign", transient=False, anchor=self.name)
        evidence = Note(sent.text, (*sent.signatures, *found.values())).encode().encode()
        return Receipt(AKIND_TLOG, self.name, checkpoint.size, checkpoint.root, evidence, self._clock.wall_ms())


def request_body(note: str, old: int, proof: Sequence[bytes]) -> bytes:
    """Return the body of an add-checkpoint request."""
    return (f"old {old}\n" + "".join(f"{b64(step)}\n" for step in proof) + "\n" + note).encode()


def make(name: str, options: Mapping[str, Any], clock: Clock) -> TlogAnchor:
    """Make a witness anchor from its options; raises AnchorError for one that is missing, wrong or unknown.

    Options: `url`, `vkeys` (texts), `timeout_s` = 10, `ca_file`; and `mirror_token_file`, which makes it bring its entries there too,
    with their bodies where `mirror_bodies` = true.
    """
    left = dict(options)
    url, vkeys, timeout_s, ca_file = left.pop("url", None), left.pop("vkeys", None), left.pop("timeout_s", 10.0), left.pop("ca_file", None)
    token_file, bodies = left.pop("mirror_token_file", None), left.pop("mirror_bodies", False)
    faults = {
        "url": not isinstance(url, str),
        "vkeys": not isinstance(vkeys, list | tuple) or not vkeys or not all(isinstance(vkey, str) for vkey in vkeys),
        "timeout_s": isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or not 0 < timeout_s <= 300,
        "ca_file": ca_file is not None and not isinstance(ca_file, str),
        "mirror_token_file": token_file is not None and (not isinstance(token_file, str) or not token_file),
        "mirror_bodies": not isinstance(bodies, bool) or (bodies and token_file is None),
    }
    missing = [option for option, value in (("url", url), ("vkeys", vkeys)) if value is None]
    wrong = [option for option, faulty in faults.items() if faulty]
    for code, found in (("anchor_option_missing", missing), ("anchor_option_unknown", list(left)), ("anchor_option_invalid", wrong)):
        if found:
            raise AnchorError(code, transient=False, anchor=name, option=found[0])
    keys = [_key_of(name, vkey) for vkey in vkeys or ()]
    mirror = None if token_file is None else MirrorClient(name, str(url), Path(token_file), bodies=bodies)
    return TlogAnchor(name, str(url), keys, clock, timeout_s=float(timeout_s), ca_file=ca_file, mirror=mirror)


def _key_of(name: str, vkey: str) -> NoteKey:
    """Read one of `vkeys`. Raises AnchorError, which names it."""
    try:
        return parse_vkey(vkey)
    except FormatError as error:
        code = "anchor_vkey_labelled" if vkey.startswith("vkey:") else "anchor_vkey_invalid"
        raise AnchorError(code, transient=False, anchor=name, option="vkeys", vkey=vkey[:120]) from error
