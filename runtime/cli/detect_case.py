"""The case file of the verb `detect`: a detective's case as JSON, kept between two runs.

Room: hall. `detect_verb` calls it. A damaged file is refused, never half used.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from ledger_client.disk import RealDisk, write_atomically
from runtime.commissioning.looks import Case, CaseError, checked, new_case

CASE_SIZE_MAX: Final = 4 << 20


def saved_case(path: Path | None) -> Case:
    """Return the case of a file, or a new one. Raises CaseError."""
    try:
        if path is None or not path.exists():
            return new_case()
        if path.stat().st_size > CASE_SIZE_MAX:
            raise CaseError("too long")
        return checked(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CaseError(error.strerror or "unreadable") from error
    except (ValueError, RecursionError) as error:
        raise CaseError(str(error)[:80] or "not a case") from error


def save_case(path: Path | None, case: Case) -> None:
    """Write the case where a file was named, whole or not at all. Raises OSError."""
    if path is not None:
        write_atomically(RealDisk(), path, json.dumps(case).encode())
