"""Who is logged in. Pure: times are ms since boot, random bytes come from the caller; nothing is written.

Room: hall, accounts. `desk` holds it. A session lives in the core's memory and ends with the core: what is stored could be stolen, and a
gateway without a battery clock could not tell how old it is. The token itself is kept nowhere, only its SHA-256.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

TOKEN_BYTES: Final = 32
API_PREFIX: Final = "wm_"
FRESH_S: Final = 300
SESSIONS_MAX: Final = 256
SESSIONS_PER_PERSON: Final = 16


@dataclass(slots=True)
class LoggedIn:
    """One session. `id` is public (pages and the ledger name it); `csrf` is for the pages of this session alone."""

    id: str
    account: str
    """The folded name."""
    source: str
    csrf: str
    since_ms: int
    seen_ms: int
    fresh_until_ms: int
    wall_ms: int
    login: str = ""
    """The name by which a directory was asked."""


class Sessions:
    """All sessions, by the hash of their token. Callers ask `is_over` by what idle and longest times hold for whom, and end it then."""

    def __init__(self) -> None:
        self._by_digest: dict[bytes, LoggedIn] = {}

    def __iter__(self) -> Iterator[LoggedIn]:
        return iter(list(self._by_digest.values()))

    def open(
        self, secret: bytes, account: str, source: str, now_ms: int, wall_ms: int, fresh_ms: int = FRESH_S * 1_000
    ) -> tuple[str, LoggedIn]:
        """Open a session, fresh for `fresh_ms`, and return its token. Too many end the least used one.

        `secret` is TOKEN_BYTES and 24 more random bytes.
        """
        token = text_of(secret[:TOKEN_BYTES])
        more = secret[TOKEN_BYTES:]
        session = LoggedIn(more[:4].hex(), account, source[:64], more[4:20].hex(), now_ms, now_ms, now_ms + fresh_ms, wall_ms)
        own = [(each.seen_ms, key) for key, each in self._by_digest.items() if each.account == account]
        if len(own) >= SESSIONS_PER_PERSON:
            del self._by_digest[min(own)[1]]
        elif len(self._by_digest) >= SESSIONS_MAX:
            del self._by_digest[min((each.seen_ms, key) for key, each in self._by_digest.items())[1]]
        self._by_digest[digest_of(token)] = session
        return token, session

    def by_token(self, token: str) -> LoggedIn | None:
        """Return a token's session, over or not."""
        return self._by_digest.get(digest_of(token))

    def by_id(self, session_id: str) -> LoggedIn | None:
        """Return a session by its public id."""
        return next((each for each in self._by_digest.values() if each.id == session_id), None)

    def end(self, session_id: str) -> bool:
        """End one session; False when there is none."""
        return bool(self._drop(lambda each: each.id == session_id))

    def end_of(self, account: str, *, but: str = "") -> int:
        """End the sessions of an account, except one; return how many."""
        return self._drop(lambda each: each.account == account and each.id != but)

    def _drop(self, which: Callable[[LoggedIn], bool]) -> int:
        found = [key for key, each in self._by_digest.items() if which(each)]
        for key in found:
            del self._by_digest[key]
        return len(found)


def is_over(session: LoggedIn, now_ms: int, idle_ms: int, longest_ms: int) -> bool:
    """Whether a session was left alone, or has lasted, for too long."""
    return now_ms - session.seen_ms >= idle_ms or now_ms - session.since_ms >= longest_ms


def text_of(secret: bytes) -> str:
    """Return random bytes as a token: base64url, 43 characters of 32 bytes."""
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def digest_of(token: str) -> bytes:
    """Return what is kept of a token. A lookup by it tells nothing of other tokens by its time."""
    return sha256(token.encode()).digest()
