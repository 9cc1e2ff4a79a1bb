"""From one feed to many browsers: server-sent events, encoded once, coalesced to one a second.

Room: hall, face. `__main__` holds one `Fanout`; the feed client tells it what changed. A browser that lags never gets a queue:
while its socket drains, changes only move a number, and what it reads next is the newest state. One that takes nothing for
STALL_S is cut off, so a stalled browser costs one frame of memory.

    id: BOOT-GENERATION      of this process and its state; a browser that comes back with it gets what it missed, any other a snapshot
    data: {"boot", "from", "at", "link", "values": [row…], "points"?, "mark"?, "health"?, "abnormal"?, "models"?, "alarms"?}
    event: beat              every HEARTBEAT_S without news, so that the page knows that the line holds
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import msgspec

from runtime.faces.feed import JUDGEMENT_PARTS, Row
from runtime.faces.web.pages import abnormal_models, points_mark

TICK_S: Final = 1.0
HEARTBEAT_S: Final = 15.0
STALL_S: Final = 30.0
BROWSERS_MAX: Final = 64
CHECK_S: Final = 30.0
"""How often a stream asks whether its browser may still see it."""
PASSED_ON: Final = ("alarms",)
"""Parts of the feed that go to the browsers as they are, under their own name."""

MODEL_BRIEF: Final = ("name", "state", "alarming")
"""What a browser hears of each model; the pages about models fetch the rest."""

_json = msgspec.json.Encoder()


class Fanout:
    """Newest rows and health, with a generation per tag; any number of browsers read from it at their own speed."""

    def __init__(self) -> None:
        self.generation = 0
        self.boot = os.urandom(4).hex()
        self.mark = ""
        """Names the version of the static files (see assets); a page of another version fetches itself anew."""
        self.health: dict[str, Any] = {}
        self.link = False
        self.browsers = 0
        self._rows: dict[int, Row] = {}
        self._changed: dict[int, int] = {}
        self._state_changed = 0
        self._models: list[dict[str, Any]] = []
        self._parts: dict[str, tuple[int, Any]] = {}
        self.points = points_mark({})
        """Names the set of tags that the core has now; each browser hears it first, and again when it changes."""
        self._points_changed = 0
        self._frames: dict[int, tuple[int, bytes]] = {}
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Let every browser's stream come to its end: the server stops."""
        self._ended.set()

    def take(self, what: str, data: Any) -> None:
        """Listen to the feed client (see feed_client.Listener)."""
        if what in PASSED_ON:
            self.generation += 1
            self._parts[what] = (self.generation, data)
            return
        if what in JUDGEMENT_PARTS:  # the pages about models fetch those themselves; what matters to all goes with the next health
            self._models = data if what == "models" else self._models
            return
        self.generation += 1
        match what:
            case "values":
                for row in data:
                    self._rows[row[0]] = row
                    self._changed[row[0]] = self.generation
            case "tags":
                self.points, self._points_changed = points_mark(data), self.generation
                self._rows = {uid: row for uid, row in self._rows.items() if uid in data}
                self._changed = dict.fromkeys(self._rows, self.generation)
            case "health":
                self.health = dict(data)
                self._state_changed = self.generation
            case "link":
                self.link = bool(data)
                self._state_changed = self.generation

    def rows(self) -> list[Row]:
        """Return the newest row of each tag."""
        return list(self._rows.values())

    def frame_since(self, generation: int) -> tuple[int, bytes]:
        """Return the generation reached and one SSE frame with all that changed since; the bytes are shared between browsers."""
        cached = self._frames.get(generation)
        if cached is None or cached[0] != self.generation:
            rows = [self._rows[uid] for uid, at in self._changed.items() if at > generation]
            message: dict[str, Any] = {"boot": self.boot, "from": generation, "at": self.generation, "values": rows, "link": self.link}
            message.update((name, data) for name, (at, data) in self._parts.items() if at > generation)
            if generation < 0:
                message["mark"] = self.mark
            if self._points_changed > generation:
                message["points"] = self.points
            if self._state_changed > generation:
                message["health"] = self.health
                message["abnormal"] = abnormal_models(self._models, self.health)
                message["models"] = [{name: model.get(name) for name in MODEL_BRIEF} for model in self._models]
            cached = (self.generation, f"id: {self.boot}-{self.generation}\ndata: ".encode() + _json.encode(message) + b"\n\n")
            self._frames = {g: f for g, f in self._frames.items() if f[0] == self.generation}
            self._frames[generation] = cached
        return cached

    def generation_of(self, told: str | None) -> int:
        """Return the generation that a browser says it has (see the module), or -1: it gets a snapshot."""
        boot, _, number = (told or "").partition("-")
        if boot != self.boot or not number.isdecimal() or not number.isascii() or len(number) > 16:
            return -1
        return int(number) if int(number) <= self.generation else -1

    async def frames(self, generation: int = -1, may: Callable[[], Awaitable[bool]] | None = None) -> AsyncIterator[bytes]:
        """Yield SSE frames for one browser until it goes, may no longer, or the server stops; the consumer's pace is the only pace."""
        quiet_s = checked_s = 0.0
        self.browsers += 1
        try:
            yield b"retry: 2000\n\n"
            while not self._ended.is_set():
                if generation != self.generation:
                    generation, frame = self.frame_since(generation)
                    quiet_s = 0.0
                    yield frame
                elif quiet_s >= HEARTBEAT_S:
                    quiet_s = 0.0
                    yield b"event: beat\ndata: {}\n\n"
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), TICK_S)
                quiet_s, checked_s = quiet_s + TICK_S, checked_s + TICK_S
                if may is not None and checked_s >= CHECK_S:
                    checked_s = 0.0
                    if not await may():
                        return
        finally:
            self.browsers -= 1
