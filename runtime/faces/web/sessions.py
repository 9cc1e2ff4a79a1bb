"""Who a request is from: the token that it carries, and what the core says about it, remembered for a moment.

Room: hall, face. `guard` asks it before every endpoint. The core alone keeps accounts and sessions; this process holds no secret but the
tokens of the requests under way, and names a remembered one by its hash. It decides nothing: `permissions` does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from starlette.requests import Request

from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import FeedClient

COOKIE: Final = "witnessmark"
COOKIE_TLS: Final = "__Host-witnessmark"
TOKEN_LENGTH_MAX: Final = 128
ASK_S: Final = 5.0
REMEMBERED_S: Final = 2.0
"""How long a page may show what a session that was ended could see; the core checks every act itself, at once."""
AWAY_S: Final = 900.0
"""How long somebody who was signed in still sees the pages, struck and all, while the core is away."""
REMEMBERED_MAX: Final = 512
NO_ACCOUNTS: Final = {"claimed": False, "people": 0, "open_view": True}
"""What a core that knows no accounts means: the page of this machine alone."""
UNHEARD: Final = {"claimed": True, "people": 0, "open_view": False, "unheard": True}
"""Before the core said anything nothing is open, and nobody is sent to sign in where nobody could answer."""
Who = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """A request's token, how it came (`cookie`, `bearer` or none), and who that is; `fault` is why a token given is nobody's."""

    token: str | None
    way: str
    who: Who | None
    fault: RequestRefusedError | None = None


class Sessions:
    """`caller` of a request, and `state` of the accounts."""

    def __init__(self, feed: FeedClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._feed, self._clock = feed, clock
        self._known: dict[bytes, tuple[float, Who]] = {}
        self._state: tuple[float, Mapping[str, Any]] | None = None

    async def caller(self, request: Request, *, quiet: bool = False) -> Caller:
        """Return who asks; `quiet` when a page asks by itself, which keeps no session alive. Nobody is refused here."""
        token, way = token_of(request)
        if token is None:
            return Caller(None, "", None)
        try:
            return Caller(token, way, await self._who(token, quiet=quiet))
        except RequestRefusedError as refused:
            return Caller(token, way, None, refused)

    async def state(self) -> Mapping[str, Any]:
        """Return {claimed, people, open_view}; while the core is away what it said last, or UNHEARD."""
        now = self._clock()
        if self._state is not None and now - self._state[0] < REMEMBERED_S:
            return self._state[1]
        try:
            found = await self._feed.request("account.state", {}, ASK_S)
        except RequestRefusedError as refused:
            if refused.code == "method_unknown":
                found = NO_ACCOUNTS
            else:
                return self._state[1] if self._state else UNHEARD
        self._state = (now, found)
        return self._state[1]

    def forget(self, token: str | None = None) -> None:
        """Ask the core again next time: a session began, changed or ended."""
        self._state = None
        if token is None:
            self._known.clear()
        else:
            self._known.pop(_name(token), None)

    async def _who(self, token: str, *, quiet: bool) -> Who:
        name, now = _name(token), self._clock()
        known = self._known.get(name)
        if known is not None and now - known[0] < REMEMBERED_S:
            return known[1]
        try:
            who: Who = await self._feed.request("account.who", {"token": token, "quiet": quiet}, ASK_S)
        except RequestRefusedError as refused:
            if known is not None and refused.code in {"core_away", "request_timeout"} and now - known[0] < AWAY_S:
                return known[1]
            if refused.code not in {"core_away", "request_timeout"}:
                self._known.pop(name, None)
            raise
        self._known.pop(name, None)
        self._known[name] = (now, who)
        while len(self._known) > REMEMBERED_MAX:
            del self._known[next(iter(self._known))]
        return who


def token_of(request: Request) -> tuple[str | None, str]:
    """Return a request's token and `bearer` or `cookie`.

    An Authorization header wins, so that an API call never acts as somebody's cookie.
    """
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme:
        given = given.strip()
        return (given if scheme.lower() == "bearer" and 0 < len(given) <= TOKEN_LENGTH_MAX and given.isascii() else ""), "bearer"
    kept = request.cookies.get(cookie_name(request))
    if kept and len(kept) <= TOKEN_LENGTH_MAX and kept.isascii():
        return kept, "cookie"
    return None, ""


def cookie_name(request: Request) -> str:
    """Return the session cookie's name: the strict prefix needs TLS, which loopback without it has not."""
    return COOKIE_TLS if request.url.scheme == "https" else COOKIE


def _name(token: str) -> bytes:
    return sha256(token.encode()).digest()
