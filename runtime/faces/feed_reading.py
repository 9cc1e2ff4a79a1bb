"""What faces send, taken off the wire: who may send how much, and long frames one at a time, decoded beside the core's loop.

Room: hall. `feed_server` calls it for each frame. It knows no request. A long frame is bounded before it is read, while it is read and
while it is decoded: nobody makes the core hold many of them, wait for one, or build more than LARGE_VALUES_MAX values of one.
"""

from __future__ import annotations

import asyncio
import os
import pwd
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import structlog

from runtime.faces import feed
from runtime.faces.feed import Session

LONG_S: Final = 10.0
"""What a long frame may take until all of it is there."""


class FrameReading:
    """Of one server."""

    def __init__(self, web_user: str | None) -> None:
        """`web_user` is a name that this machine knows, or a number."""
        self._web_uid = _uid_of(web_user) if web_user else None
        self._decoding = ThreadPoolExecutor(1, thread_name_prefix="feed frames")
        self._turn = {trusted: asyncio.Lock() for trusted in (True, False)}
        """Long frames wait for those of users that are trusted alike: the web process cannot hold up the command line."""

    def close(self) -> None:
        """Let the thread end."""
        self._decoding.shutdown(wait=False, cancel_futures=True)

    async def next(self, reader: asyncio.StreamReader, session: Session) -> list[Any] | None:
        """Return a face's next message; None at a clean end. Raises FormatError for a hostile or torn one, TimeoutError for a slow one."""
        size = await feed.read_size(reader, self.size_max(session))
        if size is None:
            return None
        if size <= feed.JUDGE_SIZE_MAX:
            return feed.decode_frame(await feed.read_payload(reader, size))
        async with self._turn[self._is_own(session)]:
            async with asyncio.timeout(LONG_S):
                payload = await feed.read_payload(reader, size)
            return await asyncio.get_running_loop().run_in_executor(self._decoding, feed.decode_frame, payload, feed.LARGE_VALUES_MAX)

    def size_max(self, session: Session) -> int:
        """Return how long a face's frames may be. Whoever calls itself the judge gets what the judge needs."""
        trusted = self._is_own(session) or session.uid == self._web_uid
        size_max = feed.FRAME_SIZE_MAX if trusted else feed.STRANGER_SIZE_MAX
        return min(size_max, feed.JUDGE_SIZE_MAX) if session.face == feed.JUDGE else size_max

    def _is_own(self, session: Session) -> bool:
        return session.uid in (0, os.getuid())


def _uid_of(name: str) -> int | None:
    """Return a user's number; None, with a warning, for one that this machine does not know."""
    try:
        return int(name) if name.isdecimal() else pwd.getpwnam(name).pw_uid
    except KeyError:
        structlog.get_logger("core").warning("feed_user_unknown", user=name)
        return None
