"""Long requests: who may send them, how many at a time, and what a hostile one costs. Another user is a real one: we are root here."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.faces import feed, feed_reading
from tests.rigs.feed_plant import Plant, serving
from tests.rigs.other_user import NOBODY, STRANGER, as_root, connected_as, open_folder

LONG = "x" * 900_000


async def ask(path: Path, uid: int, face: str = "web", **params: Any) -> Any:
    """Ask as another user; None when the core hangs up."""
    return await ask_over(await asyncio.open_unix_connection(sock=connected_as(uid, path), limit=feed.FRAME_SIZE_MAX), face, **params)


async def ask_over(ends: tuple[asyncio.StreamReader, asyncio.StreamWriter], face: str = "web", **params: Any) -> Any:
    """Ask over a connection, whatever a face of ours would think of the request."""
    reader, writer = ends
    try:
        with contextlib.suppress(OSError):  # it may have hung up already: the answer tells
            writer.write(feed.encode_frame(["hello", feed.VERSION, face]))
            writer.write(feed.encode_frame(["request", 1, "add", {"a": 1, "b": 2, **params}]))
            await writer.drain()
        async with asyncio.timeout(20):
            try:
                assert (await feed.read_frame(reader))[0] == "hello"  # type: ignore[index]
                answer = await feed.read_frame(reader)
            except (OSError, feed.FormatError):
                return None
            return answer[3] if answer is not None else None
    finally:
        writer.close()


def run(test: Callable[[Path], Awaitable[None]], **more: Any) -> None:
    async def program() -> None:
        with open_folder() as folder:
            async with serving(folder / "f.sock", Plant(1), mode=0o666, **more):
                await test(folder / "f.sock")

    asyncio.run(program())


@as_root
def test_the_web_user_alone_may_send_what_a_configuration_needs() -> None:
    async def test(path: Path) -> None:
        assert await ask(path, NOBODY, text=LONG) == 3
        assert await ask(path, STRANGER, text=LONG) is None
        assert await ask(path, STRANGER, text="x" * 10_000) == 3
        assert await ask(path, NOBODY, feed.JUDGE, text=LONG) is None, "the judge's bound holds for whoever says that it is one"
        assert await ask(path, 0, text=LONG) == 3

    run(test, web_user=str(NOBODY))


@as_root
@pytest.mark.parametrize("web_user", [None, "nobody-knows-me"])
def test_without_a_web_user_nobody_else_may(web_user: str | None) -> None:
    async def test(path: Path) -> None:
        assert await ask(path, NOBODY, text=LONG) is None
        assert await ask(path, NOBODY, text="short") == 3

    run(test, web_user=web_user)


@as_root
def test_a_long_request_of_very_many_values_is_cut_off() -> None:
    async def test(path: Path) -> None:
        for uid in (NOBODY, 0):
            assert await ask(path, uid, many=[0] * 200_000) is None
            assert await ask(path, uid, many=[[[]] * 1_000] * 30, text="x" * 40_000) is None
            assert await ask(path, uid, many=[0] * 1_000, text=LONG) == 3

    run(test, web_user=str(NOBODY))


@as_root
def test_one_that_never_ends_holds_up_its_like_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_reading, "LONG_S", 0.5)

    async def test(path: Path) -> None:
        _, writer = await asyncio.open_unix_connection(sock=connected_as(NOBODY, path))
        writer.write(feed.encode_frame(["hello", feed.VERSION, "web"]) + (1 << 19).to_bytes(4, "big") + b"\x84")
        await writer.drain()
        assert await ask(path, 0, text=LONG) == 3
        assert await ask(path, NOBODY, text="short") == 3
        assert await ask(path, NOBODY, text=LONG) == 3, "once the other one has been cut off"
        writer.close()

    run(test, web_user=str(NOBODY))


def test_a_frame_is_decoded_beside_the_loop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """While a long frame is decoded, others are answered: their answers come first."""

    async def program() -> None:
        loop, held, decode = asyncio.get_running_loop(), asyncio.Event(), feed.decode_frame
        go_on: list[str] = []

        def slowly(payload: bytes, values_max: int | None = None) -> list[Any]:
            if values_max is not None:
                done = asyncio.run_coroutine_threadsafe(held.wait(), loop)  # a deadlock, were this the loop's own thread
                done.result(20)
            return decode(payload, values_max)

        monkeypatch.setattr(feed, "decode_frame", slowly)
        async with serving(tmp_path / "f.sock", Plant(1)), asyncio.TaskGroup() as group:

            async def long() -> None:
                assert await ask_over(await asyncio.open_unix_connection(tmp_path / "f.sock"), text=LONG) == 3
                go_on.append("long")

            group.create_task(long())
            assert await ask_over(await asyncio.open_unix_connection(tmp_path / "f.sock")) == 3
            go_on.append("short")
            held.set()
        assert go_on == ["short", "long"]

    asyncio.run(program())
