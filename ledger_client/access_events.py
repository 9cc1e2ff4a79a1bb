"""The body of the event entries that say who came in, who went, and who was refused: logins, logouts, wrong passwords. Pure.

Room: ground. The core encodes them, verifiers check their shape, the command line and the pages word them. There is no password, token or
code in one, and no name that is not an account's. Source: docs/ledger-format.md section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger_client import cbor
from ledger_client.details import is_int, is_text, is_uint
from ledger_client.errors import FormatError

ACCESS: Final = "https://witnessmark.example/event/access"
VERSION: Final = 1
SIZE_MAX: Final = 4 << 10
LOGIN, LOGOUT, LOGIN_FAILED, AGAIN_FAILED, CLAIM_FAILED, ENDED = (
    "login", "logout", "login_failed", "again_failed", "claim_failed", "ended",
)  # fmt: skip
WHAT: Final = frozenset({LOGIN, LOGOUT, LOGIN_FAILED, AGAIN_FAILED, CLAIM_FAILED, ENDED})


@dataclass(frozen=True, slots=True)
class AccessBody:
    """What happened `count` times between two wall times. `name` is empty where no account was meant, `session` where there is none.

    `source` is where the face says that it came from; empty: from several places, more than are told one by one.
    """

    what: str
    name: str
    session: str
    source: str
    face: str
    count: int
    from_ms: int
    to_ms: int

    def encode(self) -> bytes:
        """Return the body."""
        row = [VERSION, self.what, self.name, self.session, self.source, self.face, self.count, self.from_ms, self.to_ms]
        return cbor.encode(row)


def read_access(type_uri: str, version: int, body: bytes) -> AccessBody | None:
    """Return what an event entry's body says; None for another type or version. Raises FormatError `event_body_invalid`."""
    if type_uri != ACCESS or version != VERSION:
        return None
    match cbor.decode(body, size_max=SIZE_MAX, what="event body"):
        case [number, str(what), name, session, source, face, count, from_ms, to_ms] if (
            is_uint(number)
            and number == VERSION
            and what in WHAT
            and all(is_text(text) for text in (name, session, source, face))
            and is_uint(count)
            and count > 0
            and is_int(from_ms)
            and is_int(to_ms)
            and from_ms <= to_ms
        ):
            return AccessBody(what, name, session, source, face, count, from_ms, to_ms)
    raise FormatError("event_body_invalid", type=type_uri)
