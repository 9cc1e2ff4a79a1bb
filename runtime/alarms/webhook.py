"""A notice by POST of JSON to one configured address. Blocking.

Room: hall, alarms. `word_lane` runs `post` in a thread of `delivery`. It goes to the address of the configuration and nowhere else: it
follows no redirect, uses no proxy of the environment, and of the answer it takes the status. docs/alarms.md says how a receiver checks the
signature.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final
from urllib.parse import urlsplit

from runtime.alarms.delivery import STEP_S, DeliveryError, read_secret, tls_context
from runtime.alarms.notify_options import WebhookTarget

SIGNATURE: Final = "X-Witnessmark-Signature"
TIMESTAMP: Final = "X-Witnessmark-Timestamp"
ANSWER_BYTES_MAX: Final = 4_096


def signature_of(secret: str, timestamp: str, body: bytes) -> str:
    """Return `sha256=` and HMAC-SHA256(secret, timestamp || "." || body) in hexadecimal digits."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def post(options: WebhookTarget, content: Mapping[str, Any], at_ms: int) -> None:
    """Send it. Raises DeliveryError `notify_http_status` for any answer but 2xx, OSError for none."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "witnessmark", "Connection": "close"}
    if options.hmac_file:
        timestamp = str(at_ms // 1000)
        headers |= {TIMESTAMP: timestamp, SIGNATURE: signature_of(read_secret(options.hmac_file), timestamp, body)}
    parts = urlsplit(options.url)
    host = parts.hostname or ""
    link: HTTPConnection
    if parts.scheme == "https":
        link = HTTPSConnection(host, parts.port, timeout=STEP_S, context=tls_context(options.ca_file))
    else:
        link = HTTPConnection(host, parts.port, timeout=STEP_S)
    try:
        link.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        answer = link.getresponse()
        answer.read(ANSWER_BYTES_MAX)
        if not 200 <= answer.status < 300:
            raise DeliveryError("notify_http_status", status=answer.status)
    except HTTPException as error:
        raise DeliveryError("notify_not_http", reason=type(error).__name__) from error
    finally:
        link.close()
