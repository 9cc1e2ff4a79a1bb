"""Which configuration a verb works on: that of the running gateway, else that of a file.

Room: hall. `tags` and `scan` take it from here. It reads and never writes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runtime.cli.read_once import config_of
from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import ask_once
from runtime.run_folder import feed_of

ASK_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a configuration: in force in the running gateway (`revision`), or of a file."""

    text: str
    revision: int | None
    file: Path


def running_source(state: Path) -> Source | None:
    """Return the configuration of the running gateway, None where none runs. Raises RequestRefusedError."""
    try:
        answer = asyncio.run(ask_once(feed_of(state), "cli", "config", {}, ASK_S))
    except RequestRefusedError as error:
        if error.code == "core_away":
            return None
        raise
    return Source(answer["text"], answer["revision"], Path())


def file_source(state: Path, config: Path | None) -> Source:
    """Return the configuration of a file, or of a state folder. Raises OSError, UnicodeDecodeError."""
    file = config or config_of(state)
    return Source(file.read_text(encoding="utf-8"), None, file)
