"""The core's requests to the judge, over the judge's own socket: short, with a deadline, and refused when nobody is there.

Room: hall, judgement. Tenants and the feed's `scores` request use it. A judge that hangs costs whoever asked ASK_S, and nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import ask_once

SOCKET: Final = "judge.sock"
ASK_S: Final = 10.0
FACE: Final = "core"
AWAY: Final = frozenset({"core_away", "request_timeout"})


class Orders:
    """`sockets` is set once the core knows its folder for sockets; before that nobody is there."""

    def __init__(self) -> None:
        self.sockets: Path | None = None

    async def ask(self, method: str, params: Mapping[str, Any], timeout_s: float = ASK_S) -> Any:
        """Ask the judge. Raises RequestRefusedError: its own refusal, or `judge_away`."""
        if self.sockets is None:
            raise RequestRefusedError("judge_away")
        try:
            return await ask_once(self.sockets / SOCKET, FACE, method, params, timeout_s)
        except RequestRefusedError as error:
            if error.code in AWAY:
                raise RequestRefusedError("judge_away") from error
            raise
