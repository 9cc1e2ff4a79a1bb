"""What every page does with a request and an answer: language, numbers asked for, JSON, refusals in words.

Room: hall, face. `app` and the pages beside it call it. It holds nothing and asks nobody.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from runtime.faces.feed import RequestRefusedError
from runtime.messages.catalogue import pick_language, word

ANONYMOUS = "viewer"
"""The role of whoever opens a page, until accounts exist."""
Endpoint = Callable[[Request], Awaitable[Response]]
REFUSAL_STATUS = {
    "permission_denied": 403,
    "page_missing": 404,
    "core_away": 503,
    "history_away": 503,
    "busy": 503,
    "request_timeout": 504,
    "proof_not_ready": 409,
    "proof_no_witness": 409,
}


def refusal(request: Request, refused: RequestRefusedError) -> Response:
    """Return an error as JSON: code, parameters and words."""
    body = {"error": refused.code, "params": refused.params, "text": word(refused.code, refused.params, language(request))}
    return as_json(body, REFUSAL_STATUS.get(refused.code, 400))


def as_json(value: Any, status: int = 200) -> Response:
    """Return a JSON answer that is not cached."""
    return Response(msgspec.json.encode(value), status, {"cache-control": "no-store"}, "application/json")


def language(request: Request) -> str:
    """Return en or zh: `?lang=` first, then Accept-Language."""
    asked = request.query_params.get("lang")
    return pick_language(asked or request.headers.get("accept-language", "en"))


def whole_number(request: Request, name: str, default: int) -> int:
    """Return an integer query parameter. Raises RequestRefusedError for anything else."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if len(text) > 16 or not text.removeprefix("-").isdigit() or not text.isascii():
        raise RequestRefusedError("number_invalid", name=name)
    return int(text)
