"""What a gateway that nobody owns says on its console when it starts: how to claim it.

Room: hall. `core_process` and `demo` print it, `accounts claim-code` reads the same file. The code itself goes to a terminal only: what a
service prints is kept in a log that more people read than the file.
"""

from __future__ import annotations

import sys

from ledger_client.disk import RealDisk, read_whole
from runtime.cli.as_called import runnable
from runtime.layout import Layout
from runtime.messages.catalogue import word

SIZE_MAX = 100


def claim_code(layout: Layout) -> str | None:
    """Return the claim code, None when the gateway has an owner. Raises OSError when the file may not be read."""
    data = read_whole(RealDisk(), layout.claim_code, SIZE_MAX)
    return data.decode("ascii", "replace").strip() if data is not None else None


def claim_notice(layout: Layout, *, has_page: bool) -> str | None:
    """Return what to say, with the state folder as it was named; None when there is nothing. Without a page it says just that."""
    try:
        code = claim_code(layout)
    except OSError:
        return None
    if code is None:
        return None
    if not has_page:
        return word("claim_notice_off")
    if sys.stdout.isatty():
        return word("claim_notice", {"code": code})
    return word("claim_notice_command", {"command": f"`{runnable('witnessmark accounts claim-code', layout.state)}`"})
