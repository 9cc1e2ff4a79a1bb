"""One message of syslog and its frame. Pure. Sources: RFC 5424 (message), RFC 5425 (octet counting over TLS), RFC 5612 (number 32473).

Room: hall, syslog. `teller` makes messages of acts and of access events. Whatever people typed into a reason or a name is data: it can
begin no second message, end no field, and move no terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

AUDIT: Final = 13
SECURITY: Final = 10
"""Facilities: log audit, security and authorization (private)."""
WARNING, NOTICE, INFORMATIONAL = 4, 5, 6
VALUE_MAX: Final = 256
SIZE_MAX: Final = 8_192
"""What a receiver should accept (RFC 5425 section 4.3.1)."""
OURS: Final = "witnessmark@32473"
"""32473 is the number that stands for nobody's own: we have none."""
APP: Final = "witnessmark"
_BOM: Final = "\ufeff"


def message(
    *, facility: int, severity: int, wall_ms: int | None, host: str, process: int, kind: str, fields: Mapping[str, str | int], text: str
) -> bytes:  # fmt: skip
    """Return one message. `wall_ms` None: the clock is not set, no time is claimed. `kind` is the MSGID, `fields` the structured data."""
    time = "-" if wall_ms is None else datetime.fromtimestamp(wall_ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    data = "".join(f' {_name(name)}="{_value(str(value))}"' for name, value in fields.items())
    head = f"<{facility * 8 + severity}>1 {time} {_printable(host, 255)} {APP} {process} {_printable(kind, 32)} [{OURS}{data}] {_BOM}"
    return (head + _clean(text, 1_000)).encode()[:SIZE_MAX].decode(errors="ignore").encode()


def frame(raw: bytes) -> bytes:
    """Return a message as it goes over TLS: its length, a space, itself."""
    return f"{len(raw)} ".encode() + raw


def _name(text: str) -> str:
    return "".join(char for char in text if char.isascii() and (char.isalnum() or char in "_-."))[:32] or "-"


def _value(text: str) -> str:
    return _clean(text, VALUE_MAX).replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def _printable(text: str, most: int) -> str:
    return "".join(char for char in text if "!" <= char <= "~")[:most] or "-"


def _clean(text: str, most: int) -> str:
    """Return text without what moves a terminal or begins a line: control, format and other unseen characters become spaces."""
    return "".join(char if char.isprintable() else " " for char in text[:most])
