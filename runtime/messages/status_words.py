"""What an OPC UA status says in a sentence, and why a device is not well with those sentences behind it.

Room: hall. Faces and the CLI call it; `static/words.js` has the same rules. A server's own code that `drivers.reading` does not name has
no words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from drivers.reading import Status, server_status_names, status_name
from runtime.messages.catalogue import catalogue, word

NONE_READ: Final = "device_none_read"
"""The cause of a device that answers, and gives no tag a value: it is no device that answers in part."""


def status_sentence(name: str, lang: str = "en") -> str:
    """Return the sentence of a status by its name (`BadNoData`), empty for good and for one that has no name."""
    code = f"status.{name}"
    return word(code, None, lang) if code in catalogue("en") else ""


def status_said(name: str, lang: str = "en") -> str:
    """Return a status' name with its sentence, `BadNoData: …`; the name alone where there is none."""
    sentence = status_sentence(name, lang)
    return f"{name}: {sentence}" if sentence else name


def statuses_of(params: Mapping[str, Any] | None) -> list[str]:
    """Return the names of the statuses that a cause is about (`health`); a core of an earlier version names none."""
    return str((params or {}).get("statuses", "")).split()


def device_cause(device: Mapping[str, Any], lang: str = "en") -> str:
    """Return why a device is not well, and what the statuses mean that its tags have; empty where it says no cause."""
    if not device.get("cause"):
        return ""
    params = device.get("params")
    return " — ".join((word(device["cause"], params, lang), *(status_said(name, lang) for name in statuses_of(params))))


def device_state(device: Mapping[str, Any]) -> str:
    """Return which text of `web.device.` says a device's state."""
    return "none_read" if device.get("cause") == NONE_READ else str(device.get("state") or "starting")


def status_numbers() -> dict[str, str]:
    """Return `status.2156593152` -> `BadDeviceFailure` of all that have a name: what a page needs to find the words of a number."""
    return {f"status.{int(each)}": status_name(each) for each in (*Status, *server_status_names)}
