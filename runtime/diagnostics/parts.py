"""The files of a bundle: each a named text, redacted and bounded in size. Pure.

Room: hall, diagnostics. `gather` (of a running core) and `at_rest` (of its state folder) fill a `Parts`. What could not be had is said in
`about.json`, never left out in silence.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from runtime.diagnostics.log_ring import LogLine
from runtime.diagnostics.redaction import Redactor
from runtime.messages.values import moment

FILE_BYTES_MAX: Final = 512 << 10
"""Of one file: what is beyond is cut, and said at its end. It fits into a frame of the feed."""
ALL_BYTES_MAX: Final = 4 << 20
CUT: Final = "\n[cut: {count} more bytes]\n"
ABOUT: Final = "about.json"
FORMAT: Final = "witnessmark-diagnostics 1"


@dataclass(frozen=True, slots=True)
class PartFile:
    """One file, as it is shown and as it is handed out."""

    name: str
    data: bytes

    @property
    def sha256(self) -> str:
        """Its hash, hexadecimal."""
        return sha256(self.data).hexdigest()


class Parts:
    """Collects files; `finish` gives them with `about.json` first. Everything goes through the redactor."""

    def __init__(self, redactor: Redactor, made_ms: int, about: Mapping[str, Any]) -> None:
        self._redactor, self._made_ms, self._about = redactor, made_ms, dict(about)
        self._files: list[PartFile] = []
        self._missing: dict[str, str] = {}
        self._room = ALL_BYTES_MAX - (64 << 10)

    def add_json(self, name: str, value: Any) -> None:
        """Add plain data."""
        self._keep(name, as_json(self._redactor.plain(value)))

    def add_text(self, name: str, text: str) -> None:
        """Add a text."""
        self._keep(name, self._redactor.text(text))

    def attempt(self, name: str, make: Callable[[], Any]) -> None:
        """Add what `make` gives, text as text and the rest as JSON; an OSError or ValueError of it is said instead."""
        try:
            found = make()
        except (OSError, ValueError) as error:
            self.missing(name, getattr(error, "strerror", None) or f"{type(error).__name__}: {error}")
            return
        if isinstance(found, str):
            self.add_text(name, found)
        else:
            self.add_json(name, found)

    def missing(self, name: str, why: str) -> None:
        """Say that something could not be had."""
        self._missing[name] = why[:500]

    def finish(self) -> tuple[PartFile, ...]:
        """Return every file, by name after `about.json`."""
        files = sorted(self._files, key=lambda each: each.name)
        about = {
            "format": FORMAT, "made": moment(self._made_ms), "made_ms": self._made_ms, **self._about,
            "files": [each.name for each in files], "could_not_be_had": self._missing, "redacted": self._redactor.count,
        }  # fmt: skip
        return (PartFile(ABOUT, as_json(self._redactor.plain(about)).encode()), *files)

    def _keep(self, name: str, text: str) -> None:
        data = text.encode("utf-8", "replace")
        most = min(FILE_BYTES_MAX, self._room)
        if len(data) > most:
            kept = data[: max(0, most - 100)]
            data = kept.decode("utf-8", "ignore").encode() + CUT.format(count=len(data) - len(kept)).encode()
        self._room = max(0, self._room - len(data))
        self._files.append(PartFile(name, data))


def log_text(lines: list[LogLine], left_out: int) -> str:
    """Return log lines as a text, a line each; codes stay codes, for whoever searches them."""
    rows = [f"[{left_out} older lines are not kept]"] if left_out else []
    for line in lines:
        fields = " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in line.params.items())
        said = " ".join(part for part in (line.code, fields, line.text) if part)
        rows.append(f"{moment(line.wall_ms)} {line.level:<8} {line.source}: {said}")
    return "".join(row.rstrip() + "\n" for row in rows)


def as_json(value: Any) -> str:
    """Return plain data as JSON for people to read; numbers that JSON lacks become text."""
    return json.dumps(_finite(value), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, list) else value
