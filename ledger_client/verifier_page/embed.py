"""The verifier page as bytes, with or without a policy of the one who hands it out.

Room: ground. The web face serves it and `witnessmark verify-page` writes it out. It never builds the page: that file is committed.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Final

from ledger_client.errors import FormatError
from ledger_client.policy import parse_policy

PAGE_FILE: Final = Path(__file__).with_name("verify.html")
_NO_POLICY: Final = '"policy": null'


def verifier_page(policy: bytes | None = None) -> bytes:
    """Return the page. With a policy's text it judges by that one until its reader brings another, and says so.

    Raises FormatError for a policy that cannot be read, or that is not UTF-8.
    """
    page = _page()
    if policy is None:
        return page.encode()
    parse_policy(policy)
    try:
        text = policy.decode()
    except UnicodeDecodeError as error:
        raise FormatError("policy_faulty", reason="not UTF-8") from error
    # It stands in a script element: what could end that, or begin a comment in it, is written as an escape.
    row = json.dumps(text, ensure_ascii=True).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return page.replace(_NO_POLICY, f'"policy": {row}', 1).encode()


def page_policy_header() -> str:
    """Return the content security policy that the page carries, for a server that sends one too."""
    page = _page()
    start = page.index('http-equiv="Content-Security-Policy" content="')
    return page[start:].split('"', 4)[3]


@cache
def _page() -> str:
    return PAGE_FILE.read_text(encoding="utf-8")
