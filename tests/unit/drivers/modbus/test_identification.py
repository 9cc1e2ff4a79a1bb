"""Answers of function 43 by every cut and any bytes: the whole answer or one error, and never a loop without end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.pdu.mei_message import ReadDeviceInformationResponse

from drivers.driver import DriverError
from drivers.modbus.framing import Ascii, Framing, Mbap, Rtu
from drivers.modbus.identification import answer_length, basic, identification_request, identified, identity, objects_in
from drivers.modbus.request import OddAnswerError, RefusalError, Request, judge

FRAMINGS = {"rtu": Rtu(), "ascii": Ascii(), "mbap": Mbap()}
objects = st.dictionaries(st.integers(0, 255), st.binary(max_size=30), max_size=6)


def answer(held: dict[int, bytes], code: int = basic, more: int = 0, following: int = 0) -> bytes:
    rows = b"".join(bytes((number, len(text))) + text for number, text in held.items())
    return bytes((0x2B, 0x0E, code, 0x83, more, following, len(held))) + rows


def frame(framing: Framing, pdu: bytes) -> bytes:
    return framing.wrap(Request(9, pdu, 0), 77)


@pytest.mark.parametrize("name", FRAMINGS)
@given(held=objects)
def test_an_answer_passes_whole_and_nothing_passes_before_its_end(name: str, held: dict[int, bytes]) -> None:
    framing, request, pdu = FRAMINGS[name], identification_request(9), answer(held)
    whole = frame(framing, pdu)
    for end in range(len(whole)):
        assert framing.take(whole[:end], request, 77) is None
    assert framing.take(whole, request, 77) == pdu
    assert objects_in(judge(request, pdu), basic)[0].keys() == held.keys()
    with pytest.raises(OddAnswerError):
        framing.take(whole + b"\x01", request, 77)


@given(objects)
def test_objects_are_what_pymodbus_reads(held: dict[int, bytes]) -> None:
    theirs = ReadDeviceInformationResponse()
    theirs.decode(answer(held)[1:])
    mine, following = objects_in(judge(identification_request(9), answer(held)), basic)
    assert following is None
    assert mine.keys() == theirs.information.keys()
    assert all(mine[number] == text.decode() for number, text in held.items() if text.isalnum())


def test_any_bytes_are_an_answer_or_one_error(count: Callable[[int, int, int], int]) -> None:
    rng = random.Random(43)
    request, passed = identification_request(9), 0
    for _ in range(count(2000, 20_000, 200_000)):
        pdu = bytearray(answer({n: rng.randbytes(rng.randrange(80)) for n in range(rng.randrange(6))}))
        for _ in range(rng.randrange(4)):
            at = rng.randrange(len(pdu))
            match rng.randrange(3):
                case 0:
                    pdu[at] = rng.randrange(256)
                case 1:
                    del pdu[at:]
                    pdu += b"\x2b"
                case _:
                    pdu[at:at] = rng.randbytes(rng.randrange(9))
        framing = rng.choice(list(FRAMINGS.values()))
        try:
            found = framing.take(frame(framing, bytes(pdu[:253])), request, 77)
            if found is None:
                continue
            data = judge(request, found)
            texts, _ = objects_in(data, basic)
        except (OddAnswerError, RefusalError):
            continue
        passed += 1
        assert answer_length(found) == len(found)
        assert all(text.isprintable() for text in texts.values())
    assert passed


class Unit:
    """A unit that answers with these, one after the other, and then the last one for ever."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers, self.asked = list(answers), 0

    async def ask(self, request: Request) -> bytes:
        self.asked += 1
        said = self.answers[min(self.asked, len(self.answers)) - 1]
        if isinstance(said, Exception):
            raise said
        return judge(request, said)


def test_parts_are_put_together_and_the_basic_ones_are_enough() -> None:
    unit = Unit(answer({0: b"Ei"}, more=0xFF, following=1), answer({1: b"S\x00-7", 2: b"1.0"}), RefusalError(3))
    assert asyncio.run(identified(unit.ask, 9)) == {"vendor": "Ei", "product": "S.-7", "revision": "1.0"}


def test_a_unit_without_the_function_says_nothing_of_itself() -> None:
    assert asyncio.run(identified(Unit(RefusalError(1)).ask, 9)) == {}


@pytest.mark.parametrize("code", [5, 6, 10, 11])
def test_a_unit_that_is_busy_or_not_reached_does_not_say_that_it_has_none(code: int) -> None:
    with pytest.raises(DriverError) as caught:
        asyncio.run(identified(Unit(RefusalError(code)).ask, 9))
    assert (caught.value.cause, caught.value.params["code"]) == ("device_exception", code)


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 7])
def test_the_basic_ones_are_kept_whatever_is_said_to_the_rest(code: int) -> None:
    assert asyncio.run(identified(Unit(answer({0: b"Ei"}), RefusalError(code)).ask, 9)) == {"vendor": "Ei"}


@pytest.mark.parametrize("code", [5, 6])
def test_what_a_unit_told_before_it_was_busy_is_kept(code: int) -> None:
    assert asyncio.run(identified(Unit(answer({0: b"Ei"}, more=0xFF, following=1), RefusalError(code)).ask, 9)) == {"vendor": "Ei"}


@pytest.mark.parametrize("following", [0, 1, 200])
def test_a_stream_that_never_ends_is_left(following: int) -> None:
    unit = Unit(answer({0: b"a"}, more=0xFF, following=following))
    assert asyncio.run(identified(unit.ask, 9)) == {"vendor": "a"}  # the second category is answered with the first
    assert unit.asked <= 9


def test_an_answer_to_something_else_is_a_bad_answer() -> None:
    with pytest.raises(DriverError) as caught:
        asyncio.run(identified(Unit(answer({0: b"a"}, code=4)).ask, 9))
    assert caught.value.cause == "bad_answer"


def test_half_an_identity_is_none() -> None:
    whole = Unit(answer({0: b"Ei"}, more=0xFF, following=1), answer({1: b"S-7", 2: b"1.0"}))
    assert asyncio.run(identity(whole.ask, 9)) == b"Ei\0S-7\x001.0"
    for unit in (Unit(answer({0: b"Ei", 1: b"S-7"})), Unit(answer({0: b"Ei"}, more=0xFF, following=0)), Unit(answer({0: b"Ei"}, code=2))):
        with pytest.raises(DriverError):
            asyncio.run(identity(unit.ask, 9))
        assert unit.asked <= 8
    with pytest.raises(RefusalError):
        asyncio.run(identity(Unit(RefusalError(1)).ask, 9))
