"""A Tickwire terminal for tests. `python terminal.py` serves one and prints its port."""

from __future__ import annotations

import asyncio

from tickwire_witnessmark.codec import IDLE, PUSH, PUSHED, REFUSED, SAMPLE, SET, Frame, split, wrap

from drivers.wire import Listener


class Terminal(Listener):
    """A terminal with channels. `spoil` is put before the next answer."""

    def __init__(self, channels):
        super().__init__()
        self.channels, self.spoil, self.overload = channels, b"", set()
        self.changed = asyncio.Event()

    def sample(self, channel):
        return SAMPLE.pack(channel, channel in self.overload, self.channels[channel], 1_700_000_000_000 + channel)

    async def _serve(self, reader, writer):
        self.connections += 1
        self.open += 1
        self._writers.add(writer)
        held = b""
        try:
            async with asyncio.TaskGroup() as tasks:
                pushing = None
                while data := await reader.read(4096):
                    frames, held = split(held + data)
                    for frame in frames:
                        if frame.verb == PUSH:
                            pushing = tasks.create_task(self._push(writer, frame.payload))
                            continue
                        writer.write(self.spoil + self.answer(frame))
                        self.spoil = b""
                if pushing:
                    pushing.cancel()
        except (OSError, ExceptionGroup):
            pass
        finally:
            self.open -= 1
            self._writers.discard(writer)
            writer.close()

    def answer(self, frame):
        channel = frame.payload[0]
        if channel not in self.channels:
            return wrap(Frame(frame.sequence, REFUSED, b"\x02"))
        if frame.verb == SET:
            self.channels[channel] = int.from_bytes(frame.payload[1:5], "big", signed=True)
        return wrap(Frame(frame.sequence, frame.verb | 0x80, self.sample(channel)))

    async def _push(self, writer, channels):
        told = {}
        while not writer.is_closing():
            news = [c for c in channels if told.get(c) != self.channels[c]]
            told |= {c: self.channels[c] for c in news}
            writer.write(wrap(Frame(0, PUSHED, b"".join(map(self.sample, news)))) if news else wrap(Frame(0, IDLE, b"")))
            await asyncio.sleep(0.05)


async def serve() -> None:
    async with Terminal({0: 215, 1: 7, 2: 1}) as terminal:
        print(terminal.port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
