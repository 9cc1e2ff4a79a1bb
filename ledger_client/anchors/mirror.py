"""The client of a mirror: brings it entries, asks what it holds, reads them back.

Room: ground, anchors. `outbox_mirror` brings and samples, `ledger fetch` reads everything. One bounded question each; retries,
order and what an answer means are theirs. A mirror's answer is no evidence: what it says that it holds counts only as far as it
serves it. Source: docs/writing-an-anchor.md, "The mirror".
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger_client.anchors.http import Reply, ask, check_url
from ledger_client.anchors.package import Held, parse_held
from ledger_client.errors import AnchorError, FormatError
from ledger_client.note import NOTE_SIZE_MAX
from ledger_client.token import read_token

TIMEOUT_S: Final = 60.0
"""For one package or one read: on a line of 20 kB/s a mebibyte takes most of it."""
PROGRESS_SIZE_MAX: Final = 1_000
READ_SIZE_MAX: Final = 25 << 20
"""A mirror answers with about 8 MiB, but one entry with its body always fits."""
INFO_TYPE: Final = "text/x.tlog.mirror-info"

_PROGRESS = re.compile(rb"(0|[1-9][0-9]{0,18})\n(0|[1-9][0-9]{0,18})\n\n")


@dataclass(frozen=True, slots=True)
class Progress:
    """What a mirror said to a package. `taken`: as sent. `size`: a cosigned size to prove against. `next_seq`: the first it lacks."""

    taken: bool
    size: int
    next_seq: int


class EntriesRefusedError(AnchorError):
    """The mirror finds that what we sent is not in the tree that it cosigned (422)."""


class MirrorClient:
    """One mirror. `load_token` comes before the first request, and again whenever a mended file should count."""

    def __init__(
        self, name: str, url: str, token_file: Path, *, bodies: bool = False, context: ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:  # fmt: skip
        check_url(url)
        self.name = name
        self.bodies = bodies
        self.context = context
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._token: str | None = None
        self._timeout_s = timeout_s

    def load_token(self) -> None:
        """Read the token's file. Blocking. Raises KeyFaultError."""
        self._token = read_token(self._token_file)

    async def add(self, origin: str, package_raw: bytes) -> Progress:
        """Bring an encoded package. Raises AnchorError, EntriesRefusedError."""
        reply = await self._ask("/add-entries", {"origin": origin}, package_raw, PROGRESS_SIZE_MAX)
        if reply.status == 422:
            raise EntriesRefusedError("mirror_refuses_entries", transient=False, anchor=self.name)
        if reply.status not in {200, 202, 409}:
            raise self._refusal(reply.status)
        kind = reply.headers.get("content-type", "").split(";", 1)[0].strip().lower()
        found = _PROGRESS.fullmatch(reply.body)
        if kind != INFO_TYPE or found is None:
            raise AnchorError("anchor_reply_invalid", reason="no progress", anchor=self.name)
        return Progress(reply.status != 409, int(found[1]), int(found[2]))

    async def read(self, origin: str, start: int, count: int, *, size_max: int = READ_SIZE_MAX) -> list[Held]:
        """Return held entries from `start` on, at most `count`; fewer, or none, where it holds or sends no more.

        Bodies fit their entries, and entries their numbers; nothing else is proven yet. Raises AnchorError.
        """
        reply = await self._ask("/entries", {"origin": origin, "start": start, "count": count}, None, size_max)
        if reply.status != 200:
            raise self._refusal(reply.status)
        try:
            first, held = parse_held(reply.body, size_max)
        except FormatError as error:
            raise AnchorError("anchor_reply_invalid", reason=error.code, anchor=self.name) from error
        if first != start or len(held) > count:
            raise AnchorError("anchor_reply_invalid", reason="other entries", anchor=self.name)
        return held

    async def checkpoint(self, origin: str) -> str:
        """Return the newest note that it cosigned, unverified. Raises AnchorError."""
        reply = await self._ask("/checkpoint", {"origin": origin}, None, NOTE_SIZE_MAX)
        if reply.status != 200:
            raise self._refusal(reply.status)
        try:
            return reply.body.decode()
        except UnicodeDecodeError as error:
            raise AnchorError("anchor_reply_invalid", reason="note", anchor=self.name) from error

    async def _ask(self, path: str, query: dict[str, str | int], body: bytes | None, size_max: int) -> Reply:
        return await ask(
            self._url + path, body, timeout_s=self._timeout_s, reply_size_max=size_max, context=self.context,
            query=query, token=self._token,
        )  # fmt: skip

    def _refusal(self, status: int) -> AnchorError:
        match status:
            case 403:
                return AnchorError("mirror_refuses_token", transient=False, anchor=self.name)
            case 404:
                return AnchorError("mirror_not_there", transient=False, anchor=self.name)
            case 507:
                return AnchorError("mirror_full", transient=False, anchor=self.name)
            case status if status in {408, 429} or status >= 500:
                return AnchorError("anchor_busy", anchor=self.name, status=status)
            case status:
                return AnchorError("anchor_reply_unexpected", transient=False, anchor=self.name, status=status)
