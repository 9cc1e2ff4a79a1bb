"""Whom words are for: somebody at a page, who wants the site's time, units, alarms by their sentence and people by name. Pure.

Room: hall. The pages make one for a request and hand it to `entries` and its like. Where none is given the words are for the command line
and for files, which say times in UTC and what was recorded as it was recorded. It reads no clock and asks nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Final

from runtime.messages.catalogue import word
from runtime.messages.values import moment_s
from runtime.permissions import is_on_the_plant

MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec")
"""As browsers abbreviate them in British English, which is what scripts write beside these words."""
_SESSION: Final = re.compile(r" \((?:session|token) t?[0-9a-f]+\)")
"""What stands behind a person or a program in acts and records (`permissions.Actor.text`); a name holds no parentheses."""
_FACES: Final = ("web ", "cli ")
"""Before whom a record names that was made of `face session`."""
_SECOND: Final = ", approved by "
"""What stands between the two who changed the configuration; see `runtime.config_second`."""
_SELF: Final = ", SELF-APPROVED"
"""What stands behind one who approved what they had asked for themselves."""
_CONSOLE: Final = re.compile(r"(?:cli )?uid (\d+)$")
"""How whoever sat at the machine is recorded: by the number that the system has for its user. A person's name has a session behind it."""
_AT_THE_DOOR: Final = re.compile(r"(claim code|ldap|oidc) from (.*)$", re.DOTALL)
"""How whoever has the claim code is recorded, and a directory that vouches for somebody: with where they asked from."""
_OURSELVES: Final = frozenset({"file", "network", "alarms"})
"""What the gateway itself is recorded as: a file that was edited, a network that nobody confirmed, alarms that switch a light."""
OWN_REASONS: Final = MappingProxyType({
    "first start": "why.first_start", "edited by hand": "why.edited", "the demo moved its ports": "why.demo", "test": "why.test",
    "nobody confirmed it": "why.unconfirmed", "alarms": "why.alarms", "first admin": "why.first_admin", "signed in": "why.signed_in",
})  # fmt: skip
"""Why the gateway did something by itself, as it records it."""


@dataclass(frozen=True, slots=True)
class PageReader:
    """`zone`: None where nobody knows it: then times are UTC and say so. `units` by tag, `titles` by an alarm's name.

    `audits`: whether they may see the audit trail. Who did what else than to the plant, to whom and why, is told to nobody else.
    """

    zone: tzinfo | None = None
    units: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    audits: bool = False

    def may_know(self, action: str) -> bool:
        """Tell whether they may know who did an act, to what and why."""
        return self.audits or is_on_the_plant(action)

    def moment(self, time_s: int, lang: str) -> str:
        """Return a moment as the other times of the page are written; UTC with its letter where no zone is known."""
        if self.zone is None:
            return moment_s(time_s)
        try:
            at = datetime.fromtimestamp(time_s, self.zone)
        except (ValueError, OverflowError, OSError):  # no calendar reaches it
            return moment_s(time_s)
        day = f"{at.year}年{at.month}月{at.day}日" if lang == "zh" else f"{at.day} {MONTHS[at.month - 1]} {at.year},"
        return f"{day} {at:%H:%M:%S}"

    def title(self, name: str) -> str:
        """Return an alarm's sentence in quotation marks; its name where it has none, or is gone."""
        text = self.titles.get(name, "").rstrip(".。")
        return f"“{text}”" if text and text != name else name


def person(session: str, lang: str = "en") -> str:
    """Return whom an act's session names: `nina` of `nina (session 464360f1)`, `mes` of a token's, the command line of `uid 0`.

    Whoever has no account is named in words too: who had the claim code, a directory, the gateway itself. What is none of these stays.
    """
    if session.endswith(_SELF):
        return word("who.self", {"who": person(session.removesuffix(_SELF), lang)}, lang)
    if (console := _CONSOLE.match(session)) is not None:
        return word("who.console.root" if int(console[1]) == 0 else "who.console", {"uid": console[1]}, lang)
    if (asking := _AT_THE_DOOR.match(session)) is not None and not _SESSION.search(session):
        way, source = asking.groups()
        return word("who.claim" if way == "claim code" else f"who.{way}", {"source": source}, lang)
    return word(f"who.{session}", None, lang) if session in _OURSELVES else _SESSION.sub("", session)


def doer(record: str, lang: str = "en") -> str:
    """Return whom a record of `face session` names, and who approved it: neither the face nor any session.

    Only the face goes: a name that begins like one stays (`web web Ana (session 1f)`: `web Ana`), as does what names nobody.
    """
    first, between, second = record.partition(_SECOND)
    face = next((each for each in _FACES if first.startswith(each)), "") if _SESSION.search(first) else ""
    who = person(first.removeprefix(face), lang)
    return word("who.approved", {"who": who, "second": person(second, lang)}, lang) if between else who


def why(reason: str, session: str, lang: str = "en") -> str:
    """Return a reason as it was given; where the gateway gave it to itself (`session` names no person), in the reader's language."""
    is_own = session in _OURSELVES or (_AT_THE_DOOR.match(session) is not None and not _SESSION.search(session))
    return word(OWN_REASONS[reason], None, lang) if is_own and reason in OWN_REASONS else reason


def said_by(text: str, reader: PageReader | None, lang: str = "en") -> str:
    """Return who did something: for a page the person alone, else the whole record of `face session`."""
    return text if reader is None else doer(text, lang)


def moment_for(time_s: int, lang: str, reader: PageReader | None) -> str:
    """Return a moment for a page, or in UTC."""
    return moment_s(time_s) if reader is None else reader.moment(time_s, lang)
