"""The feed's frames and both of its ends, on a real Unix socket, with values that are plain data."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger_client.errors import FormatError
from runtime.faces import feed
from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import FeedClient, ask_once
from tests.rigs.feed_plant import Plant, serving, until
from tests.rigs.mutations import mutated


def test_snapshot_delta_health_events_and_requests(tmp_path: Path) -> None:
    async def run() -> None:
        plant = Plant(5_000)
        plant.events = [[n, n, 2, ["x"]] for n in range(500)]
        async with serving(tmp_path / "f.sock", plant), FeedClient(tmp_path / "f.sock", "test", events_cursor=99) as client:
            seen: list[int] = []
            client._listener = lambda what, data: seen.append(data[0]) if what == "event" else None
            async with asyncio.TaskGroup() as group:
                task = group.create_task(client.run())
                await until(lambda: len(client.values) == 5_000 and client.health and len(seen) == 400)
                plant.set(7, 1.5)
                await until(lambda: client.values[7][1] == 1.5)
                assert await client.request("add", {"a": 1, "b": 2}, 5) == 3
                with pytest.raises(RequestRefusedError, match="method_unknown"):
                    await client.request("nothing", {}, 5)
                task.cancel()
            assert seen == list(range(100, 500))
            assert len(client.tags) == 5_000
            assert await ask_once(tmp_path / "f.sock", "test", "add", {"a": 2, "b": 2}, 5) == 4
        with pytest.raises(RequestRefusedError, match="core_away"):
            await ask_once(tmp_path / "f.sock", "test", "add", {"a": 2, "b": 2}, 5)

    asyncio.run(run())


def test_a_face_hears_of_models_and_findings_when_it_asks_and_again_when_they_change(tmp_path: Path) -> None:
    async def run() -> None:
        plant = Plant(2)
        plant.models, plant.findings = [{"name": "line", "score": 1.5}], [{"seq": n, "model": "line"} for n in range(80, 0, -1)]
        async with (
            serving(tmp_path / "f.sock", plant),
            FeedClient(tmp_path / "f.sock", "test", parts=feed.JUDGEMENT_PARTS) as asking,
            FeedClient(tmp_path / "f.sock", "test") as other,
            asyncio.TaskGroup() as group,
        ):
            tasks = [group.create_task(each.run()) for each in (asking, other)]
            await until(lambda: asking.models and asking.findings and other.health and other.values)
            assert [row["seq"] for row in asking.findings] == list(range(80, 80 - feed.FINDINGS_MAX, -1))
            plant.models = [{"name": "line", "score": None}]
            plant.set(1, 1.0)
            await until(lambda: asking.models == [{"name": "line", "score": None}] and other.values[1][1] == 1.0)
            assert (other.models, other.findings) == ([], [])
            for task in tasks:
                task.cancel()

    asyncio.run(run())


UNREADABLE = {
    "beyond 64 bits": {"a": 1 << 64},
    "too deep": {"a": [[[[[[[[[1]]]]]]]]]},
    "half a character": {"a": "\udb25"},
    "too many names": {"a": {str(n): n for n in range(feed.MAP_MAX + 1)}},
    "too long": {"a": "x" * feed.FRAME_SIZE_MAX},
    "too many small ones": {"a": [0] * 50_000},
}


@pytest.mark.parametrize("params", UNREADABLE.values(), ids=UNREADABLE)
def test_what_the_core_cannot_read_is_refused_by_the_face_and_the_connection_lives_on(tmp_path: Path, params: dict[str, Any]) -> None:
    async def run() -> None:
        async with serving(tmp_path / "f.sock", Plant(1)), FeedClient(tmp_path / "f.sock", "test") as client, asyncio.TaskGroup() as group:
            heard: list[object] = []
            client._listener = lambda what, data: heard.append(data) if what == "link" else None
            task = group.create_task(client.run())
            await until(lambda: client.connected)
            with pytest.raises(RequestRefusedError, match=r"body_unreadable|frame_too_long"):
                await client.request("add", params, 5)
            with pytest.raises(RequestRefusedError, match=r"body_unreadable|frame_too_long"):
                await ask_once(tmp_path / "f.sock", "test", "add", params, 5)
            assert await client.request("add", {"a": 1, "b": 2}, 5) == 3
            assert heard == [True], "one connection, all along"
            task.cancel()

    asyncio.run(run())


ENDLESS: list[Any] = []
ENDLESS.append(ENDLESS)
UNFIT = {"half a character": "\udce9", "without end": ENDLESS, "no plain data": object()}


@pytest.mark.parametrize("answer", UNFIT.values(), ids=UNFIT)
def test_an_answer_that_no_frame_can_carry_costs_itself_and_the_connection_lives_on(tmp_path: Path, answer: object) -> None:
    async def run() -> None:
        plant, heard = Plant(1), list[object]()
        plant.answers["odd"] = answer
        async with serving(tmp_path / "f.sock", plant), FeedClient(tmp_path / "f.sock", "test") as client, asyncio.TaskGroup() as group:
            client._listener = lambda what, data: heard.append(data) if what == "link" else None
            task = group.create_task(client.run())
            await until(lambda: client.connected)
            with pytest.raises(RequestRefusedError, match="answer_failed") as refused:
                await client.request("odd", {}, 5)
            assert refused.value.params == {"method": "odd"}
            assert await client.request("add", {"a": 1, "b": 2}, 5) == 3
            assert heard == [True], "one connection, all along"
            task.cancel()

    asyncio.run(run())


@pytest.mark.parametrize(("face", "heard"), [("cli", True), (feed.JUDGE, False)])
def test_a_judge_that_says_too_much_at_once_is_cut_off(tmp_path: Path, face: str, heard: bool) -> None:
    async def run() -> None:
        async with serving(tmp_path / "f.sock", Plant(1)):
            word = {"a": 1, "b": 2, "more": b"x" * feed.JUDGE_SIZE_MAX}
            if heard:
                assert await ask_once(tmp_path / "f.sock", face, "add", word, 5) == 3
                return
            with pytest.raises(RequestRefusedError, match="core_away"):
                await ask_once(tmp_path / "f.sock", face, "add", word, 5)

    asyncio.run(run())


@pytest.mark.parametrize("more", [["models"], [["models", "models"]], [["other"]], [[1]], [None], [["models"], 1]])
def test_a_subscription_to_what_there_is_not_ends_the_connection(tmp_path: Path, more: list[Any]) -> None:
    async def run() -> None:
        async with serving(tmp_path / "f.sock", Plant(1)) as server:
            reader, writer = await asyncio.open_unix_connection(tmp_path / "f.sock")
            writer.write(feed.encode_frame(["hello", 1, "odd"]) + feed.encode_frame(["subscribe", True, None, *more]))
            async with asyncio.timeout(5):
                while await reader.read(1 << 16):
                    pass
            await until(lambda: server.connected == 0)
            writer.close()

    asyncio.run(run())


def test_face_that_takes_nothing_delays_nobody_and_holds_one_delta(tmp_path: Path) -> None:
    async def run() -> None:
        plant = Plant(2_000)
        async with serving(tmp_path / "f.sock", plant), FeedClient(tmp_path / "f.sock", "good") as good:
            reader, writer = await asyncio.open_unix_connection(tmp_path / "f.sock", limit=1024)
            writer.write(feed.encode_frame(["hello", 1, "stalled"]) + feed.encode_frame(["subscribe", True, None]))
            async with asyncio.TaskGroup() as group:
                task = group.create_task(good.run())
                for turn in range(60):
                    for uid in range(2_000):
                        plant.set(uid, turn)
                    await until(lambda turn=turn: len(good.values) == 2_000 and good.values[1_999][1] == turn)
                # The stalled face now wakes up: its next delta is the newest state, each tag once.
                rows, newest = 0, {}
                while newest.get(1_999) != 59:
                    message = await feed.read_frame(reader)
                    assert message is not None
                    if message[0] == "values":
                        rows += len(message[3])
                        newest.update((row[0], row[1]) for row in message[3])
                assert rows <= 30 * 2_000, f"{rows} rows were queued for a face that took nothing"
                task.cancel()
            writer.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "hostile",
    [b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x00\x00\x00\x02\x81", b"GET / HTTP/1.1\r\n\r\n", feed.encode_frame(["hello", 9, "x"])],
)
def test_hostile_peer_is_cut_off_and_others_go_on(tmp_path: Path, hostile: bytes) -> None:
    async def run() -> None:
        plant = Plant(3)
        async with serving(tmp_path / "f.sock", plant) as server:
            reader, writer = await asyncio.open_unix_connection(tmp_path / "f.sock")
            writer.write(hostile)
            writer.write_eof()
            async with asyncio.timeout(5):
                with contextlib.suppress(ConnectionResetError):
                    assert await reader.read() == b""
            await until(lambda: server.connected == 0)
            assert await ask_once(tmp_path / "f.sock", "test", "add", {"a": 2, "b": 2}, 5) == 4
            writer.close()

    asyncio.run(run())


def test_a_frame_may_carry_the_whole_of_health() -> None:
    health = {f"part {n}": {f"figure {m}": m for m in range(30)} for n in range(60)}
    frame = feed.encode_frame(["health", health])
    assert feed.decode_frame(frame[4:]) == ["health", health]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_a_message_or_a_format_error(payload: bytes) -> None:
    try:
        message = feed.decode_frame(payload)
    except FormatError:
        return
    assert feed.encode_frame(message)[4:] == payload


CALLS = [
    ["hello", feed.VERSION, "test"],
    ["subscribe", True, None],
    ["subscribe", False, 7],
    ["request", 1, "add", {"a": 1, "b": 2}],
    ["request", 2, "act", {"id": b"x" * 16, "action": "device.write", "params": {"tag": "d/t", "value": 1.5}}],
]
TOLD = [
    ["hello", feed.VERSION, ["values", "events", "requests"]],
    ["tags", 1, False, [[1, "d/t1", "d", "bar", "float64", None, "g", 1000, False, "a"]]],
    ["values", 3, False, [[1, 1.5, 0, 1_700_000_000_000, None, "recorded", 9, None]]],
    ["health", {"ledger": {"size": 3}, "devices": [{"name": "d", "params": {"timeout_s": 1.5}}]}],
    ["event", 9, 1_700_000_000_000, 6, [[1, 2, 3, "no_answer", 4]]],
    ["response", 1, True, 3],
    ["response", 1, False, ["method_unknown", {"method": "x"}]],
]


def test_a_mutated_frame_is_a_message_or_a_format_error(count: Callable[[int, int, int], int], seed: int) -> None:
    """Whatever is read is exactly what was sent, and no frame makes us keep more than it is long."""
    rng, frames = random.Random(seed), [feed.encode_frame(message)[4:] for message in CALLS + TOLD]
    read = 0
    for number in range(count(2_000, 40_000, 200_000)):
        payload = mutated(rng, frames[number % len(frames)])
        try:
            message = feed.decode_frame(payload)
        except FormatError:
            continue
        read += 1
        assert feed.encode_frame(message)[4:] == payload, (seed, number, payload.hex())
    assert read, "some are still messages"


def bent(rng: random.Random, value: Any) -> Any:
    """Return a message with one of its parts gone, doubled, or of another kind: well formed, and not what was agreed."""
    kinds: list[Any] = [None, True, -1, 1 << 63, 2.5, "", "x", b"x", [], [[]], [1], {}, {"a": 1}, {1: 2}]
    if rng.random() < 0.3 or not isinstance(value, list | dict) or not value:
        return rng.choice(kinds)
    if isinstance(value, dict):
        name = rng.choice(list(value))
        return value | {name: bent(rng, value[name])} if rng.random() < 0.7 else {k: v for k, v in value.items() if k != name}
    place = rng.randrange(len(value))
    match rng.randrange(4):
        case 0:
            return [*value[:place], *value[place + 1 :]]
        case 1:
            return [*value[:place], *value[place : place + 1] * 2, *value[place + 1 :]]
        case _:
            return [*value[:place], bent(rng, value[place]), *value[place + 1 :]]


def test_a_face_refuses_what_is_no_message_of_a_core(tmp_path: Path, count: Callable[[int, int, int], int], seed: int) -> None:
    """Well formed frames of another shape end the connection, as the page's process expects it; nothing else is raised."""
    rng = random.Random(seed)

    async def run() -> None:
        for number in range(count(2_000, 20_000, 100_000)):
            client = FeedClient(tmp_path / "no.sock", "test")
            answer = client._answers[1] = asyncio.get_running_loop().create_future()
            message = bent(rng, rng.choice(TOLD[1:]))
            with contextlib.suppress(FormatError):
                client._take(feed.decode_frame(feed.encode_frame(message)[4:]))
                assert all(len(row) >= 10 and type(uid) is int for uid, row in client.tags.items()), (seed, number, message)
                assert all(len(row) >= 8 and type(uid) is int for uid, row in client.values.items()), (seed, number, message)
            if answer.done():
                with contextlib.suppress(RequestRefusedError):
                    answer.result()

    asyncio.run(run())


def test_peers_that_send_mutated_frames_are_cut_off_and_others_go_on(
    tmp_path: Path, count: Callable[[int, int, int], int], seed: int
) -> None:
    """Both ends: a face that sends such frames to the core, and a core that sends them to a face. Nothing else is disturbed."""
    rng, rounds, told = random.Random(seed), count(100, 1_000, 6_000), []
    ended: list[int] = []

    async def core(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = [feed.encode_frame(TOLD[0]), *(feed.encode_frame(message) for message in rng.sample(TOLD[1:], 3))]
        place = rng.randrange(len(frames))
        frames[place] = mutated(rng, frames[place])
        told.append(b"".join(frames))
        with contextlib.suppress(OSError):
            writer.write(told[-1])
            writer.write_eof()
            await reader.read()
        writer.transport.abort()
        ended.append(len(told))

    async def run() -> None:
        async with serving(tmp_path / "f.sock", Plant(3)) as server:
            for number in range(rounds):
                frames = [feed.encode_frame(message) for message in (CALLS[0], *rng.sample(CALLS[1:], 3))]
                place = rng.randrange(len(frames))
                frames[place] = mutated(rng, frames[place])
                reader, writer = await asyncio.open_unix_connection(tmp_path / "f.sock")
                with contextlib.suppress(OSError):
                    writer.write(b"".join(frames))
                    writer.write_eof()
                    async with asyncio.timeout(10):
                        while await reader.read(1 << 16):
                            pass
                writer.transport.abort()
                if number % 20 == 0:
                    assert await ask_once(tmp_path / "f.sock", "test", "add", {"a": 2, "b": 2}, 5) == 4, (seed, number)
            await until(lambda: server.connected == 0)
        async with await asyncio.start_unix_server(core, tmp_path / "hostile.sock"):
            for number in range(rounds):
                client = FeedClient(tmp_path / "hostile.sock", "test")
                with contextlib.suppress(OSError, FormatError, TimeoutError):  # what a face's `run` expects and outlives
                    async with client, asyncio.timeout(10):
                        reader = await client.connect()
                        while (message := await feed.read_frame(reader)) is not None:
                            client._take(message)
                await until(lambda number=number: len(ended) == number + 1)

    asyncio.run(run())


@pytest.mark.parametrize("answer", [[1, False, "x"], [1, False, ["x"]], [1, False, ["x", {1: 2}]], [1, False, []], [1, 2, 3], [1], []])
def test_an_answer_of_another_shape_is_a_core_that_is_away(tmp_path: Path, answer: list[Any]) -> None:
    async def core(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(feed.encode_frame(TOLD[0]))
        assert await feed.read_frame(reader)
        assert await feed.read_frame(reader)
        writer.write(feed.encode_frame(["response", *answer]))
        writer.close()

    async def run() -> None:
        async with await asyncio.start_unix_server(core, tmp_path / "f.sock"):
            with pytest.raises(RequestRefusedError, match="core_away"):
                await ask_once(tmp_path / "f.sock", "test", "add", {}, 5)

    asyncio.run(run())


def test_a_face_may_want_no_values(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path / "f.sock", Plant(3)), FeedClient(tmp_path / "f.sock", "history", values=False) as client:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(client.run())
                await until(lambda: client.health)
                assert await client.request("add", {"a": 1, "b": 1}, 5) == 2  # whatever was pushed before it has arrived
                assert client.values == client.tags == {}
                task.cancel()

    asyncio.run(run())


def test_a_fault_of_ours_for_one_face_ends_that_face_alone(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path / "f.sock", Plant(3)):
            with pytest.raises(RequestRefusedError, match="core_away"):
                await ask_once(tmp_path / "f.sock", "test", "add", {"a": 1}, 5)  # the handler raises KeyError
            assert await ask_once(tmp_path / "f.sock", "test", "add", {"a": 2, "b": 2}, 5) == 4

    asyncio.run(run())


def test_socket_mode(tmp_path: Path) -> None:
    async def run() -> None:
        async with serving(tmp_path / "f.sock", Plant(1)):
            assert (tmp_path / "f.sock").stat().st_mode & 0o777 == 0o660

    asyncio.run(run())
