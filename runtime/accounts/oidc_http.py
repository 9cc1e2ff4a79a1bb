"""HTTPS to an OpenID provider: one request, one JSON object back, small and soon. Blocking.

Room: hall, accounts. `oidc_ask` calls it, in the child process that has the deadline. It follows no redirect, uses no proxy, keeps no
connection, and speaks with nobody whose certificate does not hold.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from runtime.accounts.directory import AWAY, DirectoryError

ANSWER_BYTES_MAX: Final = 256 << 10
STEP_S: Final = 5.0
"""For each step of a connection; the child's deadline is for all of them."""
OAUTH_ERRORS: Final = frozenset(
    {
        "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
        "access_denied", "server_error", "temporarily_unavailable",
    }
)  # fmt: skip
"""What a refusal may be called (RFC 6749, 4.1.2.1 and 5.2). Nothing else is passed on: it might repeat what it was sent, our secret."""


def fetch(url: str, ca_file: str, form: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what a GET, or with `form` a POST, answers. Raises DirectoryError AWAY; of a refusal, OAuth's own `error` is the reason."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise DirectoryError(AWAY, f"an address that is none: {url}") from error
    if parts.scheme != "https" or not parts.hostname or parts.username is not None or not url.isascii() or any(ord(c) <= 32 for c in url):
        raise DirectoryError(AWAY, f"an address that is not https: {url}")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {"Accept": "application/json", **(headers or {})}
    if form is not None:
        sent["Content-Type"] = "application/x-www-form-urlencoded"
    try:
        connection = http.client.HTTPSConnection(parts.hostname, parts.port or 443, timeout=STEP_S, context=_context(ca_file))
        try:
            connection.request("GET" if form is None else "POST", path, None if form is None else urlencode(form), sent)
            with connection.getresponse() as answer:
                body, status = answer.read(ANSWER_BYTES_MAX + 1), answer.status
        finally:
            connection.close()
    except ssl.SSLError as error:
        raise DirectoryError(AWAY, f"TLS: {getattr(error, 'verify_message', '') or error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DirectoryError(AWAY, f"{parts.hostname}: {type(error).__name__}: {error}") from error
    return _object(status, body, parts.hostname)


def _context(ca_file: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise DirectoryError(AWAY, f"ca_file cannot be read: {ca_file}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _object(status: int, body: bytes, host: str) -> dict[str, Any]:
    if len(body) > ANSWER_BYTES_MAX:
        raise DirectoryError(AWAY, f"{host}: more than {ANSWER_BYTES_MAX} bytes")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise DirectoryError(AWAY, f"{host}: status {status}, no JSON") from error
    if not isinstance(found, dict):
        raise DirectoryError(AWAY, f"{host}: status {status}, no JSON object")
    if status != 200:
        said = found.get("error")
        known = isinstance(said, str) and said in OAUTH_ERRORS
        raise DirectoryError(AWAY, f"{host}: status {status}, {said if known else 'no error that OAuth knows'}")
    return found
