"""The bounded way from the network thread to the event loop: messages may be dropped, counted; answers never.

Room: ground, driver `mqtt`. `session.py` puts from its thread, `broker.py` takes on the event loop. The newest messages win, because a
value that is followed by another is the one that matters less. Everything comes out in the order in which it came in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from drivers.driver import DriverError

bytes_max: Final = 16 << 20
"""Payload bytes that may wait, whatever the number of messages."""
message_cost_bytes: Final = 300
"""What a message costs besides its topic and payload, about."""
answers_max: Final = 10_000
"""Answers that may wait. Far fewer are ever asked for at a time: what comes beyond, a broker has made up, and it is not kept."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a topic. `payload` None: it was longer than allowed, and is gone."""

    topic: str
    payload: bytes | None
    retained: bool
    repeated: bool


@dataclass(frozen=True, slots=True)
class Connected:
    """The broker accepted the connection. `kept`: it still has our session, and sends what came meanwhile."""

    kept: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """The broker answered a request: `kind` subscribe, unsubscribe or publish, its number, and a reason code for each part."""

    kind: str
    number: int
    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is over, or could not be made, and why."""

    fault: DriverError


News = Message | Connected | Answered | Ended


class Inbox:
    """Holds at most `messages_max` messages and `bytes_max` bytes of them, `answers_max` answers, and always the end."""

    def __init__(self, messages_max: int, wake: Callable[[], None]) -> None:
        """Call `wake`, from the thread that puts, once for each time that something comes into an empty inbox."""
        self._max = messages_max
        self._wake = wake
        self._lock = Lock()
        self._messages: deque[tuple[int, Message]] = deque()
        self._others: deque[tuple[int, News]] = deque()
        self._bytes = 0
        self._count = 0
        self._dropped = 0
        self._woken = False

    def put(self, news: News) -> None:
        """Add one; drops the oldest messages when there are too many. Never waits for the other side."""
        with self._lock:
            self._count += 1
            if isinstance(news, Message):
                self._messages.append((self._count, news))
                self._bytes += _size(news)
                while len(self._messages) > self._max or (self._bytes > bytes_max and len(self._messages) > 1):
                    _, old = self._messages.popleft()
                    self._bytes -= _size(old)
                    self._dropped += 1
            elif len(self._others) < answers_max or isinstance(news, Ended):
                self._others.append((self._count, news))
            wake, self._woken = not self._woken, True
        if wake:
            self._wake()

    def take(self, count_max: int) -> tuple[list[News], int, bool]:
        """Return up to `count_max` in order, how many messages were dropped since the last time, and whether there are more."""
        found: list[News] = []
        with self._lock:
            messages, others = self._messages, self._others
            while len(found) < count_max and (messages or others):
                if messages and (not others or messages[0][0] < others[0][0]):
                    message = messages.popleft()[1]
                    self._bytes -= _size(message)
                    found.append(message)
                else:
                    found.append(others.popleft()[1])
            dropped, self._dropped = self._dropped, 0
            self._woken = more = bool(messages or others)
        return found, dropped, more


def _size(message: Message) -> int:
    return message_cost_bytes + len(message.topic) + len(message.payload or b"")
