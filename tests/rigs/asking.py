"""Asking the core of a gateway that runs as processes of its own, and its door, over the feed as a face does.

Room: tests.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from runtime.faces.feed_client import ask_once

Ask = Callable[..., Awaitable[Any]]
"""Asks the core: a method, and its parameters by name."""


def asker(state: Path, face: str = "web") -> Ask:
    """Return what asks the core of this state folder, each time by a connection of its own."""

    async def ask(method: str, **params: Any) -> Any:
        return await ask_once(state / "run" / "feed.sock", face, method, params, 30)

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
