"""Who a unit says that it is: function 43 with MEI type 14, whose answers alone tell their own length. Pure.

Room: ground, driver `modbus`. `driver.py` asks with it; `framing.py` finds the end of its answers with `answer_length`, which every request
of this kind carries. Units without the function refuse it. Source: MODBUS Application Protocol V1.1b3, 6.21.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from drivers.driver import DriverError
from drivers.modbus.exception_codes import busy_codes, gateway_codes
from drivers.modbus.request import OddAnswerError, RefusalError, Request
from drivers.reading import Status

function: Final = 0x2B
mei_type: Final = 0x0E
basic, regular = 1, 2
head_bytes: Final = 7
"""Function, MEI type, code, conformity, more follows, next object, number of objects."""
pdu_bytes_max: Final = 253
names: Final = ("vendor", "product", "revision", "vendor_url", "product_name", "model", "application")
rounds_max: Final = 8
"""Answers of one stream; seven objects of 244 bytes fit into no fewer than seven."""

Ask = Callable[[Request], Awaitable[bytes]]
"""Request -> what follows the MEI type in its answer. Raises RefusalError, DriverError."""


def identification_request(unit_id: int, code: int = basic, first: int = 0) -> Request:
    """Return a request for the objects of a category from `first` on."""
    return Request(unit_id, bytes((function, mei_type, code, first)), head_bytes, whole=answer_length)


def answer_length(beginning: bytes) -> int | None:
    """Return how long the PDU is that begins so, None while that cannot be told. Raises OddAnswerError for what cannot become one."""
    if len(beginning) > 1 and beginning[1] != mei_type:
        raise OddAnswerError(f"MEI type {beginning[1]} for {mei_type}")
    if len(beginning) < head_bytes:
        return None
    end = head_bytes
    for _ in range(beginning[6]):
        if end + 2 > pdu_bytes_max:
            raise OddAnswerError("more objects than fit")
        if len(beginning) < end + 2:
            return None
        end += 2 + beginning[end + 1]
    if end > pdu_bytes_max:
        raise OddAnswerError(f"objects of {end} bytes")
    return end


def objects_in(data: bytes, code: int) -> tuple[dict[int, str], int | None]:
    """Return number -> text of the objects, and the number to go on with when more follow. `data` comes after the MEI type.

    Texts are bytes of whatever kind; control characters and what is no Latin-1 letter become a point. Raises OddAnswerError.
    """
    if len(data) < head_bytes - 2 or data[0] != code:
        raise OddAnswerError("not the category that was asked for")
    found: dict[int, str] = {}
    at = head_bytes - 2
    for _ in range(data[4]):
        number, end = data[at], at + 2 + data[at + 1]
        found[number] = "".join(sign if sign.isprintable() else "." for sign in data[at + 2 : end].decode("latin-1")).strip(" .")
        at = end
    return found, data[3] if data[2] == 0xFF else None


async def identified(ask: Ask, unit_id: int) -> dict[str, str]:
    """Return what a unit says of itself by name, empty where it has no such function.

    Raises DriverError; `device_exception` with 10 or 11 where a gateway did not reach it, with 5 or 6 where it is busy before it has told
    anything. What it told before another refusal is returned.
    """
    found: dict[int, str] = {}
    for code in (basic, regular):
        following: int | None = 0 if code == basic else len(names[:3])
        for _ in range(rounds_max):
            if following is None:
                break
            first = following
            try:
                objects, following = objects_in(await ask(identification_request(unit_id, code, first)), code)
            except RefusalError as refusal:
                if refusal.code in gateway_codes or (refusal.code in busy_codes and not found):
                    raise DriverError("device_exception", Status.BAD_DEVICE_FAILURE, code=refusal.code) from refusal
                return _named(found)
            except OddAnswerError as odd:
                if code != basic:
                    return _named(found)  # it has the basic ones only and says so again
                raise DriverError("bad_answer", Status.BAD_DECODING_ERROR, detail=odd.detail) from odd
            found |= {number: text for number, text in objects.items() if number not in found}
            if following is not None and following <= first:
                break  # it would go round for ever
    return _named(found)


async def identity(ask: Ask, unit_id: int) -> bytes:
    """Return what vendor, product and revision are, the same bytes each time.

    Raises RefusalError, DriverError `bad_answer` also for less than all three: half an identity would be another one than the whole.
    """
    found: dict[int, str] = {}
    following: int | None = 0
    for _ in range(rounds_max):
        if following is None:
            break
        try:
            objects, following = objects_in(await ask(identification_request(unit_id, basic, following)), basic)
        except OddAnswerError as odd:
            raise DriverError("bad_answer", Status.BAD_DECODING_ERROR, detail=odd.detail) from odd
        found |= objects
    parts = [found.get(number, "") for number in range(len(names[:3]))]
    if not all(parts):
        raise DriverError("bad_answer", Status.BAD_DECODING_ERROR, detail="identification without vendor, product or revision")
    return "\0".join(parts).encode()


def _named(objects: dict[int, str]) -> dict[str, str]:
    return {names[number]: text for number, text in sorted(objects.items()) if number < len(names) and text}
