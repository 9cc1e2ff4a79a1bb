"""JSON and plain text payloads: from bytes to samples of the tags that look into them, and commands back; pure.

Room: ground, driver `mqtt`. `json_feed.py` calls it for every message. One message is parsed once, however many tags it has.
Strict on purpose: no duplicate names, no NaN, UTF-8 only (RFC 8259), a depth that Python's parser takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from drivers.mqtt.codec import Arrival, Change, Sample, fit, is_good, is_time
from drivers.mqtt.config import JsonAddress
from drivers.reading import Status, Value, quality_of

epoch: Final = datetime(1970, 1, 1, tzinfo=UTC)
millisecond: Final = timedelta(milliseconds=1)
divisors: Final = MappingProxyType({"unix_s": (1000, 1), "unix_ms": (1, 1), "unix_us": (1, 1000), "unix_ns": (1, 1_000_000)})
"""Time format -> numerator and denominator to milliseconds."""
words: Final = MappingProxyType({"good": 0, "uncertain": int(Status.UNCERTAIN), "bad": int(Status.BAD)})
number_pattern: Final = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,4})?", re.ASCII)
int_pattern: Final = re.compile(r"[+-]?\d{1,20}", re.ASCII)
bool_texts: Final = MappingProxyType({"true": True, "false": False, "on": True, "off": False, "1": True, "0": False})
index_pattern: Final = re.compile(r"0|[1-9][0-9]{0,8}")
absent: Final = object()
"""What `resolve` returns for a place that the document does not have."""


class PayloadError(ValueError):
    """The payload is not what the tag's options say that it is."""


def parse(payload: bytes) -> Any:
    """Return the JSON document. Raises PayloadError for anything else, and for duplicate names and NaN."""
    try:
        return json.loads(payload.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise PayloadError(str(error)) from error


def resolve(document: Any, parts: Sequence[str]) -> Any:
    """Return what a JSON pointer points at, or `absent`."""
    for part in parts:
        if isinstance(document, dict):
            if part not in document:
                return absent
            document = document[part]
        elif isinstance(document, list) and index_pattern.fullmatch(part) and int(part) < len(document):
            document = document[int(part)]
        else:
            return absent
    return document


def time_of(value: Any, time_format: str) -> int | None:
    """Return ms since 1970 UTC, or None for what is no time in this format. An ISO text without an offset could be anywhere's: None."""
    if time_format == "iso":
        if not isinstance(value, str) or len(value) > 40:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        if moment.tzinfo is None:
            return None
        time_ms = (moment - epoch) // millisecond
    elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e20:
        up, down = divisors[time_format]
        time_ms = value * up // down if isinstance(value, int) else round(value * up / down)
    else:
        return None
    return time_ms if is_time(time_ms) else None


def status_of(value: Any, quality_format: str) -> int:
    """Return the status that a publisher's own quality stands for; what is no quality in this format is a decoding error."""
    if quality_format == "word":
        if isinstance(value, bool):
            return 0 if value else Status.BAD
        if isinstance(value, str):
            return words.get(value.lower(), Status.BAD_DECODING_ERROR)
    elif isinstance(value, int) and not isinstance(value, bool):
        if quality_format == "opcua" and 0 <= value < 1 << 32:
            return value
        if quality_format == "opcda" and 0 <= value < 1 << 16:
            return da_status(value)
    return Status.BAD_DECODING_ERROR


def da_status(quality: int) -> int:
    """Return the status of an OPC DA quality: bits 7 and 6 are 11 good, 01 uncertain, otherwise bad (OPC DA 3.00, 6.8)."""
    return {0xC0: 0, 0x40: int(Status.UNCERTAIN)}.get(quality & 0xC0, int(Status.BAD))


class JsonTopics:
    """Which tags look into which topics."""

    def __init__(self) -> None:
        """Start with no tag."""
        self._addresses: dict[str, list[JsonAddress]] = {}

    def add(self, address: JsonAddress) -> bool:
        """Look for one more tag; tell whether its topic is new. The same address twice is one."""
        new = address.topic not in self._addresses
        known = self._addresses.setdefault(address.topic, [])
        if address not in known:
            known.append(address)
        return new

    @property
    def topics(self) -> list[str]:
        """Topics to subscribe to."""
        return list(self._addresses)

    def changes(self, topic: str, payload: bytes | None, arrival: Arrival) -> list[Change]:
        """Return a sample for each tag that the message says something of. `payload` None: it was longer than allowed.

        A tag whose place is not in the document gets none: publishers may send parts. A payload that cannot be read
        is a decoding error of all its tags.
        """
        document: Any = None
        broken = payload is None
        changes: list[Change] = []
        parsed = False
        for address in self._addresses.get(topic, ()):
            if payload is not None and address.content == "json" and not parsed:
                parsed = True
                try:
                    document = parse(payload)
                except PayloadError:
                    broken = True
            sample: Sample | None
            if payload is None or (address.content == "json" and broken):
                sample = arrival.sample(None, Status.BAD_DECODING_ERROR, None)
            elif address.content == "text":
                sample = arrival.sample(*plain_value(payload, address.type), None)
            else:
                sample = _sample(document, address, arrival)
            if sample is not None:
                changes.append((address, sample))
        return changes


def plain_value(payload: bytes, kind: str) -> tuple[Value, int]:
    """Return the value and status of a payload that is one plain text: a number, true/false/on/off/1/0, or the text itself."""
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError:
        return None, Status.BAD_DECODING_ERROR
    if kind == "text":
        return fit(text, kind)
    text = text.strip()
    if kind == "bool" and text.lower() in bool_texts:
        return bool_texts[text.lower()], 0
    if kind == "int" and int_pattern.fullmatch(text):
        return fit(int(text), kind)
    if kind in ("float32", "float64") and number_pattern.fullmatch(text):
        return fit_finite(float(text), kind)
    return None, Status.BAD_DECODING_ERROR


def fit_finite(value: object, kind: str) -> tuple[Value, int]:
    """Return `fit`, except that a number too large for a double (1e999 reads as infinite) is out of range."""
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return None, Status.BAD_OUT_OF_RANGE
    return fit(value, kind)


def command_payload(value: Value, parts: Sequence[str]) -> bytes:
    """Return the JSON document that has the value at the place of a pointer whose parts are all names."""
    document: Any = value
    for part in reversed(parts):
        document = {part: document}
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8")


def _sample(document: Any, address: JsonAddress, arrival: Arrival) -> Sample | None:
    found = resolve(document, address.pointer)
    if found is absent:
        return None
    value, status = fit_finite(found, address.type)
    source_ms = None
    if address.quality is not None and is_good(status):
        told = resolve(document, address.quality)
        status = Status.UNCERTAIN if told is absent else status_of(told, address.quality_format)
        if quality_of(status) == 2:
            value = None if status == Status.BAD_DECODING_ERROR else value
    if address.time is not None:
        source_ms = time_of(resolve(document, address.time), address.time_format)
        if source_ms is None and is_good(status):
            status = Status.UNCERTAIN  # a value whose time cannot be told
    return arrival.sample(value, status, source_ms)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise PayloadError("a name twice")
    return found


def _refused(constant: str) -> Any:
    raise PayloadError(constant)
