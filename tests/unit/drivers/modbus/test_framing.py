"""Frames against pymodbus' framers, and the gate against whatever a wire can bring: nothing but the answer passes."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerAscii, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU

from drivers.modbus import request as rq
from drivers.modbus.framing import Ascii, Framing, Mbap, Rtu, crc16, lrc
from drivers.modbus.request import OddAnswerError, RefusalError, Request, judge

RTU, ASCII, MBAP = Rtu(), Ascii(), Mbap()
FRAMINGS = {"rtu": RTU, "ascii": ASCII, "mbap": MBAP}
TRANSACTION = 77

requests = st.one_of(
    st.builds(rq.read_request, st.integers(1, 247), st.sampled_from(("holding", "input")), st.integers(0, 65000), st.integers(1, 125)),
    st.builds(rq.read_request, st.integers(1, 247), st.sampled_from(("coil", "discrete")), st.integers(0, 60000), st.integers(1, 2000)),
    st.builds(rq.write_coil_request, st.integers(1, 247), st.integers(0, 65535), st.booleans()),
    st.builds(
        rq.write_registers_request, st.integers(1, 247), st.integers(0, 65000),
        st.lists(st.integers(0, 65535), min_size=1, max_size=123), st.just(False),
    ),
    st.builds(rq.write_coils_request, st.integers(1, 247), st.integers(0, 60000), st.lists(st.booleans(), min_size=1, max_size=1968)),
    st.builds(rq.write_mask_request, st.integers(1, 247), st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 65535)),
    st.builds(rq.echo_request, st.integers(1, 247), st.integers(0, 65535)),
)  # fmt: skip


def good_answer(request: Request, rng: random.Random) -> bytes:
    """Return the PDU of a sound answer."""
    if request.echo is not None:
        return request.pdu[:1] + request.echo
    size = request.answer_bytes - 2
    return bytes((request.pdu[0], size)) + rng.randbytes(size)


def frame_of(framing: Framing, unit: int, pdu: bytes, transaction: int = TRANSACTION) -> bytes:
    """Return the frame of an answer, made by pymodbus."""
    decoder = DecodePDU(False)
    framer = {"Rtu": FramerRTU, "Ascii": FramerAscii, "Mbap": FramerSocket}[type(framing).__name__](decoder)
    return bytes(framer.encode(pdu, unit, transaction))


@pytest.mark.parametrize("name", FRAMINGS)
@given(request=requests)
def test_requests_are_framed_as_pymodbus_frames_them(name: str, request: Request) -> None:
    framing = FRAMINGS[name]
    assert framing.wrap(request, TRANSACTION) == frame_of(framing, request.unit_id, request.pdu)


@pytest.mark.parametrize("name", FRAMINGS)
@given(request=requests, seed=st.integers(0, 1 << 32))
def test_a_good_answer_passes_byte_by_byte_and_whole(name: str, request: Request, seed: int) -> None:
    framing, pdu = FRAMINGS[name], good_answer(request, random.Random(seed))
    frame = frame_of(framing, request.unit_id, pdu)
    for end in {0, 1, 2, 3, 5, 7, 8, len(frame) // 2, len(frame) - 1} & set(range(len(frame))):
        assert framing.take(frame[:end], request, TRANSACTION) is None
    assert framing.take(frame, request, TRANSACTION) == pdu
    assert judge(request, pdu) == (pdu[2:] if request.echo is None else request.echo)


@pytest.mark.parametrize("name", FRAMINGS)
@given(request=requests, code=st.integers(1, 255))
def test_a_refusal_is_an_answer(name: str, request: Request, code: int) -> None:
    framing, pdu = FRAMINGS[name], bytes((request.pdu[0] | 0x80, code))
    found = framing.take(frame_of(framing, request.unit_id, pdu), request, TRANSACTION)
    assert found == pdu
    with pytest.raises(RefusalError) as caught:
        judge(request, pdu)
    assert caught.value.code == code


def verdict(framing: Framing, received: bytes, request: Request) -> bytes | None:
    """Return what is believed of these bytes, None for nothing."""
    try:
        pdu = framing.take(received, request, TRANSACTION)
        return None if pdu is None else judge(request, pdu)
    except (OddAnswerError, RefusalError):
        return None


def vices(framing: Framing, request: Request, frame: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield what a wire makes of an answer: everything that the check of the frame is there to catch, and what its place must."""
    flipped = bytearray(frame)
    for _ in range(rng.randint(1, 3)):
        flipped[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
    if flipped != frame:
        yield "bits", bytes(flipped)
    at = rng.randrange(len(frame) - 1)
    burst = bytes((frame[at] ^ rng.randint(1, 255), frame[at + 1] ^ rng.randint(0, 255)))
    yield "burst", frame[:at] + burst + frame[at + 2 :]
    cut = rng.randrange(len(frame))
    yield "truncated", frame[:cut]
    yield "doubled", frame + frame
    yield "truncated and doubled", frame[:cut] + frame
    yield "noise before", rng.randbytes(rng.randint(1, 9)) + frame
    yield "noise after", frame + rng.randbytes(rng.randint(1, 9))
    yield "noise alone", rng.randbytes(rng.randint(1, 40))
    other = frame_of(framing, request.unit_id % 247 + 1, good_answer(request, rng))
    yield "another unit", other
    longer = rq.read_request(request.unit_id, "holding", 0, rng.choice([n for n in range(1, 126) if 2 + 2 * n != request.answer_bytes]))
    yield "an answer to another question", frame_of(framing, request.unit_id, good_answer(longer, rng))
    if isinstance(framing, Mbap):
        yield "an old number", frame_of(framing, request.unit_id, good_answer(request, rng), TRANSACTION - 1)


@pytest.mark.parametrize("name", FRAMINGS)
def test_no_fuzzed_frame_gives_a_wrong_value(name: str, seed: int, count: Callable[[int, int, int], int]) -> None:
    """What the checks can tell is told: up to 3 flipped bits or a burst of 16 (CRC-16), any length, place, number, second frame.

    An ASCII frame has 8 bits of LRC, two flipped bits can cancel out there; and TCP has its own checks, so plain damage to the data of
    these two is not tried.
    """
    framing, rng = FRAMINGS[name], random.Random(f"{seed}/{name}")
    left = count(4_000, 100_000, 1_000_000)
    tried: dict[str, int] = {}
    while left > 0:
        function = rng.choice(("holding", "input", "coil"))
        request = rq.read_request(rng.randint(1, 247), function, rng.randrange(60000), rng.randint(1, 125 if function != "coil" else 800))
        pdu = good_answer(request, rng)
        frame = frame_of(framing, request.unit_id, pdu)
        for vice, received in vices(framing, request, frame, rng):
            if framing is not RTU and vice in ("bits", "burst"):
                continue
            believed = verdict(framing, received, request)
            assert believed is None or believed == pdu[2:], (vice, request, frame.hex(), received.hex())
            if believed is not None:
                assert vice in ("noise before", "truncated and doubled", "truncated"), (vice, received.hex())
            tried[vice] = tried.get(vice, 0) + 1
            left -= 1
    print(f"{name}: {sum(tried.values())} spoiled frames, no wrong value; {tried}")


def test_checks_have_the_values_of_the_specification() -> None:
    assert crc16(b"\x02\x07") == b"\x41\x12"  # V1.02, 6.2.2: the example
    assert crc16(struct.pack(">BBHH", 1, 3, 0, 10)) == b"\xc5\xcd"
    assert lrc(bytes((0x01, 0x03, 0x00, 0x00, 0x00, 0x0A))) == 0xF2


def test_a_driver_that_is_switched_around_may_leave_idle_bytes_before_a_frame() -> None:
    request = rq.read_request(5, "holding", 0, 2)
    pdu = bytes((3, 4, 1, 2, 3, 4))
    assert RTU.take(b"\0" + frame_of(RTU, 5, pdu), request, 0) == pdu
    assert RTU.take(b"\xff\0" + frame_of(RTU, 5, pdu), request, 0) == pdu
    with pytest.raises(OddAnswerError, match="noise"):
        RTU.take(b"\0" * 9 + frame_of(RTU, 5, pdu), request, 0)


def test_a_write_is_believed_only_with_its_own_echo() -> None:
    request = rq.write_registers_request(1, 40, [7], single=True)
    assert judge(request, b"\x06\x00\x28\x00\x07") == b"\x00\x28\x00\x07"
    for pdu in (b"\x06\x00\x28\x00\x08", b"\x06\x00\x29\x00\x07", b"\x06\x00\x28\x00", b"\x10\x00\x28\x00\x01", b"", b"\x86", b"\x86\x00"):
        with pytest.raises(OddAnswerError):
            judge(request, pdu)
