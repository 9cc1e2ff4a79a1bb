"""QR codes as SVG. The one file that knows the library.

Room: hall. The web face and `witnessmark prove --qr` call it with the link of a proof. It decides nothing about what is in it.
"""

from __future__ import annotations

import io
import re

import segno
from segno import consts

from ledger_client.errors import FormatError

PIXELS_PER_MODULE = 4
QUIET_MODULES = 4
"""White around the code, as ISO/IEC 18004 asks."""


def qr_svg(text: str) -> str:
    """Return a QR code of an address as one SVG element that scales with its box, black on white in every theme.

    Trailing digits are packed as digits: of a proof's link they are nearly all. Error correction is the lowest level, because a code
    on a screen or a sheet is read whole, and a smaller one is read sooner.

    Raises FormatError `link_too_long` when it does not fit the largest code there is.
    """
    found = re.fullmatch(r"(.*?)(\d*)", text, re.DOTALL)
    head, digits = found.groups() if found else (text, "")
    parts = [(part, mode) for part, mode in ((head, consts.MODE_BYTE), (digits, consts.MODE_NUMERIC)) if part]
    try:
        code = segno.make(parts, error="l", micro=False, boost_error=False)  # type: ignore[arg-type]  # its stubs forget the list of parts that its manual describes
    except segno.DataOverflowError as error:
        raise FormatError("link_too_long", size=len(text)) from error
    out = io.BytesIO()
    code.save(
        out, kind="svg", border=QUIET_MODULES, scale=PIXELS_PER_MODULE, light="#fff", xmldecl=False, svgns=True, omitsize=True, nl=False
    )
    return out.getvalue().decode()
