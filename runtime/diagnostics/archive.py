"""A zip of files, the same bytes for the same files: no time, no owner, one level, in the order that is given. Pure.

Room: hall, diagnostics. Source of the format: APPNOTE.TXT of PKWARE, as Python's zipfile writes it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from typing import Final

from runtime.diagnostics.parts import PartFile

LEVEL: Final = 6
EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest moment that the format knows."""


def zip_of(files: Iterable[PartFile]) -> bytes:
    """Return the archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for each in files:
            info = zipfile.ZipInfo(each.name, EPOCH)
            info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(info, each.data, compresslevel=LEVEL)
    return out.getvalue()
