"""The fingerprint of the page's certificate, to be compared by whoever opens the page from another machine.

Room: hall, face. The first steps show it. It reads a certificate and never a key.
"""

from __future__ import annotations

import ssl
from hashlib import sha256
from pathlib import Path
from typing import Final

from runtime.web_names import CERTIFICATE_FILE

CERTIFICATE_SIZE_MAX: Final = 100_000


def fingerprint(folder: Path | None) -> str:
    """Return the fingerprint of the page's certificate as browsers show it, empty where there is none yet. Blocking."""
    if folder is None:
        return ""
    try:
        with (folder / CERTIFICATE_FILE).open(encoding="ascii") as file:
            text = file.read(CERTIFICATE_SIZE_MAX)
        first = text[: text.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)]
        return sha256(ssl.PEM_cert_to_DER_cert(first)).digest().hex(":").upper()
    except (OSError, ValueError):
        return ""
