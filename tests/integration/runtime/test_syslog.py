"""Syslog over TLS to a real server: what arrives of a gateway's acts, and what a wrong, dead or slow server costs."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runtime.syslog.message import frame
from runtime.syslog.sender import WAITING_MAX, Receiver, Sender
from tests.integration.runtime.test_accounts import CONFIG, WORDS, with_password
from tests.rigs.certificate import make_certificate
from tests.rigs.gateway import ALONE, Gateway, cli, until

pytestmark = pytest.mark.integration


@dataclass
class LogServer:
    """A syslog server of RFC 5425; `messages` are those that came whole."""

    certificate: tuple[Path, Path]
    messages: list[bytes] = field(default_factory=list)
    reading: asyncio.Event = field(default_factory=asyncio.Event)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    port: int = 0

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[LogServer]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate)
        server = await asyncio.start_server(self._take, "127.0.0.1", self.port, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            for writer in self.writers:
                writer.transport.abort()
            server.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while True:
                await self.reading.wait()
                size = int(await reader.readuntil(b" "))
                self.messages.append(await reader.readexactly(size))


def test_acts_and_logins_of_a_gateway_arrive_and_a_dead_server_delays_nobody(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    log = LogServer(certificate)
    state = str(tmp_path / "state")

    async def run() -> None:
        config = tmp_path / "gateway.toml"
        async with log.serving():
            log.reading.set()
            config.write_text(ALONE + CONFIG + f'[syslog]\nhost = "127.0.0.1"\nport = {log.port}\nca_file = "{certificate[0]}"\n')
            gateway = Gateway(tmp_path / "state", config)
            await gateway.start()
            try:
                async with asyncio.timeout(120), gateway.watching() as face:
                    await until(lambda: face.tags)
                    create = ("create", "Bo", "--role", "engineer", "--reason", 'new ]" \\ <0>1\nx', "--state", state)
                    assert (await with_password(WORDS + "!", *create))[0] == 0
                    made = await cli("accounts", "create", "Cy", "--role", "viewer", "--reason", "x", "--state", state)
                    assert made[0] == 0
                    assert (await cli("accounts", "claim-code", "--state", state))[0] == 1, "who has people has an owner"
                    await until(lambda: len(log.messages) == 2)
                    assert (await cli("accounts", "list", "--state", state))[1]["syslog"]["state"] == "up"
                    for writer in log.writers:
                        writer.transport.abort()
                    log.reading.clear()
                    assert (await cli("accounts", "disable", "Cy", "--reason", "left", "--state", state))[0] == 0
                    log.reading.set()
                    await until(lambda: any(b'action="account.disable"' in each for each in log.messages))
            finally:
                await gateway.stop()

    asyncio.run(run())
    text = log.messages[0].decode()
    assert re.match(
        r"<109>1 20\d\d-\S+Z g witnessmark \d+ act \[witnessmark@32473 action=\"account.create\" target=\"Bo\" face=\"cli\" ", text
    )
    assert 'reason="new \\]\\" \\\\ <0>1 x"' in text
    assert 'outcome="done"' in text
    assert WORDS not in b"".join(log.messages).decode()


def test_a_server_that_is_not_who_it_should_be_gets_nothing(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    trusted, _ = make_certificate(tmp_path)
    log = LogServer(make_certificate(tmp_path / "other"))

    async def run() -> None:
        async with log.serving():
            log.reading.set()
            sender = Sender(Receiver("127.0.0.1", log.port, str(trusted)), lambda count: frame(b"%d" % count))
            sender.start()
            sender.put(frame(b"secret"))
            await until(lambda: sender.state == "down")
            assert "certificate" in sender.cause.lower()
            assert (log.messages, sender.sent) == ([], 0)
            sender.stop()

    asyncio.run(run())


def test_what_does_not_fit_is_dropped_counted_and_said(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    log = LogServer(certificate)

    async def run() -> None:
        async with log.serving():
            log.reading.set()
            sender = Sender(Receiver("127.0.0.1", log.port, str(certificate[0])), lambda count: frame(b"dropped %d" % count))
            for number in range(WAITING_MAX + 50):
                sender.put(frame(b"%d" % number))
            assert (sender.dropped, sender.waiting) == (50, WAITING_MAX)
            sender.start()
            await until(lambda: len(log.messages) == WAITING_MAX + 1)
            assert log.messages == [b"dropped 50", *(b"%d" % number for number in range(WAITING_MAX))]
            sender.stop()

    asyncio.run(run())
