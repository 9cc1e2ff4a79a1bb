"""The shift handover: what stands open, what is put aside, and what has happened since: alarms, acts, writes, models, configuration.

Room: hall, face. `app` puts its row into the table. It shows what core and history say, and changes nothing; it is made to be read
aloud, or printed. Where the history process does not answer, that part says so and the rest stands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ledger_client.alarm_bodies import ALARMS
from ledger_client.event_bodies import FINDING, LABEL, MODEL, SCORES
from ledger_client.kinds import INTENT, Kind
from runtime.alarms.machine import Shown
from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.acts_told import asked_of, outcomes
from runtime.faces.web.alarm_lines import ACTIVE, HIDDEN, UNANSWERED, alarm_lines
from runtime.faces.web.answers import language
from runtime.faces.web.face import Face
from runtime.faces.web.rows import RouteRow
from runtime.messages.entries import describe
from runtime.messages.page_reader import PageReader

HOUR_MS: Final = 3_600_000
PAGES_MAX: Final = 5
PER_PAGE: Final = 200
PAST_MAX: Final = 500
"""Transitions of alarms."""
SHOWN_MAX: Final = 30
"""Of one section; how many more there are is said."""
WRITES: Final = ("device.write", "device.call", "command.confirm", "command.approve", "manual.enter")
"""Acts that change the plant, or its readings."""
OF_MODELS: Final = frozenset({FINDING, LABEL, MODEL})
UNTOLD: Final = frozenset({ALARMS, SCORES})
"""Events that have a section of their own, or say nothing to a shift."""


class HandoverQuery(msgspec.Struct, frozen=True):
    """How many hours back."""

    hours: Annotated[int, msgspec.Meta(ge=1, le=168)] = 8


@dataclass(slots=True)
class Section:
    """Lines of one kind, the newest first: (wall ms, entry, words)."""

    code: str
    lines: list[tuple[int, int, str]] = field(default_factory=list)
    more: int = 0

    def add(self, at_ms: int, seq: int, text: str) -> None:
        """Add a line, or count it."""
        if len(self.lines) < SHOWN_MAX:
            self.lines.append((at_ms, seq, text))
        else:
            self.more += 1


NO_SUMMARY: Final[Mapping[str, Any]] = {
    "defined": 0, "waiting": {"high": 0, "medium": 0, "low": 0}, "states": dict.fromkeys(Shown, 0), "advisories": 0, "newest": None,
    "unrecorded": 0, "cause": None, "params": {}, "notify": [],
}  # fmt: skip
"""Of a page that never heard of alarms."""


async def newest_of(face: Face, request: Request, limit: int) -> tuple[dict[str, Any], RequestRefusedError | None]:
    """Return the core's answer to `alarms`; while it does not answer, what was heard last, and why that is all."""
    try:
        return await face.ask("alarms", {"limit": limit}, request), None
    except RequestRefusedError as refused:
        heard = face.feed.alarms
        rows = list(heard["rows"])
        return {"summary": {**NO_SUMMARY, **heard["summary"]}, "rows": rows, "total": len(rows)}, refused


class HandoverPages:
    """The endpoint."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        return [RouteRow("GET", "/handover", "view.alarms", self.handover, query=HandoverQuery, doc="page.handover", is_page=True)]

    async def handover(self, request: Request) -> Response:
        """What the next shift must know."""
        hours, lang = request.state.query.hours, language(request)
        now_ms = int(self._face.feed.health.get("now_ms") or 0)
        since_ms = max(0, now_ms - hours * HOUR_MS)
        told, away = await newest_of(self._face, request, 500)
        lines = alarm_lines(told["rows"], lang)
        past: list[Mapping[str, Any]] = []
        if away is None:
            past = (await self._face.ask("alarm_history", {"since_ms": since_ms, "limit": PAST_MAX}, request))["rows"]
        raised = Counter(row["name"] for row in past if row["what"] == "raised" and not row["hidden"])
        reader = await self._face.reader(request)
        sections, cut_ms, fault = await self._sections(since_ms, lang, reader)
        if len(past) == PAST_MAX:
            cut_ms = max(cut_ms or 0, int(past[-1]["at_ms"]))
        fault = away or fault
        return self._face.render(
            request, "handover.html", hours=hours, since_ms=since_ms, now_ms=now_ms, here="handover", fault=fault, away=away,
            sections=sections, cut_ms=cut_ms, titles=reader.titles,
            open=[line for line in lines if line.state in UNANSWERED or line.state in ACTIVE or line.state == "latched"],
            aside=[line for line in lines if line.state in HIDDEN], raised=raised.most_common(10), raised_count=sum(raised.values()),
        )  # fmt: skip

    async def _sections(self, since_ms: int, lang: str, reader: PageReader) -> tuple[list[Section], int | None, RequestRefusedError | None]:
        """Return what the ledger says of the time since then, from when on if it is too much, and why it cannot be told."""
        try:
            found, cut_ms = await entries_since(lambda asked: self._face.ask_history("entries", asked), since_ms)
            until_ms = await self._face.ask_history("entries_until", {})
        except RequestRefusedError as refused:
            return sections_of((), lang), None, refused
        if until_ms is not None and until_ms >= since_ms:  # of that time the history has not all entries any more
            cut_ms = max(cut_ms or 0, until_ms)
        return sections_of(found, lang, reader), cut_ms, None


async def entries_since(ask: Callable[[dict[str, Any]], Awaitable[Any]], since_ms: int) -> tuple[list[Sequence[Any]], int | None]:
    """Return the entries since then, newest first, and from when on they are told where there are more than PAGES_MAX pages of them.

    Raises what `ask`, the history's `entries`, raises.
    """
    found: list[Sequence[Any]] = []
    before: int | None = None
    for _ in range(PAGES_MAX):
        rows = await ask({"before": before, "limit": PER_PAGE})
        found += [row for row in rows if row[1] >= since_ms]
        if len(rows) < PER_PAGE or rows[-1][1] < since_ms:
            return found, None
        before = rows[-1][0]
    return found, found[-1][1]


def sections_of(rows: Sequence[Sequence[Any]], lang: str, reader: PageReader | None = None) -> list[Section]:
    """Return the entries of a shift in words, sorted by what they are about. A row is one of the history's `entries`, the newest first."""
    reader = reader or PageReader()
    ended = outcomes((row[3], row[5]) for row in rows if row[2] == Kind.COMMAND)
    found = {name: Section(f"handover.{name}") for name in ("writes", "acts", "models", "config", "gaps")}
    for seq, wall_ms, kind, detail, groups, told in rows:
        section = _section_of(kind, detail)
        if section is None:
            continue
        more: dict[str, Any] = {"groups": dict(groups), "told": told}
        if kind == Kind.COMMAND:
            more = {"asked": asked_of(told), "ended": ended.get(bytes(detail[0]))}
        found[section].add(wall_ms, seq, describe(kind, detail, lang, reader=reader, **more))
    return list(found.values())


def _section_of(kind: int, detail: Sequence[Any]) -> str | None:
    match kind:
        case Kind.COMMAND:
            if detail[1] != INTENT:
                return None
            return "writes" if detail[2] in WRITES else "acts"
        case Kind.EVENT:
            return "models" if detail[0] in OF_MODELS else None if detail[0] in UNTOLD else "acts"
        case Kind.CONFIG:
            return "config"
        case Kind.GAP | Kind.BOOT | Kind.CLOCK | Kind.CLOSE:
            return "gaps"
    return None
