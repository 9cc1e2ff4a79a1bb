"""A web process under a user of its own puts a long configuration in force, through a socket that a group may open; nobody else does."""

from __future__ import annotations

import asyncio
import contextlib
import grp
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ledger_client.errors import FormatError
from runtime.faces import feed
from tests.rigs.asking import act
from tests.rigs.gateway import ALONE, Gateway, until
from tests.rigs.newcomers import claim
from tests.rigs.other_user import NOBODY, STRANGER, as_root, connected_as, open_folder

pytestmark = [pytest.mark.integration, as_root]
CONFIG = """
[gateway]
name = "g"
[evidence]
seal_every_s = 1
[feed]
group = "{group}"
web_user = "{user}"
"""
PASSWORD = "three wet boots at the door"


class OtherUser:
    """The feed as another user of this machine has it, one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer, self._number = reader, writer, 0

    async def ask(self, method: str, **params: Any) -> Any:
        """Return an answer, [code, params] of a refusal, or None when the core hangs up."""
        self._number += 1
        with contextlib.suppress(OSError):
            self._writer.write(feed.encode_frame(["request", self._number, method, params]))
            await self._writer.drain()
        try:
            async with asyncio.timeout(30):
                answer = await feed.read_frame(self._reader)
        except (OSError, FormatError):
            return None
        return answer[3] if answer is not None else None


@contextlib.asynccontextmanager
async def connected(uid: int, socket: Path) -> AsyncIterator[OtherUser]:
    gid = os.getegid()
    os.setegid(NOBODY)  # the group of the socket
    try:
        connection = connected_as(uid, socket)
    finally:
        os.setegid(gid)
    reader, writer = await asyncio.open_unix_connection(sock=connection, limit=feed.FRAME_SIZE_MAX)
    try:
        writer.write(feed.encode_frame(["hello", feed.VERSION, "web"]))
        assert (await feed.read_frame(reader))[0] == "hello"  # type: ignore[index]
        yield OtherUser(reader, writer)
    finally:
        writer.close()


@pytest.mark.parametrize("uid", [NOBODY, STRANGER])
def test_a_long_configuration_from_another_user(uid: int) -> None:
    async def program(folder: Path) -> None:
        state, config = folder / "state", folder / "gateway.toml"
        config.write_text(ALONE + CONFIG.format(group=grp.getgrgid(NOBODY).gr_name, user=NOBODY))
        for path in (state, state / "run"):
            path.mkdir(mode=0o750)
            shutil.chown(path, group=NOBODY)
        gateway = Gateway(state, config)
        await gateway.start()
        try:
            code, socket = state / "private" / "claim_code", state / "run" / "feed.sock"
            await until(lambda: code.exists() and socket.exists())
            async with connected(uid, socket) as web:
                token = (await claim(web.ask, code.read_text().strip(), "Ada", PASSWORD, roles="engineer"))["token"]
                text = config.read_text() + "# as it was meant\n" * 40_000
                assert len(text) > 700_000
                outcome = await web.ask("act", **act(token, "config.edit", revision=1, text=text))
                if uid == STRANGER:
                    assert outcome is None, "cut off"
                    return
                assert outcome["code"] == "done", outcome
                assert (await web.ask("config", token=token))["text"] == text
                odd = act(token, "config.edit", revision=2, text=text, many=[0] * 5_000)
                assert await web.ask("act", **odd) is None, "as long, but of too many values"
        finally:
            assert await gateway.stop() == 0, gateway.log.read_text()[-2000:]

    with open_folder() as folder:
        asyncio.run(program(folder))
