"""Asking the core of a gateway that runs as processes of its own, and its door, over the feed as a face does.

Room: tests.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import ask_once

Ask = Callable[..., Awaitable[Any]]
"""Asks the core: a method, and its parameters by name."""


def asker(state: Path, face: str = "web", *, early_s: float = 0.0) -> Ask:
    """Return what asks the core of this state folder, each time by a connection of its own.

    `early_s`: how long the first question waits, since the socket is there a moment before anybody listens at it.
    """
    early_until = time.monotonic() + early_s

    async def ask(method: str, **params: Any) -> Any:
        nonlocal early_until
        while True:
            try:
                answer = await ask_once(state / "run" / "feed.sock", face, method, params, 30)
            except RequestRefusedError as refused:
                if refused.code != "core_away" or time.monotonic() >= early_until:
                    early_until = 0.0
                    raise
                await asyncio.sleep(0.05)
            else:
                early_until = 0.0
                return answer

    return ask


def act(
    token: str | None, action: str, target: str = "", /, *, revision: int | None = None, reason: str = "test", **params: Any
) -> dict[str, Any]:
    """Return the parameters of the method act, each time with a number of its own.

    Without a token it is the user of this machine who acts; `revision` is the one of the configuration that the act is about.
    """
    asked = {"id": os.urandom(16), "action": action, "target": target, "params": params, "reason": reason}
    more = {"token": token, "expected_revision": revision}
    return asked | {key: value for key, value in more.items() if value is not None}
