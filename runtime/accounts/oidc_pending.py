"""People who were sent to an OpenID provider and have not come back yet: what must fit when they do. Pure; bounded; each good once.

Room: hall, accounts. `oidc_desk` holds it. Times are ms since boot. The state belongs to one browser: what it carries meanwhile
(`binding`, a cookie) is kept here as its hash only, so that nobody finishes what somebody else began.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode

from runtime.accounts.attempts import place_of

RANDOM_BYTES: Final = 32
WAIT_MS: Final = 600_000
PENDING_MAX: Final = 64
PENDING_PER_PLACE: Final = 8


@dataclass(frozen=True, slots=True)
class Pending:
    """One who is away. `session` is the session that wants to be fresh again, empty at a sign-in."""

    nonce: str
    verifier: str
    binding: bytes
    source: str
    next: str
    session: str
    since_ms: int
    wall_s: int
    endpoints: dict[str, str]
    provider: object = None
    """The options by which they left: a code is redeemed by no others, nor any secret sent to who was asked before."""


class PendingSignIns:
    """`begin` when somebody leaves, `take` when somebody comes back."""

    def __init__(self) -> None:
        self._waiting: dict[str, Pending] = {}

    def begin(
        self, random: bytes, source: str, target: str, session: str, now_ms: int, wall_s: int, endpoints: dict[str, str],
        provider: object = None,
    ) -> tuple[str, str, Pending]:  # fmt: skip
        """Return state, the browser's own secret, and what waits. `random` is 4 x RANDOM_BYTES. Too many push out the oldest."""
        state, nonce, verifier, binding = (_text(random[at : at + RANDOM_BYTES]) for at in range(0, 4 * RANDOM_BYTES, RANDOM_BYTES))
        self._waiting = {key: each for key, each in self._waiting.items() if now_ms - each.since_ms < WAIT_MS}
        own = [key for key, each in self._waiting.items() if place_of(each.source) == place_of(source)]
        if len(own) >= PENDING_PER_PLACE:
            del self._waiting[own[0]]
        elif len(self._waiting) >= PENDING_MAX:
            del self._waiting[next(iter(self._waiting))]
        made = Pending(nonce, verifier, _digest(binding), source, target, session, now_ms, wall_s, endpoints, provider)
        self._waiting[state] = made
        return state, binding, made

    def take(self, state: str, binding: str, now_ms: int) -> Pending | None:
        """Return what waited under a state, once, for the browser that began it; None for anything else."""
        found = self._waiting.get(state)
        if found is None or not hmac.compare_digest(found.binding, _digest(binding)):
            return None
        del self._waiting[state]
        return found if now_ms - found.since_ms < WAIT_MS else None


def address(pending: Pending, state: str, client_id: str, redirect_uri: str, scopes: list[str]) -> str:
    """Return where a browser is sent: code flow with PKCE (S256); who proves themselves again must do so at the provider too."""
    asked: dict[str, Any] = {
        "response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri, "scope": " ".join(scopes), "state": state,
        "nonce": pending.nonce, "code_challenge": _text(sha256(pending.verifier.encode()).digest()), "code_challenge_method": "S256",
    }  # fmt: skip
    if pending.session:
        asked |= {"prompt": "login", "max_age": 0}
    endpoint = pending.endpoints["authorization_endpoint"]
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"


def _text(secret: bytes) -> str:
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def _digest(binding: str) -> bytes:
    return sha256(binding.encode()).digest()
