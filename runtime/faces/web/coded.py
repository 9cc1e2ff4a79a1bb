"""Our texts name commands and options between backticks; a page shows what stands between them as code.

Room: hall, face. `face` gives it to the templates as the filter `coded`.
"""

from __future__ import annotations

import re
from typing import Final

from markupsafe import Markup, escape

QUOTED: Final = re.compile(r"`([^`]*)`")


def coded(text: object) -> Markup:
    """Return a text as HTML: escaped, with `…` in it as code."""
    parts = QUOTED.split(str(text))
    return Markup().join(Markup("<code>{}</code>").format(part) if n % 2 else escape(part) for n, part in enumerate(parts))
