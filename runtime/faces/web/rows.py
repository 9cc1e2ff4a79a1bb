"""A row of the table of routes: what is served where, who may ask, what goes in and comes out. Pure.

Room: hall, face. Each part of the web face returns rows; `guard` stands before each endpoint, `openapi` describes them, and tests walk
them. A row decides nothing by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
from starlette.requests import Request

ANYONE: Final = "anyone"
"""The action of what is open before anybody signed in: signing in itself, texts, the health answer."""
SIGNED_IN: Final = "signed_in"
"""The action of what every person who signed in may do with their own session."""
Endpoint = Callable[[Request], Awaitable[Any]]
"""Returns a Response, or data for a JSON answer. Raises RequestRefusedError."""


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One route. `action` is one of `permissions.ACTIONS`, ANYONE or SIGNED_IN; `doc` is a message code that says what it is for.

    Before the endpoint runs, `request.state` has `who` (see the feed's `account.who`, or None), `token`, `body` (a `takes`, or None) and
    `query` (a `query`, or None). A page answers a person (HTML, redirects to sign in), anything else a program (problem+json).
    """

    method: str
    path: str
    action: str
    endpoint: Endpoint
    takes: type[msgspec.Struct] | None = None
    gives: Any = None
    query: type[msgspec.Struct] | None = None
    doc: str = ""
    is_page: bool = False
    media: str = "application/json"
    """What a good answer is made of; a page is text/html."""
    form: bool = False
    """Whether a plain HTML form may send it: fields instead of JSON, and a `csrf` field instead of the header."""


class Part(Protocol):
    """One part of the face; it is made with the `Face`."""

    def routes(self) -> list[RouteRow]:
        """Return its rows."""
        ...
