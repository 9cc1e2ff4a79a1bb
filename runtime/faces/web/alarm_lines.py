"""Alarms as a page says them: rows of the core, worded for a technician. Pure; no HTML, no sockets.

Room: hall, face. `alarm_pages` calls it for what the server draws, which stands without JavaScript; static/alarms.js says the same in the
browser. A priority is a shape, a letter and a word, never a colour alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from runtime.faces.feed import Row
from runtime.messages.alarm_words import happening_text, short
from runtime.messages.catalogue import word
from runtime.messages.page_reader import PageReader, doer
from runtime.messages.units import unit_sign

UNANSWERED: Final = ("unacked", "returned", "latched_unacked")
HIDDEN: Final = ("shelved", "suppressed", "out_of_service")
ACTIVE: Final = ("unacked", "acked")
SHELF_MINUTES: Final = (10, 30, 60, 120, 240, 480)
"""What the page offers; as far as the alarm may be shelved."""
MIX: Final = ("low", "medium", "high")
HIGH_SHARE_MAX: Final = 0.1
"""Of priorities, where 5 % would be good."""
FEW: Final = 10
"""Up to so many alarms their shares say nothing."""


@dataclass(frozen=True, slots=True)
class AlarmLine:
    """One alarm. `letter` stands in its shape; `waits`: it can be acknowledged. Times are wall ms of the gateway, None when not known."""

    name: str
    title: str
    about: str
    priority: str
    letter: str
    state: str
    state_text: str
    waits: bool
    value: str
    since_ms: int | None
    until_ms: int | None
    action: str
    consequence: str
    response_min: float | None
    by: str
    note: str
    recorded: str
    count: int
    shelf: tuple[int, ...]


def alarm_line(row: Mapping[str, Any], lang: str) -> AlarmLine:
    """Return a row of the feed in words."""
    priority, state = str(row["priority"]), str(row["state"])
    shelf = tuple(minutes for minutes in SHELF_MINUTES if minutes <= int(row.get("shelve_max_min") or 0))
    value = row.get("value")
    shown = "" if value is None or not row.get("tag") else f"{short(value, lang)} {unit_sign(row.get('unit', ''))}".strip()
    return AlarmLine(
        row["name"], row.get("text") or row["name"], about_text(row, lang), priority, word(f"alarm.letter.{priority}", None, lang), state,
        state_text(row, lang), state in UNANSWERED, shown,
        row.get("raised_ms") if state in UNANSWERED else row.get("since_ms") or row.get("changed_ms"), row.get("until_ms"),
        row.get("action", ""), row.get("consequence", ""), row.get("response_min"), doer(row.get("by", ""), lang), row.get("note", ""),
        row.get("recorded", "recorded"), int(row.get("count") or 0), shelf,
    )  # fmt: skip


def alarm_lines(rows: Iterable[Mapping[str, Any]], lang: str) -> list[AlarmLine]:
    """Return rows in words, in their order."""
    return [alarm_line(row, lang) for row in rows]


def about_text(row: Mapping[str, Any], lang: str) -> str:
    """Return what the condition says: `filler/level above 80 mm`."""
    condition = str(row["condition"])
    about = row.get("tag") or row.get("device") or row.get("model") or ""
    limit, unit = short(row.get("limit"), lang), unit_sign(row.get("unit", ""))
    return word(f"alarm.condition.{condition}", {"about": about, "limit": limit, "unit": unit}, lang).strip()


def state_text(row: Mapping[str, Any], lang: str) -> str:
    """Return the state in words; of an advisory that it lasts."""
    if row["priority"] == "advisory" and row["state"] == "acked":
        return word("alarm.state.advisory", None, lang)
    return word(f"alarm.state.{row['state']}", None, lang)


@dataclass(frozen=True, slots=True)
class Banner:
    """What stands on every page. `level`: alarm (a high one waits), warn (another waits), note (something is active), or quiet."""

    level: str
    text: str
    first: AlarmLine | None
    counts: tuple[tuple[str, str, int], ...]
    """(priority, letter, how many wait) of those that wait."""


def banner(alarms: Mapping[str, Any], lang: str) -> Banner | None:
    """Return the banner of the newest word of the core; None where no alarm is configured, or nothing was heard yet."""
    summary = alarms.get("summary") or {}
    if not summary.get("defined"):
        return None
    waiting, states = summary["waiting"], summary["states"]
    counts = tuple(
        (name, word(f"alarm.letter.{name}", None, lang), int(waiting[name])) for name in ("high", "medium", "low") if waiting[name]
    )
    total = sum(count for _, _, count in counts)
    rest = rest_text(states, lang)
    newest = summary.get("newest")
    if total:
        text = word("alarm.banner.waits", {"count": total}, lang)
        return Banner("alarm" if waiting["high"] else "warn", text, alarm_line(newest, lang) if newest else None, counts)
    text = word("alarm.banner.none", None, lang) + (f" · {rest}" if rest else "")
    return Banner("known" if states["acked"] or states["latched"] else "quiet", text, None, ())


def rest_text(states: Mapping[str, int], lang: str) -> str:
    """Return how many are active and known, shelved and so on, in one line; empty when there are none."""
    named = ("acked", "latched", *HIDDEN)
    return " · ".join(word(f"alarm.count.{name}", {"count": states[name]}, lang) for name in named if states.get(name))


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One transition in words."""

    at_ms: int
    name: str
    text: str
    priority: str
    letter: str
    hidden: bool
    recorded: str
    seq: int | None


def history_lines(rows: Sequence[Mapping[str, Any]], lang: str, reader: PageReader | None = None) -> list[HistoryLine]:
    """Return transitions in words, in their order; for a page alarms by their sentence and people by name, else as recorded."""
    return [
        HistoryLine(
            row["at_ms"], row["name"], happening_text(row, lang, reader), row["priority"],
            word(f"alarm.letter.{row['priority']}", None, lang), bool(row["hidden"]), row["recorded"], row["seq"],
        )
        for row in rows
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the alarm system beside what the standards call good."""

    name: str
    value: str
    aim: str
    verdict: str
    """is_good, is_not, or few: too few alarms to tell."""
    named: tuple[str, ...] = ()


def figures(told: Mapping[str, Any], lang: str) -> list[Figure]:
    """Return the figures of EEMUA 191 in words."""
    aims = told["aims"]

    def share(value: float) -> str:
        return f"{100 * value:.1f} %"

    def figure(name: str, value: str, aim: str, *, good: bool, named: Iterable[str] = (), tells: bool = True) -> Figure:
        verdict = "few" if not tells else "is_good" if good else "is_not"
        return Figure(word(f"alarm.figure.{name}", None, lang), value, word("alarm.figure.aim", {"aim": aim}, lang), verdict, tuple(named))

    mix, few = told["priorities"], told["count"] <= FEW
    flood, top = told["flood_share"], told["top_share"]
    shares = " / ".join(f"{100 * mix[name]:.0f}" for name in MIX)
    most_named = [f"{name}: {count}" for name, count in told["top"]]
    stale_named = [name for name, _ in told["stale"]]
    return [
        figure("average", f"{told['average']:.2f}", f"≤ {aims['average']:.0f}", good=told["average"] <= aims["average"]),
        figure("most", str(told["most"]), f"≤ {aims['most']}", good=told["most"] <= aims["most"]),
        figure("flood", share(flood), f"< {share(aims['flood_share'])}", good=flood < aims["flood_share"]),
        figure("top", share(top), f"≤ {share(aims['top_share'])}", good=top <= aims["top_share"], named=most_named, tells=not few),
        figure("chattering", str(told["chattering_count"]), "0", good=not told["chattering_count"], named=told["chattering"]),
        figure("stale", str(told["stale_count"]), f"< {aims['stale']}", good=told["stale_count"] < aims["stale"], named=stale_named),
        figure("mix", shares, "80 / 15 / 5", good=mix["high"] <= HIGH_SHARE_MAX, tells=not few),
    ]


def tag_of(tags: Mapping[int, Row], name: str) -> int | None:
    """Return the number of a tag by `device/tag`."""
    return next((uid for uid, row in tags.items() if row[1] == name), None)
