"""From one feed to many browsers: server-sent events, encoded once, coalesced to one a second.

Room: hall, face. `app` holds one `Fanout`; the feed client tells it what changed. A browser that lags never gets a queue:
while its socket drains, changes only move a number, and what it reads next is the newest state. One that takes nothing for
STALL_S is cut off, so a stalled browser costs one frame of memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

import msgspec

from runtime.faces.feed import JUDGEMENT_PARTS, Row
from runtime.faces.web.pages import abnormal_models, points_mark

TICK_S: Final = 1.0
HEARTBEAT_S: Final = 15.0
STALL_S: Final = 30.0
BROWSERS_MAX: Final = 64

_json = msgspec.json.Encoder()


class Fanout:
    """Newest rows and health, with a generation per tag; any number of browsers read from it at their own speed."""

    def __init__(self) -> None:
        self.generation = 0
        self.health: dict[str, Any] = {}
        self.link = False
        self.browsers = 0
        self._rows: dict[int, Row] = {}
        self._changed: dict[int, int] = {}
        self._state_changed = 0
        self._models: list[dict[str, Any]] = []
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
            message: dict[str, Any] = {"values": rows, "link": self.link}
            if self._points_changed > generation:
                message["points"] = self.points
            if self._state_changed > generation:
                message["health"] = self.health
                message["abnormal"] = abnormal_models(self._models, self.health)
            cached = (self.generation, b"id: %d\ndata: " % self.generation + _json.encode(message) + b"\n\n")
            self._frames = {g: f for g, f in self._frames.items() if f[0] == self.generation}
            self._frames[generation] = cached
        return cached

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield SSE frames for one browser until it goes or the server stops; the consumer's pace is the only pace."""
        generation, quiet_s = -1, 0.0
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
                    yield b": still here\n\n"
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), TICK_S)
                quiet_s += TICK_S
        finally:
            self.browsers -= 1
