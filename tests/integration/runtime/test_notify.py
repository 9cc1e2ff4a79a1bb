"""Alarms reach people: real mail and web servers, good and hostile ones, and an output of a real Modbus server."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.acts import Act, Outcome
from runtime.alarms.alarm import Alarm
from runtime.alarms.definition import AlarmDefinition
from runtime.alarms.delivery import Threads
from runtime.alarms.machine import Shown, State
from runtime.alarms.notifier import Notifier
from runtime.alarms.notify_options import EmailTarget, LightTarget, WebhookTarget
from runtime.alarms.notify_plan import NotifyPlan, Target
from runtime.alarms.webhook import SIGNATURE, TIMESTAMP, signature_of
from runtime.alarms.word_lane import WordLane
from tests.rigs.certificate import make_certificate
from tests.rigs.clock import StillClock
from tests.rigs.http_script import reply, scripted
from tests.rigs.mail_server import MailServer, mail_server

ALL = frozenset({"low", "medium", "high"})
HOT = Alarm(
    AlarmDefinition(
        "hot", "above", "Product too hot\nBcc: x@evil.example", "oven/zone_1", limit=80, priority="high", action="Close the valve",
        consequence="It burns", unit="Cel",
    ),
    State(life=Shown.UNACKED), value=81.5, raised_ms=1_700_000_000_000,
)  # fmt: skip


def on_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an asynchronous test."""

    @functools.wraps(test)
    def run(*arguments: Any, **named: Any) -> None:
        asyncio.run(test(*arguments, **named))

    return run


class Clock(StillClock):
    def state(self) -> int:
        return 2

    async def sleep_until_mono(self, mono_ms: int) -> None:
        self.advance(max(0, mono_ms - self.mono_ms()))
        await asyncio.sleep(0)


def email(server: MailServer, **more: Any) -> Target:
    options = EmailTarget.model_validate(
        {
            "name": "shift", "type": "email", "host": "127.0.0.1", "port": server.port, "security": "none", "sender": "g@plant.example",
            "to": ["a@plant.example", "b@plant.example"], **more,
        }
    )  # fmt: skip
    return Target("shift", "email", ALL, lang="en", options=options)


def lane_of(target: Target, clock: Clock) -> WordLane:
    return WordLane(clock, target, Threads(), "line-4", "Europe/Berlin")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return make_certificate(tmp_path)


@pytest.fixture
def secrets(tmp_path: Path) -> dict[str, str]:
    for name, text in (("user", "gateway"), ("password", "pass wörd"), ("hmac", "key")):
        (tmp_path / name).write_text(text + "\n")
    return {"user_file": str(tmp_path / "user"), "password_file": str(tmp_path / "password")}


@on_a_loop
async def test_a_mail_says_what_where_and_what_to_do_and_nobody_adds_a_line_to_its_head() -> None:
    with mail_server() as server:
        clock = Clock()
        lane = lane_of(email(server), clock)
        assert await lane.look([HOT], None)
        (mail,) = server.mails
        assert mail["Subject"] == "line-4: Product too hot Bcc: x@evil.example (high)"
        assert mail["To"] == "a@plant.example, b@plant.example"
        assert mail["Bcc"] is None
        text = mail.get_content()
        for part in ("2023-11-14 23:13:20 (Europe/Berlin)", "oven/zone_1 = 81.5 Cel", "Close the valve", "It burns"):
            assert part in text
        assert not await lane.look([HOT], None), "told once"
        assert (lane.counts.sent, lane.counts.failed) == (1, 0)


@pytest.mark.parametrize("security", ["starttls", "tls"])
@on_a_loop
async def test_mail_with_a_password_goes_encrypted(security: str, certificate: tuple[Path, Path], secrets: dict[str, str]) -> None:
    with mail_server(certificate, tls_from_start=security == "tls") as server:
        server.password = "pass wörd"
        lane = lane_of(email(server, security=security, ca_file=str(certificate[0]), **secrets), Clock())
        lane.test("alice")
        assert await lane.look([], None)
        assert (lane.counts.cause, lane.counts.tested) == (None, (lane.clock.wall_ms(), None))
        assert server.logins == ["\0gateway\0pass wörd"]
        assert server.mails[0]["Subject"] == "line-4: test"
        assert "alice" in server.mails[0].get_content()


@on_a_loop
async def test_a_server_without_starttls_gets_no_password(secrets: dict[str, str]) -> None:
    with mail_server() as server:
        lane = lane_of(email(server, security="starttls", **secrets), Clock())
        await lane.look([HOT], None)
        assert lane.counts.cause == "notify_not_supported"
        assert server.logins == server.mails == []


@on_a_loop
async def test_a_stranger_in_between_is_not_believed(certificate: tuple[Path, Path], secrets: dict[str, str]) -> None:
    with mail_server(certificate) as server:
        lane = lane_of(email(server, security="starttls", **secrets), Clock())  # its authority is not ours
        await lane.look([HOT], None)
        assert lane.counts.cause == "notify_certificate"
        assert server.logins == []


@pytest.mark.parametrize(("mood", "cause"), [("refuses", "notify_recipients_refused"), ("garbage", "notify_"), ("drops", "notify_")])
@on_a_loop
async def test_what_failed_is_counted_rests_longer_each_time_and_is_sent_in_the_end(mood: str, cause: str) -> None:
    with mail_server() as server:
        clock = Clock()
        lane = lane_of(email(server), clock)
        server.mood = mood
        assert await lane.look([HOT], None)
        assert str(lane.counts.cause).startswith(cause)
        for rest_ms in (5_000, 10_000, 20_000):
            clock.advance(rest_ms - 1)
            assert not await lane.look([HOT], None)
            clock.advance(1)
            assert await lane.look([HOT], None)
        assert (lane.counts.sent, lane.counts.failed) == (0, 4)
        server.mood = "good"
        clock.advance(600_000)
        await lane.look([HOT], None)
        assert (lane.counts.sent, lane.counts.cause, len(server.mails)) == (1, None, 1)


@on_a_loop
async def test_a_wrong_password_is_said_without_it(certificate: tuple[Path, Path], secrets: dict[str, str]) -> None:
    with mail_server(certificate) as server:
        server.password = "another"
        lane = lane_of(email(server, ca_file=str(certificate[0]), security="starttls", **secrets), Clock())
        await lane.look([HOT], None)
        assert (lane.counts.cause, dict(lane.counts.params)) == ("notify_login_refused", {"status": 535})
        lane = lane_of(email(server, ca_file=str(certificate[0]), security="starttls", user_file="/none", password_file="/none"), Clock())
        await lane.look([HOT], None)
        assert lane.counts.cause == "notify_secret_unreadable"


@on_a_loop
async def test_a_server_that_hangs_holds_nobody_up() -> None:
    with mail_server() as server:
        server.mood = "hangs"
        threads, clock = Threads(), Clock()
        lane = WordLane(clock, email(server), threads, "g", "UTC")
        options = lane.target.options
        assert isinstance(options, EmailTarget)
        assert await threads.run(lambda: server.ended.wait(20) and None, deadline_s=0.05) == ("notify_timeout", {"timeout_s": 0.05})
        await threads.run(lambda: server.ended.wait(20) and None, deadline_s=0.01)
        assert await threads.run(lambda: None) == ("notify_busy", {}), "two of this target hang: no third is begun"
        assert await threads.run(lambda: None, target="another") is None, "and another is told all the same"
        for _ in range(2):
            await threads.run(lambda: server.ended.wait(20) and None, deadline_s=0.01, target="another")
        assert await threads.run(lambda: None, target="a third") == ("notify_busy", {}), "four threads hang: no fifth is begun"


def hook(url: str, tmp_path: Path | None = None) -> Target:
    raw = {"name": "desk", "type": "webhook", "url": url}
    raw |= {"hmac_file": str(tmp_path / "hmac")} if tmp_path is not None else {}
    return Target("desk", "webhook", ALL, options=WebhookTarget.model_validate(raw))


@asynccontextmanager
async def hooked(answer: bytes) -> AsyncIterator[tuple[str, list[bytes]]]:
    got: list[bytes] = []

    async def script(body: bytes, writer: asyncio.StreamWriter) -> None:
        got.append(body)
        writer.write(answer)

    async with scripted(script) as url:
        yield url, got


@on_a_loop
async def test_a_hook_gets_the_alarms_and_a_signature_that_a_receiver_can_check(tmp_path: Path, secrets: dict[str, str]) -> None:
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length"))
        heads.extend([head, (await reader.readexactly(length)).decode()])
        writer.write(reply(204, b""))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        clock = Clock()
        lane = lane_of(hook(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?line=4", tmp_path), clock)
        await lane.look([HOT], None)
    assert lane.counts.cause is None
    head, body = heads
    assert head.startswith("POST /hook?line=4 HTTP/1.1\r\n")
    fields = dict(line.split(": ", 1) for line in head.strip().split("\r\n")[1:])
    assert fields[SIGNATURE] == signature_of("key", fields[TIMESTAMP], body.encode())
    told = json.loads(body)
    assert (told["kind"], told["gateway"], told["count"]) == ("alarms", "line-4", 1)
    assert (told["alarms"][0]["name"], told["alarms"][0]["value"], told["alarms"][0]["state"]) == ("hot", 81.5, "unacked")


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (reply(302, b"", extra="Location: http://127.0.0.1:1/steal\r\n"), "notify_http_status"), (reply(500, b"x"), "notify_http_status"),
        (b"SSH-2.0-x\r\n", "notify_not_http"), (b"", "notify_"),
    ],
)  # fmt: skip
@on_a_loop
async def test_a_hook_that_answers_otherwise_has_failed(answer: bytes, cause: str) -> None:
    async with hooked(answer) as (url, got):
        lane = lane_of(hook(url), Clock())
        await lane.look([HOT], None)
        assert str(lane.counts.cause).startswith(cause)
        assert len(got) == 1, "no redirect is followed"


@on_a_loop
async def test_nobody_listens() -> None:
    lane = lane_of(hook("http://127.0.0.1:1/"), Clock())
    await lane.look([HOT], None)
    assert lane.counts.cause == "notify_connect_failed"


@on_a_loop
async def test_five_hundred_alarms_are_one_mail() -> None:
    many = [Alarm(AlarmDefinition(f"n{n}", "above"), State(life=Shown.UNACKED), raised_ms=n) for n in range(500)]
    with mail_server() as server:
        lane = lane_of(email(server), Clock())
        await lane.look(many, None)
        (mail,) = server.mails
        assert mail["Subject"] == "line-4: 500 alarms wait, first n499 (low)"
        assert "And 480 more." in mail.get_content()


CarryOut = Callable[[Act], Awaitable[Outcome]]


@on_a_loop
async def test_a_light_follows_the_alarms_and_is_told_again_when_its_device_forgot() -> None:
    written: list[tuple[str, object]] = []
    outcome = [Outcome("done")]

    async def carry_out(act: Act) -> Outcome:
        written.append((act.target, act.params["value"]))
        return outcome[0]

    clock, alarms = Clock(), [HOT]
    options = LightTarget.model_validate({"name": "lamp", "type": "light", "tag": "io/lamp"})
    notifier = Notifier(clock, lambda: alarms, lambda _tag: None, lambda: None)
    notifier.carry_out = carry_out
    notifier.set_up(NotifyPlan("UTC", (Target("lamp", "light", ALL, options=options),)), "g")
    lane = notifier.lanes["lamp"]
    await lane.look(alarms, None)
    await lane.look(alarms, None)
    assert written == [("io/lamp", True)]
    clock.advance(2_000)
    await lane.look([], None)
    assert written[1:] == [("io/lamp", False)]
    outcome[0] = Outcome("write_unknown")
    clock.advance(2_000)
    await lane.look(alarms, None)
    assert (lane.counts.failed, lane.counts.cause) == (1, "write_unknown")
    await lane.look(alarms, None)
    assert len(written) == 3, "it rests"
    outcome[0] = Outcome("done")
    clock.advance(5_000)
    await lane.look(alarms, None)
    assert (len(written), lane.counts.cause) == (4, None)
    notifier.test("lamp", "alice")
    clock.advance(1)
    await lane.look([], None)
    clock.advance(3_000)
    await lane.look([], None)
    assert [value for _, value in written[4:]] == [True, False]
