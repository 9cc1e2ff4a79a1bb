"""The mirror's client on a real socket: what it sends, and servers that answer early, late, too much or nonsense."""

from __future__ import annotations

import asyncio

import pytest

from ledger_client.anchors.http import ask
from ledger_client.anchors.mirror import INFO_TYPE, MirrorClient
from ledger_client.anchors.package import encode_held
from ledger_client.anchors.registry import make_anchor
from ledger_client.errors import AnchorError, KeyFaultError
from tests.rigs.clock import StillClock
from tests.rigs.http_script import reply
from tests.rigs.small_log import SmallLog

LOG = SmallLog().grow(5)
VKEY = "witness.example/plant+96b4bcce+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"


def talk(tmp_path, answer: bytes, call, *, read_first: bool = True, timeout_s: float = 5.0):
    """Run `call(client)` against a server that answers this; return its result or error, and the heads that came."""
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text("a-token-of-enough-length")
    heads: list[str] = []

    async def serve(reader, writer):
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(answer)
        try:
            await (writer.drain() if read_first else reader.read())
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def run():
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with asyncio.timeout(20), server:
            client = MirrorClient("m", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/base", token, timeout_s=timeout_s)
            client.load_token()
            try:
                return await call(client)
            except AnchorError as error:
                return error

    return asyncio.run(run()), heads


def test_a_read_asks_with_the_token_and_an_escaped_origin(tmp_path):
    held = [(LOG.entries[seq], LOG.bodies[seq]) for seq in (2, 3)]
    found, heads = talk(tmp_path, reply(200, encode_held(2, held)), lambda client: client.read("a b/ü&start=9", 2, 2))
    assert found == held
    line, *lines = heads[0].split("\r\n")
    assert line == "GET /base/entries?origin=a+b%2F%C3%BC%26start%3D9&start=2&count=2 HTTP/1.1"
    assert "Authorization: Bearer a-token-of-enough-length" in lines
    assert not any(text.lower().startswith("content-length") for text in lines)


def test_one_who_refuses_before_he_has_read_it_all_is_heard(tmp_path):
    found, _ = talk(tmp_path, reply(403, b"no"), lambda client: client.add(LOG.origin, bytes(5 << 20)))
    assert (found.code, found.transient) in {("mirror_refuses_token", False), ("anchor_unreachable", True)}
    found, _ = talk(tmp_path, reply(403, b"no"), lambda client: client.add(LOG.origin, bytes(5 << 20)), read_first=False)
    assert found.code == "mirror_refuses_token"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply(200, b"x" * 2_000, INFO_TYPE), "anchor_reply_too_long"),
        (reply(200, b"1\n1\n\n", "text/plain"), "anchor_reply_invalid"),
        (reply(202, b"01\n1\n\n", INFO_TYPE), "anchor_reply_invalid"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "anchor_reply_invalid"),
        (b"\x00" * 20_000, "anchor_reply_invalid"),
    ],
)
def test_nonsense_is_an_error_of_the_mirror(tmp_path, answer, code):
    assert talk(tmp_path, answer, lambda client: client.add(LOG.origin, b"package"))[0].code == code


@pytest.mark.parametrize(
    "body",
    [
        encode_held(1, [(LOG.entries[1], None)]),
        encode_held(2, [(LOG.entries[2], None), (LOG.entries[3], None)]),
        encode_held(2, [(LOG.entries[3], None)]),
        encode_held(2, [(LOG.entries[2], b"another body")]),
        b"\x83\x01\x02",
        b"",
    ],
)
def test_other_entries_than_asked_for_are_refused(tmp_path, body):
    assert talk(tmp_path, reply(200, body), lambda client: client.read(LOG.origin, 2, 1))[0].code == "anchor_reply_invalid"


def test_a_silent_mirror_is_given_up(tmp_path):
    found, _ = talk(tmp_path, b"", lambda client: client.read(LOG.origin, 0, 1), read_first=False, timeout_s=0.2)
    assert (found.code, found.transient) == ("anchor_timeout", True)


def test_a_token_file_that_others_can_read_is_not_used(tmp_path):
    token = tmp_path / "token"
    token.write_text("a-token-of-enough-length")
    token.chmod(0o640)
    with pytest.raises(KeyFaultError, match="token_file_too_open"):
        MirrorClient("m", "http://m.invalid", token).load_token()


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"mirror_token_file": ""}, "mirror_token_file"),
        ({"mirror_token_file": 7}, "mirror_token_file"),
        ({"mirror_bodies": True}, "mirror_bodies"),
        ({"mirror_token_file": "/t", "mirror_bodies": 1}, "mirror_bodies"),
    ],
)
def test_options_are_judged(options, option):
    with pytest.raises(AnchorError) as caught:
        make_anchor("tlog", "m", {"url": "http://m.invalid", "vkeys": [VKEY], **options}, StillClock())
    assert caught.value.params["option"] == option


def test_without_the_option_there_is_no_mirror():
    base = {"url": "http://m.invalid", "vkeys": [VKEY]}
    assert make_anchor("tlog", "m", base, StillClock()).mirror is None
    assert make_anchor("tlog", "m", base | {"mirror_token_file": "/t"}, StillClock()).mirror.bodies is False


def test_a_query_stays_out_of_the_address(tmp_path):
    with pytest.raises(AnchorError, match="anchor_url_invalid"):
        asyncio.run(ask("http://m.invalid/?origin=x", timeout_s=1, reply_size_max=10))
