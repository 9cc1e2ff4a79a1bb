"""The witness client against a witness that lies, stalls, floods and forgets."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger_client.anchors.anchor import ForkError, RollbackError
from ledger_client.anchors.http import ask, check_url
from ledger_client.anchors.registry import make_anchor
from ledger_client.anchors.tlog import REPLY_SIZE_MAX, TlogAnchor
from ledger_client.errors import AnchorError
from ledger_client.note import SIG_COSIGNATURE, cosign, note_key, signature_line
from tests.rigs.clock import StillClock
from tests.rigs.http_script import reply, scripted
from tests.rigs.small_log import SmallLog, key_of

KEY = key_of(100)
WITNESS = note_key("witness.example/w1", SIG_COSIGNATURE, KEY.public)
LOG = SmallLog().grow(9)
SIZE_TYPE = "text/x.tlog.size"


def cosignature(log: SmallLog = LOG, key=KEY, witness=WITNESS, time_s: int = 1_700_000_000) -> bytes:
    return signature_line(cosign(log.checkpoint().text, witness, time_s, key.sign)).encode()


def submit(*replies: bytes, old: int = 0, log: SmallLog = LOG, timeout_s: float = 5.0):
    """Submit to a server that gives these replies in turn; return (receipt or error, old sizes asked, resyncs)."""
    asked: list[int] = []

    async def script(body: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(int(body.split(b"\n")[0].split()[1]))
        writer.write(replies[len(asked) - 1])

    async def run():
        async with asyncio.timeout(20), scripted(script) as url:
            async with TlogAnchor("w1", url, [WITNESS], StillClock(), timeout_s=timeout_s) as anchor:
                try:
                    result = await anchor.submit(log.note(), log.checkpoint(), old, log.prove())
                except AnchorError as error:
                    result = error
                return result, asked, anchor.resyncs

    return asyncio.run(run())


def test_a_good_reply_becomes_a_receipt_that_proves_itself():
    foreign = note_key("other.example/w", SIG_COSIGNATURE, key_of(7).public)
    receipt, asked, resyncs = submit(reply(200, cosignature(key=key_of(7), witness=foreign) + cosignature()), old=4)
    assert (asked, resyncs) == ([4], 0)
    assert (receipt.anchor_id, receipt.size, receipt.root) == ("w1", 9, LOG.checkpoint().root)
    assert receipt.cosigned([WITNESS]) == [(WITNESS, 1_700_000_000)]
    note, _ = receipt.note()
    assert [s.name for s in note.signatures] == [LOG.origin, WITNESS.name], "a line by a key that we do not know is dropped"


def test_a_lost_receipt_costs_one_more_request():
    receipt, asked, resyncs = submit(reply(409, b"5\n", SIZE_TYPE), reply(200, cosignature()), old=2)
    assert (asked, resyncs, receipt.size) == ([2, 5], 1, 9)
    receipt, asked, resyncs = submit(reply(409, b"0\n", SIZE_TYPE), reply(200, cosignature()), old=9)
    assert (asked, resyncs, receipt.size) == ([9, 0], 1, 9)
    receipt, asked, resyncs = submit(reply(422, b""), reply(409, b"5\n", SIZE_TYPE), reply(200, cosignature()), old=4)
    assert (asked, resyncs, receipt.size) == ([4, 0, 5], 1, 9)


@pytest.mark.parametrize(
    ("old", "replies", "error", "asked"),
    [
        (4, [reply(409, b"10\n", SIZE_TYPE)], RollbackError, [4]),
        (9, [reply(409, b"9\n", SIZE_TYPE)], ForkError, [9]),
        (0, [reply(409, b"9\n", SIZE_TYPE), reply(409, b"9\n", SIZE_TYPE)], ForkError, [0, 9]),
        (4, [reply(409, b"5\n", SIZE_TYPE), reply(422, b"")], ForkError, [4, 5]),
        (9, [reply(422, b""), reply(409, b"9\n", SIZE_TYPE), reply(422, b"")], ForkError, [9, 0, 9]),
        (4, [reply(422, b""), reply(409, b"12\n", SIZE_TYPE)], RollbackError, [4, 0]),
    ],
)
def test_what_stops_a_ledger(old, replies, error, asked):
    result, sizes, _ = submit(*replies, old=old)
    assert type(result) is error
    assert not result.transient
    assert sizes == asked


@pytest.mark.parametrize(
    ("replies", "code", "transient"),
    [
        ([reply(404, b"")], "anchor_knows_us_not", False),
        ([reply(403, b"")], "anchor_refuses_key", False),
        ([reply(400, b"")], "anchor_reply_unexpected", False),
        ([reply(301, b"", extra="Location: http://127.0.0.1:1/\r\n")], "anchor_reply_unexpected", False),
        ([reply(503, b"")], "anchor_busy", True),
        ([reply(409, b"5\n")], "anchor_reply_invalid", True),
        ([reply(409, b"05\n", SIZE_TYPE)], "anchor_reply_invalid", True),
        ([reply(409, b"5", SIZE_TYPE)], "anchor_reply_invalid", True),
        ([reply(409, b"4\n", SIZE_TYPE)], "anchor_reply_unexpected", True),
        ([reply(409, b"5\n", SIZE_TYPE), reply(409, b"6\n", SIZE_TYPE)], "anchor_resync_unsettled", True),
        ([reply(422, b""), reply(422, b"")], "anchor_reply_unexpected", True),
        ([reply(200, b"")], "anchor_cosignature_invalid", True),
        ([reply(200, b"welcome\n")], "anchor_cosignature_invalid", True),
        ([reply(200, cosignature()[:-1])], "anchor_cosignature_invalid", True),
        ([reply(200, b"\xff\n")], "anchor_cosignature_invalid", True),
        ([reply(200, cosignature(SmallLog("other.example/1").grow(9)))], "anchor_cosignature_invalid", True),
        ([reply(200, cosignature(LOG.copy().grow(1)))], "anchor_cosignature_invalid", True),
        ([reply(200, cosignature(key=key_of(5)))], "anchor_cosignature_invalid", True),
        ([reply(200, cosignature(time_s=0))], "anchor_cosignature_invalid", True),
        ([reply(200, cosignature(key=key_of(7), witness=note_key("w", 4, key_of(7).public)))], "anchor_cosignature_foreign", False),
        ([reply(200, cosignature() * 65)], "anchor_cosignature_invalid", True),
        ([reply(200, b"x" * (REPLY_SIZE_MAX + 1))], "anchor_reply_too_long", True),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999999999\r\n\r\n"], "anchor_reply_invalid", True),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"], "anchor_reply_invalid", True),
        ([b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (REPLY_SIZE_MAX + 1)], "anchor_reply_too_long", True),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"], "anchor_reply_invalid", True),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n"], "anchor_reply_too_long", True),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"], "anchor_reply_invalid", True),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz"], "anchor_reply_invalid", True),
        ([b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5_000 + b"\r\n"], "anchor_reply_invalid", True),
        ([b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"], "anchor_reply_invalid", True),
        ([b"SSH-2.0-OpenSSH_9.2\r\n\r\n"], "anchor_reply_invalid", True),
        ([b""], "anchor_reply_invalid", True),
    ],
)
def test_bad_replies_leave_no_receipt(replies, code, transient):
    result, _, resyncs = submit(*replies, old=4)
    assert isinstance(result, AnchorError)
    assert not isinstance(result, ForkError | RollbackError)
    assert (result.code, result.transient, resyncs) == (code, transient, 0)


def test_a_chunked_reply_and_one_without_a_length_are_read():
    body = cosignature()
    chunked = b"%x;x=y\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (10, body[:10], len(body) - 10, body[10:])
    assert submit(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked)[0].size == 9
    assert submit(b"HTTP/1.0 200 OK\r\n\r\n" + body)[0].size == 9


@pytest.mark.parametrize("drip", [b"HTTP/1.1 200 OK\r\nA", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b""])
def test_a_reply_that_never_ends_is_given_up(drip):
    async def script(body: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(drip)
        while not writer.is_closing():
            await writer.drain()
            await asyncio.sleep(0.01)
            if b"\r\n\r\n" not in drip and drip:
                writer.write(b"a")

    async def run() -> None:
        async with asyncio.timeout(5), scripted(script) as url:
            with pytest.raises(AnchorError, match="anchor_timeout"):
                await ask(url, b"", timeout_s=0.1, reply_size_max=100)

    asyncio.run(run())


def test_no_listener_and_no_such_host_are_transient():
    async def ask(url: str) -> AnchorError:
        async with TlogAnchor("w1", url, [WITNESS], StillClock(), timeout_s=5) as anchor:
            with pytest.raises(AnchorError) as caught:
                await anchor.submit(LOG.note(), LOG.checkpoint(), 0, LOG.prove())
            return caught.value

    async def nothing(body: bytes, writer: asyncio.StreamWriter) -> None:
        """Close at once."""

    async def run() -> None:
        async with scripted(nothing) as url:
            pass
        assert (await ask(url)).code == "anchor_unreachable"
        for bad in ("http://" + "a" * 70 + ".invalid", "http://x..invalid"):
            error = await ask(bad)
            assert (error.code, error.transient) == ("anchor_unreachable", True)

    asyncio.run(run())


@given(st.binary(max_size=400))
def test_random_bytes_never_pass(junk):
    result, _, _ = submit(junk, reply(200, b""), reply(200, b""))
    assert isinstance(result, AnchorError)


@given(st.data())
def test_a_flipped_cosignature_never_passes(data):
    line = bytearray(cosignature())
    at = data.draw(st.integers(0, len(line) - 2))
    line[at] ^= 1 << data.draw(st.integers(0, 7))
    assert isinstance(submit(reply(200, bytes(line)))[0], AnchorError)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://x/",
        "http://",
        "http://u:p@x/",
        "http://x/?q",
        "http://x/#f",
        "http://x:0/",
        "http://x:99999/",
        "http://x/ y",
        "http://x/\n",
    ],
)
def test_addresses_that_are_refused(url):
    with pytest.raises(AnchorError, match="anchor_url_invalid"):
        check_url(url)


@pytest.mark.parametrize(
    ("type_name", "name", "options", "code"),
    [
        ("carrier-pigeon", "w", {}, "anchor_type_unknown"),
        ("tlog", "../w", {}, "anchor_name_invalid"),
        ("tlog", "w", {"url": "http://x"}, "anchor_option_missing"),
        ("tlog", "w", {"vkeys": [WITNESS.vkey], "speed": 1}, "anchor_option_missing"),
        ("tlog", "w", {"url": 7, "vkeys": [WITNESS.vkey]}, "anchor_option_invalid"),
        ("tlog", "w", {"url": "http://x", "vkeys": []}, "anchor_option_invalid"),
        ("tlog", "w", {"url": "http://x", "vkeys": ["junk"]}, "anchor_vkey_invalid"),
        ("tlog", "w", {"url": "http://x", "vkeys": [f"vkey: {WITNESS.vkey}"]}, "anchor_vkey_labelled"),
        ("tlog", "w", {"url": "http://x", "vkeys": [LOG.note_key.vkey]}, "anchor_vkey_not_a_witness"),
        ("tlog", "w", {"url": "http://x", "vkeys": [WITNESS.vkey], "speed": 1}, "anchor_option_unknown"),
        ("tlog", "w", {"url": "http://x", "vkeys": [WITNESS.vkey], "timeout_s": 0}, "anchor_option_invalid"),
        ("tlog", "w", {"url": "gopher://x", "vkeys": [WITNESS.vkey]}, "anchor_url_invalid"),
    ],
)
def test_options_that_are_refused(type_name, name, options, code):
    with pytest.raises(AnchorError, match=code):
        make_anchor(type_name, name, options, StillClock())
    assert make_anchor("tlog", "w", {"url": "https://x/y", "vkeys": [WITNESS.vkey]}, StillClock()).name == "w"
