"""The MQTT driver and peers that refuse, check certificates, speak something else, or nothing."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from drivers.driver import DriverError
from drivers.mqtt.config import DeviceOptions
from drivers.reading import Status, TagGroup
from tests.rigs.certificate import make_certificate
from tests.rigs.mosquitto import Mosquitto
from tests.rigs.mqtt_device import driver_of, group_of, pushed, rss_bytes, run, tag
from tests.rigs.mqtt_plant import Publisher

WAITING = int(Status.BAD_WAITING_FOR_INITIAL_DATA)


DENY_ALL = dict.fromkeys(("publishClientSend", "publishClientReceive", "subscribe", "unsubscribe"), False)


def secured(folder: Path, *lines: str) -> Mosquitto:
    """A broker with the dynamic security plugin: user `gw` may read and write t/0, and write c/0, and nothing else."""
    found = list(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))
    assert found, "Debian's mosquitto brings the plugin"
    acls = [
        {"acltype": "subscribeLiteral", "topic": "t/0", "allow": True},
        {"acltype": "publishClientReceive", "topic": "t/0", "allow": True},
        {"acltype": "publishClientSend", "topic": "t/0", "allow": True},
        {"acltype": "publishClientSend", "topic": "c/0", "allow": True},
    ]
    # PBKDF2-SHA512 of "secret" as the plugin writes it.
    salt, digest = _hashed("secret")
    clients = [{"username": "gw", "password": digest, "salt": salt, "iterations": 101, "roles": [{"rolename": "reader"}]}]
    config = {"defaultACLAccess": DENY_ALL | {"unsubscribe": True}, "clients": clients, "groups": []}
    config["roles"] = [{"rolename": "reader", "acls": acls}]
    file = folder / "dynsec.json"
    file.write_text(json.dumps(config))
    return Mosquitto(folder, f"plugin {found[0]}", f"plugin_opt_config_file {file}", *lines, anonymous=False)


def _hashed(password: str) -> tuple[str, str]:
    from base64 import b64encode
    from hashlib import pbkdf2_hmac

    salt = b"0123456789ab"
    return b64encode(salt).decode(), b64encode(pbkdf2_hmac("sha512", password.encode(), salt, 101)).decode()


def test_a_broker_that_refuses_says_why_user_topic_and_command(tmp_path: Path, require_service) -> None:
    require_service("mosquitto")
    (tmp_path / "good").write_text("secret\n")
    (tmp_path / "wrong").write_text("guess\n")
    (tmp_path / "open").write_text("secret\n")
    for name, mode in (("good", 0o600), ("wrong", 0o600), ("open", 0o644)):
        (tmp_path / name).chmod(mode)

    async def test(broker: Mosquitto) -> None:
        def login(name: str) -> dict[str, str]:
            return {"username": "gw", "password_file": str(tmp_path / name)}

        commands = [{"command_topic": "c/0"}, {"command_topic": "c/1"}]
        group = group_of(tag(0, **commands[0]), tag(1, **commands[1]))
        for name, cause, code in (
            ("wrong", "broker_refused", 135),
            ("missing", "password_unreadable", None),
            ("open", "password_unreadable", None),
        ):
            async with driver_of(broker.port, **login(name)) as driver:
                with pytest.raises(DriverError) as caught:
                    await driver.read(group, 2.0)
                assert (caught.value.cause, caught.value.params.get("code")) == (cause, code)
        async with driver_of(broker.port, **login("good")) as driver:
            scan = await driver.read(group, 0.5)
            assert scan.statuses == [WAITING, Status.BAD_USER_ACCESS_DENIED]
            with pytest.raises(DriverError) as caught:
                await driver.read(TagGroup(2, "dev", "h", 50, group.tags[1:]), 0.5)
            assert (caught.value.cause, caught.value.params["code"]) == ("subscribe_refused", 135)
            with pytest.raises(DriverError) as caught:
                await driver.write(group.tags[1], 1.0, 1.0)
            assert (caught.value.cause, caught.value.params["code"]) == ("write_refused", 135)
            with pytest.raises(DriverError) as caught:
                await driver.write(group.tags[0], 1.0, 0.5)
            assert (caught.value.cause, caught.value.params["reason"]) == ("write_unknown", "no_confirmation")

    with secured(tmp_path) as broker:
        run(lambda: test(broker))


def test_a_topic_that_is_refused_is_told_while_another_chats(tmp_path: Path, require_service) -> None:
    require_service("mosquitto")
    password = tmp_path / "password"
    password.write_text("secret\n")
    password.chmod(0o600)

    async def test(broker: Mosquitto) -> None:
        with Publisher(broker.port, user="gw", password="secret") as plant:
            async with driver_of(broker.port, username="gw", password_file=str(password)) as driver:
                plant.publish("t/0", "0", retain=True)  # so that something comes from the first moment on
                async with pushed(driver, group_of(tag(0), tag(1))) as following:
                    refused: list[int] = []
                    for n in range(40):
                        plant.publish("t/0", str(n))
                        refused += [reading.status for reading in await following() if reading.tag.name == "t1"]
                        await asyncio.sleep(0.05)
                    assert refused == [Status.BAD_USER_ACCESS_DENIED], "once"

    with secured(tmp_path) as broker:
        run(lambda: test(broker))


def test_tls_trusts_the_named_authority_only_and_shows_our_certificate(tmp_path: Path, require_service) -> None:
    require_service("mosquitto")
    other = tmp_path / "other"
    other.mkdir()
    cert, key = make_certificate(tmp_path)
    other_cert, other_key = make_certificate(other)
    for each in (key, other_key):
        each.chmod(0o600)
    lines = [f"cafile {other_cert}", f"certfile {cert}", f"keyfile {key}", "require_certificate true"]

    async def test(broker: Mosquitto) -> None:
        group = group_of(tag(0))
        ours = {"cert_file": str(other_cert), "key_file": str(other_key)}

        async def fault(**options: Any) -> str:
            async with driver_of(broker.port, **options) as driver:
                with pytest.raises(DriverError) as caught:
                    await driver.read(group, 2.0)
                return caught.value.cause

        async with driver_of(broker.port, tls=True, ca_file=str(cert), **ours) as driver:
            assert (await driver.read(group, 1.0)).statuses == [WAITING]
        assert await fault(tls=True, ca_file=str(other_cert), **ours) == "tls_refused"
        assert await fault(tls=True, **ours) == "tls_refused"
        assert await fault(tls=True, ca_file=str(cert)) in ("connection_lost", "connect_failed")
        assert await fault() in ("connection_lost", "connect_failed")
        assert await fault(tls=True, ca_file=str(tmp_path / "none.pem"), **ours) == "tls_files"
        assert await fault(tls=True, ca_file=str(cert), cert_file=str(other_cert), key_file=str(key)) == "tls_files"

    with Mosquitto(tmp_path, *lines) as broker:
        run(lambda: test(broker))


async def nobody_left() -> None:
    """Wait until the network threads, and what serves them here, have ended."""
    while any(thread.name.startswith("mqtt ") for thread in threading.enumerate()) or len(asyncio.all_tasks()) > 1:
        await asyncio.sleep(0.02)


CONNACK = b"\x20\x03\x00\x00\x00"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff" * 5000,
        b"\x20\xff\xff\xff\xff\xff",
        b"\x20\x00",
        CONNACK + b"\x30\x02\x00\x09",
        CONNACK + b"\x90\x03\x00\x01\x00",
        CONNACK + b"\x30\x05\x00\x01\xff\x00\x00",
        CONNACK + b"\xe0\x02\x8b\x00",
        CONNACK + b"\x30\xff\xff\xff\x7f",
    ],
)
def test_a_peer_that_speaks_no_mqtt_is_a_fault_of_the_device(answer: bytes) -> None:
    endless = answer.endswith(b"\xff\xff\xff\x7f")

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(100)
            writer.write(answer)
            while endless:
                writer.write(b"\0" * 65536)
                await writer.drain()
            while await reader.read(100):
                pass
        except OSError:
            pass
        writer.close()

    async def test() -> None:
        server = await asyncio.start_server(reply, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        before = rss_bytes()
        async with driver_of(port, request_timeout_s=0.2) as driver:
            for _ in range(4):
                with pytest.raises(DriverError) as caught:
                    await driver.read(group_of(tag(0)), 0.4)
                assert caught.value.cause in (
                    "bad_answer", "connection_lost", "connect_failed", "connect_waiting", "no_answer", "broker_refused",
                )  # fmt: skip
                await asyncio.sleep(0.2)
        assert rss_bytes() - before < 48 << 20
        await nobody_left()
        server.close()
        await server.wait_closed()

    run(test)


def test_a_connect_that_hangs_is_over_when_the_driver_leaves() -> None:
    async def test() -> None:
        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.read(-1)
            except OSError:
                pass
            writer.close()

        server = await asyncio.start_server(hang, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for options in ({}, {"tls": True, "connect_timeout_s": 0.5}):
            async with driver_of(port, **options) as driver:
                started = time.monotonic()
                with pytest.raises(DriverError, match="connect_failed"):
                    await driver.read(group_of(tag(0)), 0.3)
                assert time.monotonic() - started < 0.5
            assert time.monotonic() - started < 1.0
            await nobody_left()
        server.close()
        await server.wait_closed()

    run(test)


def test_certificates_are_checked_by_default() -> None:
    from drivers.mqtt.session import tls_context

    context = tls_context(DeviceOptions(host="broker", tls=True).broker())
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED
