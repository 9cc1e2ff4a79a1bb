"""The shipped wire with an eye for OPC UA: whole notifications and confirmations of writes can vanish on it."""

from __future__ import annotations

import asyncio

from drivers import wire

CHUNKS = (b"MSG", b"OPN", b"CLO", b"ACK", b"ERR")


class Wire(wire.Wire):
    """See drivers.wire.Wire."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.lose = 0
        """Notifications with values that are still to vanish on the way (channels without security)."""
        self.lost = 0
        self.lose_confirmation = False
        """The next answer to a write is to vanish."""

    async def _pump_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: wire.Answers) -> None:
        """As `_pump`, chunk by chunk (OPC UA Part 6, 7.1.2.2), so that whole ones can vanish. What is no OPC UA goes through as it is."""
        held = b""
        try:
            while data := await reader.read(65536):
                await self._flow.wait()
                held += data
                passed = b""
                if not any(kind.startswith(held[:3]) for kind in CHUNKS):
                    passed, held = held, b""
                while len(held) >= 8:
                    size = int.from_bytes(held[4:8], "little")
                    if held[3:4] not in {b"F", b"C", b"A"} or size < 8:
                        size = len(held)
                    if len(held) < size:
                        break
                    chunk, held = held[:size], held[size:]
                    # a WriteResponse (676) behind chunk, security and sequence header
                    if self.lose_confirmation and chunk[:3] == b"MSG" and chunk[24:28] == b"\x01\x00\xa4\x02":
                        self.lose_confirmation = False
                    # a PublishResponse (829); one without values is shorter
                    elif self.lose and chunk[:3] == b"MSG" and chunk[24:28] == b"\x01\x00\x3d\x03" and size > 130:
                        self.lose, self.lost = self.lose - 1, self.lost + 1
                    else:
                        passed += chunk
                writer.write(answers.came(passed))
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
