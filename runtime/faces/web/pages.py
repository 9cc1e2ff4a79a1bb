"""What a page says: the feed's rows and health, worded for a technician. Pure; no HTML, no sockets.

Room: hall, face. `app` calls it for the first, server-made picture of a page, which stands without JavaScript. The browser
then keeps it fresh with the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

from drivers.reading import Status, status_name
from runtime.faces.feed import Row
from runtime.faces.web.alarm_lines import about_text, state_text
from runtime.messages import judged
from runtime.messages.catalogue import catalogue, sort_of, word
from runtime.messages.status_words import NONE_READ, device_cause, device_state, status_numbers, status_sentence
from runtime.messages.units import unit_sign, unit_words

MIND_MAX: Final = 12
"""Single tags on the first page; the others are a number that leads to them."""
ALARMS_MAX: Final = 3
"""Alarms on the first page, the worst of them; all stand on their own."""
IS_READ: Final = ("ok", "degraded")
"""States of a device that gives some of its tags at least, unless its cause is NONE_READ."""
NOTED_ALARMS: Final = ("unacked", "returned", "latched_unacked", "acked", "latched")
"""States of alarms that are there: neither normal nor hidden on purpose."""


@dataclass(frozen=True, slots=True)
class TagLine:
    """One row of the live table. `age_ms` as `age_of` gives it; `quality` is 0 good, 1 uncertain, 2 bad."""

    uid: int
    name: str
    unit: str
    value: str
    quality: int
    age_ms: int | None
    state: str
    seq: int | None
    cause: str


@dataclass(frozen=True, slots=True)
class DeviceBlock:
    """One device's heading and its tags in config order. `said`: which text of `web.device.` says its state, as `device_state`."""

    name: str
    asset: str
    state: str
    cause: str
    lines: tuple[TagLine, ...]
    said: str = ""


@dataclass(frozen=True, slots=True)
class Mind:
    """One line of what needs attention: where it leads, what it is, why, and its `level`: down (alarm) or waiting (warning)."""

    href: str
    name: str
    why: str
    level: str = "down"


def alarms_noted(alarms: Mapping[str, Any] | None, lang: str) -> list[Mind]:
    """Return the worst alarms that are there, and how many more there are; `alarms` as the feed gives them, None for whom may not see."""
    rows = [row for row in (alarms or {}).get("rows", ()) if row["state"] in NOTED_ALARMS and row["priority"] != "advisory"]
    states = ((alarms or {}).get("summary") or {}).get("states") or {}
    found = [
        Mind(
            f"/alarms/at/{quote(row['name'], safe='')}", row.get("text") or row["name"],
            f"{about_text(row, lang)} · {state_text(row, lang)}", "down" if row["priority"] == "high" else "waiting",
        )
        for row in rows[:ALARMS_MAX]
    ]  # fmt: skip
    more = sum(states.get(name, 0) for name in NOTED_ALARMS) - len(found)
    return [*found, Mind("/alarms", word("web.home.alarms.more", {"n": more}, lang), "", "waiting")] if more > 0 else found


def approvals(may: Callable[[str], bool]) -> list[str]:
    """Return what one may approve that somebody else asked for: `config`, `commands`."""
    return [what for what, action in (("config", "config.approve"), ("commands", "command.approve")) if may(action)]


def approvals_noted(health: Mapping[str, Any], lang: str, approves: Sequence[str]) -> list[Mind]:
    """Return what waits for a second person, for whom `approves` lets be that one: a line a kind."""
    waiting = {"config": health.get("edits_waiting"), "commands": health.get("writes", {}).get("waiting")}
    return [
        Mind(f"/{what}", word(f"web.nav.{what}", None, lang), word(f"web.home.waits.{what}", {"n": waiting[what]}, lang), "waiting")
        for what in approves
        if waiting[what]
    ]


def file_noted(health: Mapping[str, Any], lang: str) -> list[Mind]:
    """Return that the configuration's file, as somebody edited it by hand, is not in force; nothing where it is."""
    count = health.get("gateway", {}).get("config_fault_count")
    return [Mind("/config", word("web.nav.config", None, lang), word("web.home.file_faults", {"n": count}, lang))] if count else []


def parts_noted(health: Mapping[str, Any], lang: str) -> list[Mind]:
    """Return the parts that fail each time they are started, such as history, each with why; for whoever sees diagnostics."""
    down = health.get("parts_down", {})
    return [
        Mind("/diagnostics", word("web.nav.diagnostics", None, lang), word("part_down", {"part": part, "reason": reason}, lang))
        for part, reason in down.items()
    ]


def attention(
    blocks: Sequence[DeviceBlock], abnormal: Sequence[str], lang: str, alarms: Mapping[str, Any] | None = None, *,
    second: Sequence[Mind] = (),
) -> list[Mind]:  # fmt: skip
    """Return what needs attention: alarms, what waits for a second person (`approvals_noted`), models, silent devices, then tags.

    Of single tags at most MIND_MAX, then how many more.
    """
    found = [Mind(f"/anomalies?model={quote(name)}", name, word("web.home.abnormal", None, lang)) for name in abnormal]
    tags: list[Mind] = []
    for block in blocks:
        bad = [line for line in block.lines if line.quality == 2 or line.state == "unrecorded"]
        if bad and (block.state == "down" or block.said == "none_read"):
            why = block.cause or word("web.device.down", None, lang)
            found.append(
                Mind(f"/live?find={quote(block.name + '/')}", block.name, f"{why} ({word('web.home.tags', {'n': len(bad)}, lang)})")
            )
        else:
            tags += [
                Mind(
                    f"/live?find={quote(f'{block.name}/{line.name}')}",
                    f"{block.name}/{line.name}",
                    line.cause or word("web.quality.2", None, lang),
                )
                for line in bad
            ]
    more = len(tags) - MIND_MAX
    if more > 0:
        tags[MIND_MAX:] = [Mind("/live?bad=1", word("web.home.more", {"n": more}, lang), "")]
    return [*alarms_noted(alarms, lang), *second, *found, *tags]


def quality_of(status: int) -> int:
    """Return 0, 1 or 2 for a 32-bit OPC UA status (severity bits)."""
    return min(status >> 30 & 3, 2)


def show_value(value: Any, tag: Row, lang: str = "en") -> str:
    """Return a value as text: decimals as the tag has them, at most six significant digits otherwise; yes and no in words."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return word("value.yes" if value else "value.no", None, lang)
    if isinstance(value, float):
        exponent = tag[5]
        return f"{value:.{-exponent}f}" if isinstance(exponent, int) and -9 <= exponent <= 0 else f"{value:.6g}"
    return str(value)


def show_age(age_ms: int | None) -> str:
    """Return an age in the largest whole unit that reads well: 0.4 s, 12 s, 3 min, 2 h, 5 d."""
    if age_ms is None:
        return "—"
    seconds = max(0.0, age_ms / 1000)
    for limit, size, unit in ((10, 1, "s"), (120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds:.1f} s" if limit == 10 else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"


def show_count(count: int | None) -> str:
    """Return a count with its thousands apart; what is not known is a dash, never a zero."""
    return "—" if count is None else f"{count:,}"


def show_gaps(health: Mapping[str, Any], lang: str, *, is_heard: bool = True) -> str:
    """Return the signed gaps, a line for each cause; a dash while nothing is known of them. `is_heard`: the core answers."""
    if "gaps" not in health:
        return "—"
    causes = [f"{sort_of(cause, lang)}: {count:,}" for cause, count in health["gaps"].items() if count]
    return "\n".join(causes) or (word("web.evidence.nogaps", None, lang) if is_heard else "—")


def now_of(health: Mapping[str, Any], silent_ms: int) -> int | None:
    """Return the core's wall clock, ms, as it is `silent_ms` after it told it; None when it never did."""
    told_ms = health.get("now_ms")
    return told_ms + silent_ms if isinstance(told_ms, int) else None


def device_blocks(
    tags: Mapping[int, Row], values: Mapping[int, Row], health: Mapping[str, Any], lang: str, *, silent_ms: int = 0
) -> list[DeviceBlock]:
    """Group the tags by device. Rows are those of `feed.ValueSource`; `silent_ms` ago the core was heard, and ages go on from there."""
    now_ms = now_of(health, silent_ms)
    states = {device["name"]: device for device in health.get("devices", ())}
    blocks: dict[str, list[TagLine]] = {}
    for uid, tag in tags.items():
        age_ms = age_of(values.get(uid), now_ms, states.get(tag[2], {}))
        blocks.setdefault(tag[2], []).append(_line(uid, tag, values.get(uid), age_ms, lang))
    found = []
    for name, lines in blocks.items():
        device = states.get(name, {})
        found.append(
            DeviceBlock(
                name,
                str(device.get("asset") or ""),
                str(device.get("state") or "starting"),
                device_cause(device, lang),
                tuple(lines),
                device_state(device),
            )
        )
    return found


def sentence(
    tags: Mapping[int, Row],
    values: Mapping[int, Row],
    health: Mapping[str, Any],
    *,
    link: bool,
    lang: str,
    abnormal: Sequence[str] = (),
    silent_ms: int = 0,
) -> tuple[str, str]:
    """Return (level, text) of the one sentence on top: level ok, warn or alarm.

    `abnormal` as `abnormal_models` gives it; `silent_ms` ago the core was heard.
    """
    if not link:
        return "alarm", word("web.sentence.away_for" if health else "web.sentence.away", {"age": show_age(silent_ms)}, lang)
    evidence, ledger = health.get("evidence", {}), health.get("ledger", {})
    if evidence.get("state") == "stopped":
        cause = evidence.get("cause")
        reason = f" — {word(cause, evidence.get('params'), lang)}" if cause else ""
        return "alarm", word("web.sentence.stopped", None, lang) + reason
    if ledger.get("state") == "quarantined":
        todo = ledger.get("todo")
        more = f" {word(todo, ledger.get('params'), lang)}" if todo else ""
        return "alarm", word("web.sentence.quarantined", None, lang) + "." + more
    if not health or not tags:
        return "ok", word("web.sentence.empty" if health.get("devices") == [] else "web.sentence.starting", None, lang)
    bad = sum(1 for uid in tags if uid not in values or quality_of(values[uid][2]) == 2)
    text = word("web.sentence.recording", {"good": len(tags) - bad, "total": len(tags)}, lang)
    if bad:
        text += word("web.comma", None, lang) + word("web.sentence.bad", {"bad": bad}, lang)
    if abnormal:
        text += word("web.semicolon", None, lang) + word("web.sentence.abnormal", {"models": ", ".join(abnormal)}, lang)
    return "warn" if bad or abnormal else "ok", text


def abnormal_models(models: Sequence[Mapping[str, Any]], health: Mapping[str, Any]) -> list[str]:
    """Return the names of the armed models that say, of now, that their machine is not normal."""
    judge, now_ms = health.get("judge"), health.get("now_ms")
    return [
        model["name"] for model in models
        if model["state"] == "armed" and judged.is_not_normal(model) and not model.get("refused") and judged.is_of_now(model, judge, now_ms)
    ]  # fmt: skip


def points_mark(tags: Mapping[int, Row]) -> str:
    """Return a short name of this very set of tags, names and units and all: a page that shows another one renews itself."""
    return sha256(repr(list(tags.values())).encode()).hexdigest()[:16]


def page_words(lang: str) -> dict[str, str]:
    """Return the texts that the browser needs (those of the pages, and causes)."""
    return dict(catalogue("en")) | dict(catalogue(lang)) | unit_words() | status_numbers()


def age_of(row: Row | None, now_ms: int | None, device: Mapping[str, Any]) -> int | None:
    """Return how old what a row shows is, ms: of a bad one without a value since its device was last read well, None if never.

    None too while nothing came yet, and where its device is read: what came well of it was other tags. `device` as the health tells it.
    The same as `ageOf` of `live.js`.
    """
    if row is None or now_ms is None or row[2] == Status.BAD_WAITING_FOR_INITIAL_DATA:
        return None
    at_ms = row[3]
    if row[1] is None and quality_of(row[2]) == 2:
        is_read = device.get("state") in IS_READ and device.get("cause") != NONE_READ
        at_ms = None if is_read else device.get("last_good_ms")
    return None if at_ms is None else max(0, now_ms - at_ms)


def _line(uid: int, tag: Row, row: Row | None, age_ms: int | None, lang: str) -> TagLine:
    name = tag[1].split("/", 1)[-1]
    if row is None:
        return TagLine(uid, name, unit_sign(tag[3]), "—", 2, None, "pending", None, word("web.no_data", None, lang))
    is_waited_for = row[2] == Status.BAD_WAITING_FOR_INITIAL_DATA
    return TagLine(
        uid,
        name,
        unit_sign(tag[3]),
        show_value(row[1], tag, lang),
        quality_of(row[2]),
        age_ms,
        row[5],
        row[6],
        word(row[7] or "web.no_data", None, lang) if row[7] or is_waited_for else status_sentence(status_name(row[2]), lang),
    )
