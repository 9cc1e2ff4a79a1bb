"""What every page does with a request and an answer: language, numbers asked for, JSON.

Room: hall, face. `guard` and the pages call it. It holds nothing and asks nobody.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from runtime.faces.feed import RequestRefusedError
from runtime.messages.catalogue import LANGUAGES, pick_language

THEMES: Final = ("auto", "light", "dark", "contrast")
NO_STORE: Final = {"cache-control": "no-store"}


def as_json(value: Any, status: int = 200) -> Response:
    """Return a JSON answer that is not cached."""
    return Response(msgspec.json.encode(value), status, NO_STORE, "application/json")


def language(request: Request) -> str:
    """Return en or zh: `?lang=` first, then the cookie, then the person's own, then Accept-Language."""
    who = getattr(request.state, "who", None) or {}
    for asked in (request.query_params.get("lang"), request.cookies.get("lang"), who.get("lang")):
        if asked in LANGUAGES:
            return str(asked)
    return pick_language(request.headers.get("accept-language", "en"))


def theme(request: Request) -> str:
    """Return one of THEMES: `?theme=` first, then the cookie."""
    for asked in (request.query_params.get("theme"), request.cookies.get("theme")):
        if asked in THEMES:
            return str(asked)
    return THEMES[0]


def whole_number(request: Request, name: str, default: int) -> int:
    """Return an integer query parameter. Raises RequestRefusedError for anything else."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if len(text) > 16 or not text.removeprefix("-").isdigit() or not text.isascii():
        raise RequestRefusedError("number_invalid", name=name)
    return int(text)
