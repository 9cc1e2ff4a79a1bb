"""What an event entry says, in one line of words: scores, findings, states of models, labels, logins; alarms by `alarm_words`. Pure.

Room: hall. `entries` calls it with the body where the caller has it. It words what stands there and judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ledger_client.access_events import ACCESS, read_access
from ledger_client.alarm_bodies import ALARMS, read_alarms
from ledger_client.errors import FormatError
from ledger_client.event_bodies import EventBody, FindingBody, LabelBody, ModelBody, ScoreReceipt, read_event
from runtime.messages import judged
from runtime.messages.alarm_words import alarms_text
from runtime.messages.catalogue import catalogue, phrase, word
from runtime.messages.finding_words import finding_text
from runtime.messages.page_reader import PageReader, moment_for, said_by


def event_text(type_uri: str, version: int, body: bytes, lang: str = "en", reader: PageReader | None = None) -> str | None:
    """Return what the body of an event says, for the `reader` of a page in that page's terms.

    None for one of another type or version, for one that is no such body, and for what this reader may not see.
    """
    if type_uri == ACCESS:
        if reader is not None and not reader.audits:
            return None  # who logged in from where
        return _access(version, body, lang, reader)
    if type_uri == ALARMS:
        try:
            alarms = read_alarms(version, body)
        except FormatError:
            return None
        return None if alarms is None else alarms_text(alarms, lang, reader)
    match told_of(type_uri, version, body):
        case ScoreReceipt() as receipt:
            return _scores(receipt, lang)
        case FindingBody() as finding:
            found = finding_text(plain_of(finding) | {"evidence": _evidence(finding)}, lang, reader)
            return word("entry.event.finding.of", {"model": finding.name, "what": found}, lang)
        case ModelBody() as model:
            state = word(f"web.model.state.{model.state}", None, lang)
            reason = _learned(model, lang) or phrase(model.code, dict(model.params), lang)
            return word("entry.event.model.of", {"model": model.name, "state": state, "reason": reason}, lang)
        case LabelBody() as label:
            what = word(f"entry.event.label.{label.label}", None, lang)
            about = _about(label, lang, reader)
            by = said_by(label.by, reader, lang)
            return word("entry.event.label.of", {"model": label.name, "what": what, "by": by, "about": about}, lang)
    return None


def _access(version: int, body: bytes, lang: str, reader: PageReader | None) -> str | None:
    try:
        access = read_access(ACCESS, version, body)
    except FormatError:
        return None
    if access is None:
        return None
    params = {"name": access.name or word("entry.event.access.nobody", None, lang), "session": access.session, "count": access.count}
    where = access.source or word("entry.event.access.places" if not access.face else "entry.event.access.here", None, lang)
    plain = f"act.access.{access.what}"
    code = plain if reader is not None and plain in catalogue("en") else f"entry.event.access.{access.what}"
    return word(code, params | {"source": where}, lang)


def told_of(type_uri: str, version: int, body: bytes) -> EventBody | None:
    """Return the body read; None where it is not one that is known."""
    try:
        return read_event(type_uri, version, body)
    except FormatError:
        return None


def plain_of(body: EventBody) -> dict[str, Any]:
    """Return a body's members by name, as plain data."""
    members = {each.name: getattr(body, each.name) for each in fields(body)}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in members.items()}


def _learned(model: ModelBody, lang: str) -> str:
    what = judged.learned_text(model.params, lang) if model.code == judged.LEARNED else ""
    return phrase("entry.event.model.learned", {"what": what}, lang) if what else ""


def _scores(receipt: ScoreReceipt, lang: str) -> str:
    known = [score for score in receipt.scores if score is not None]
    values = {"model": receipt.name, "count": len(known), "without": len(receipt.scores) - len(known)}
    return word("entry.event.scores.of", values | {"highest": judged.short_number(max(known, default=None))}, lang)


def _evidence(finding: FindingBody) -> dict[str, Any]:
    shown = dict(finding.evidence) | {"phase": finding.phase, "armed": finding.armed}
    return shown | ({"score": finding.score, "threshold": finding.threshold} if finding.score is not None else {})


def _about(label: LabelBody, lang: str, reader: PageReader | None) -> str:
    if label.finding_seq is not None:
        return word("entry.event.label.finding", {"seq": label.finding_seq}, lang)
    return " – ".join(moment_for(ms // 1000, lang, reader) for ms in (label.from_ms, label.to_ms))
