"""Refusals on the wire: RFC 9457 problem details with a code and its words, and the HTTP status that belongs to a code.

Room: hall, face. `guard` turns every RequestRefusedError into one. It never carries a traceback, a path of the machine or a secret.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from runtime.diagnostics.redaction import Redactor
from runtime.faces.feed import RequestRefusedError
from runtime.messages.catalogue import word
from runtime.messages.refusals import refused_text

STATUS: Final = {
    "act_unknown": 404,
    "answer_failed": 500,
    "acts_busy": 503,
    "body_too_large": 413,
    "busy": 503,
    "core_away": 503,
    "csrf_missing": 403,
    "diag_bundle_gone": 404,
    "diag_busy": 503,
    "diag_not_made": 409,
    "diag_part_unknown": 404,
    "directory_away": 503,
    "directory_disabled": 403,
    "directory_no_role": 403,
    "directory_off": 404,
    "directory_wait": 403,
    "fresh_needed": 403,
    "history_away": 503,
    "login_busy": 503,
    "login_refused": 403,
    "method_not_allowed": 405,
    "method_unknown": 501,
    "origin_foreign": 403,
    "page_missing": 404,
    "password_must_change": 403,
    "permission_denied": 403,
    "probe_busy": 503,
    "probe_not_configured": 403,
    "proof_no_witness": 409,
    "proof_not_ready": 409,
    "request_timeout": 504,
    "session_gone": 401,
    "sign_in_needed": 401,
    "sso_clock_unset": 503,
    "sso_denied": 403,
    "sso_state": 403,
}
"""Code -> HTTP status; any other code is a request that cannot be carried out as it is: 422 when it was well formed, 400 when not."""
MALFORMED: Final = frozenset({"number_invalid", "query_invalid", "query_lacks", "body_unreadable"})
MEDIA: Final = "application/problem+json"


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457. `type` names the code, `detail` says what, where and what to do; `params` are the code's own."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    params: dict[str, Any]


def status_of(code: str) -> int:
    """Return the HTTP status of a code."""
    return STATUS.get(code, 400 if code in MALFORMED else 422)


def problem(refused: RequestRefusedError, lang: str, *, by_role: bool = True) -> Response:
    """Return a refusal as an answer for a program; `by_role` as `refused_text` takes it."""
    status, params = status_of(refused.code), Redactor().plain(refused.params)
    title, detail = word(f"web.status.{status}", None, lang), refused_text(refused.code, params, lang, by_role=by_role)
    told = Problem(f"urn:witnessmark:problem:{refused.code}", title, status, detail, refused.code, params)
    return Response(msgspec.json.encode(told), status, answer_headers(refused), MEDIA)


def answer_headers(refused: RequestRefusedError) -> dict[str, str]:
    """Return the headers that a refusal brings with it."""
    headers = {"cache-control": "no-store"}
    if status_of(refused.code) == 401:
        headers["www-authenticate"] = 'Bearer realm="witnessmark"'
    wait_s = refused.params.get("retry_after_s")
    if isinstance(wait_s, int | float):
        headers["retry-after"] = str(max(1, round(wait_s)))
    return headers


def is_by_role(request: Request) -> bool:
    """Tell whether whoever asks may what their role may; of a token its scope says."""
    return (getattr(request.state, "who", None) or {}).get("kind") != "token"


def said(request: Request) -> str:
    """Return the language of a request's answer, as `guard` found it; English before that."""
    return str(getattr(request.state, "lang", "en"))
