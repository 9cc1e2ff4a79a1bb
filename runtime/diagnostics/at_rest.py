"""The parts of a bundle of a gateway whose core does not answer: what its state folder tells, and what could not be had.

Room: hall, diagnostics. The verb `diagnose` calls it. It opens the folder for reading only. Blocking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ledger_client.disk import RealDisk
from runtime.clock import SystemClock
from runtime.diagnostics.folder_facts import ledger_files, newest_config
from runtime.diagnostics.gather import add_of_folder
from runtime.diagnostics.known_secrets import secrets_in_text
from runtime.diagnostics.parts import PartFile, Parts
from runtime.diagnostics.redaction import Redactor
from runtime.layout import Layout
from runtime.version import VERSION

ONLY_LIVE: Final = ("alarms.json", "lines.json", "log.txt", "models.json", "processes.json")
"""What only a running core has."""


def parts_at_rest(state: Path, why: str, status: Callable[[Path], Mapping[str, Any]]) -> tuple[PartFile, ...]:
    """Return every file; `why` the core was not asked, `status` what its ledger says when nobody runs it."""
    disk, layout = RealDisk(), Layout(state)
    lacking = "empty"  # which is what a power cut leaves
    try:
        config = newest_config(disk, layout)
        known = secrets_in_text(config)
    except OSError as error:
        config, known, lacking = "", [], error.strerror or type(error).__name__
    parts = Parts(Redactor(known), SystemClock().wall_ms(), {"source": "state folder", "version": VERSION, "why": why})
    if config:
        parts.add_text("config.toml", config)
    else:
        parts.missing("config.toml", lacking)
    parts.attempt("status.json", lambda: dict(status(state)))
    parts.attempt("ledger.json", lambda: ledger_files(disk, layout))
    add_of_folder(parts, disk, layout)
    for name in ONLY_LIVE:
        parts.missing(name, why)
    return parts.finish()
