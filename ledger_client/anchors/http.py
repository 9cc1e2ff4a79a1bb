"""One bounded HTTP/1.1 request, for talking to an upstream that may be slow, broken or hostile.

Room: ground, anchors. `tlog` and `mirror` call `ask`. It opens a connection, asks once, reads a small reply and closes; it follows
no redirect, keeps no cookie, uses no proxy and never reads more than it was told to. Everything that goes wrong is an
AnchorError (transient: asking again may help). Sources: RFC 9112 (message syntax, chunked coding).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlencode, urlsplit

from ledger_client.errors import AnchorError

HEAD_SIZE_MAX = 16_384
CHUNK_HEAD_MAX = 64


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: status code, headers by lower-case name (the last of a name wins) and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def check_url(url: str) -> SplitResult:
    """Return the parts of an http or https address. Raises AnchorError (not transient) for anything else."""
    try:
        parts = urlsplit(url)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        fine = False
    if not fine or parts.query or parts.fragment or not url.isascii() or any(c.isspace() or not c.isprintable() for c in url):
        raise AnchorError("anchor_url_invalid", transient=False, url=url[:200])
    return parts


async def ask(
    url: str, body: bytes | None = None, *, timeout_s: float, reply_size_max: int, context: ssl.SSLContext | None = None,
    query: Mapping[str, str | int] | None = None, token: str | None = None,
) -> Reply:  # fmt: skip
    """POST a body, or GET where there is none, and return the reply.

    Args:
        url: http or https, no query.
        body: sent as application/octet-stream.
        timeout_s: for everything together: name lookup, connection, TLS, request, reply.
        reply_size_max: most body bytes accepted.
        context: TLS trust for https; the system's roots when None.
        query: names and values behind the question mark; escaped here.
        token: shown as a bearer token; printable ASCII.

    Raises:
        AnchorError: no connection, no reply in time, or bytes that are not a small HTTP reply.
    """
    parts = check_url(url)
    secure = (context or ssl.create_default_context()) if parts.scheme == "https" else None
    port = parts.port or (443 if secure else 80)
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=secure, limit=HEAD_SIZE_MAX)
            # Not drained: one who refuses before he has read it all answers while we still send.
            writer.write(_request_head(parts, body, query or {}, token) + (body or b""))
            return await _read_reply(reader, reply_size_max)
    except TimeoutError as error:
        raise AnchorError("anchor_timeout", timeout_s=timeout_s) from error
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise AnchorError("anchor_reply_invalid", reason=type(error).__name__) from error
    except (OSError, UnicodeError) as error:
        raise AnchorError("anchor_unreachable", reason=type(error).__name__, errno=getattr(error, "errno", None) or 0) from error
    finally:
        if writer is not None:
            # Nothing is owed to the peer any more; a polite close could wait for one that never answers.
            writer.transport.abort()


def trusted_roots(url: str, ca_file: str | None, anchor: str) -> ssl.SSLContext | None:
    """Return the TLS trust for an address, None for plain http. Blocking. Raises AnchorError (not transient): no such file, no PEM."""
    if check_url(url).scheme != "https":
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise AnchorError("anchor_ca_file_invalid", transient=False, anchor=anchor, path=str(ca_file)) from error


def _request_head(parts: SplitResult, body: bytes | None, query: Mapping[str, str | int], token: str | None) -> bytes:
    target = (parts.path or "/") + (f"?{urlencode(query)}" if query else "")
    lines = [
        f"{'GET' if body is None else 'POST'} {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Accept-Encoding: identity",
        "Connection: close",
    ]
    if body is not None:
        lines += ["Content-Type: application/octet-stream", f"Content-Length: {len(body)}"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


async def _read_reply(reader: asyncio.StreamReader, size_max: int) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status_line, *lines = head[:-4].split("\r\n")
    words = status_line.split(" ", 2)
    if len(words) < 2 or words[0] not in {"HTTP/1.1", "HTTP/1.0"} or len(words[1]) != 3 or not _is_number(words[1]):
        raise AnchorError("anchor_reply_invalid", reason="status line")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise AnchorError("anchor_reply_invalid", reason="header")
        headers[name.lower()] = value.strip()
    return Reply(int(words[1]), headers, await _read_body(reader, headers, size_max))


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str], size_max: int) -> bytes:
    if "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            raise AnchorError("anchor_reply_invalid", reason="transfer coding")
        return await _read_chunks(reader, size_max)
    if "content-length" in headers:
        if not _is_number(headers["content-length"]):
            raise AnchorError("anchor_reply_invalid", reason="content length")
        length = int(headers["content-length"])
        if length > size_max:
            raise AnchorError("anchor_reply_too_long", size_max=size_max)
        return await reader.readexactly(length)
    body = bytearray()
    while piece := await reader.read(size_max + 1 - len(body)):
        body += piece
        if len(body) > size_max:
            raise AnchorError("anchor_reply_too_long", size_max=size_max)
    return bytes(body)


async def _read_chunks(reader: asyncio.StreamReader, size_max: int) -> bytes:
    body = bytearray()
    while True:
        head = (await reader.readuntil(b"\r\n"))[:-2].split(b";", 1)[0].strip()
        if not head or len(head) > CHUNK_HEAD_MAX or any(c not in b"0123456789abcdefABCDEF" for c in head):
            raise AnchorError("anchor_reply_invalid", reason="chunk")
        length = int(head, 16)
        if length == 0:
            return bytes(body)  # trailers are not read: the connection ends here
        if len(body) + length > size_max:
            raise AnchorError("anchor_reply_too_long", size_max=size_max)
        body += await reader.readexactly(length)
        if await reader.readexactly(2) != b"\r\n":
            raise AnchorError("anchor_reply_invalid", reason="chunk")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 12
