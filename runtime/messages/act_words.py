"""An act in words, for somebody who takes over a shift: what was done to what, by whom and why, and how it ended. Pure.

Room: hall. `entries` words an act with it for pages; numbers of acts, sessions and nonces stay in the audit trail and in the ledger. It
words what was recorded and judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from runtime.messages.catalogue import catalogue, phrase, sort_of, word
from runtime.messages.command_words import headline, outcome_text, shown
from runtime.messages.page_reader import PageReader, person, why

WRITES: Final = frozenset({"command.confirm", "command.approve", "device.write"})
BY_NUMBER: Final = frozenset({"session.end", "token.revoke"})
"""Acts whose target is a number of the machinery; whose it was stands in the outcome."""
NAMED_MAX: Final = 5
Ended = tuple[str, Mapping[str, Any]]
"""How an act ended: its code and what the outcome told."""
UNTOLD: Final[Ended] = ("", {})
"""Of an act whose outcome was not looked for to the end: nothing is said of it."""


def act_text(asked: Mapping[str, Any], ended: Ended | None, reader: PageReader, lang: str = "en") -> str:
    """Return an act in two or three sentences.

    `asked` is what an intent's body says (`runtime.acts.read_command`); `ended` None where no outcome is recorded yet, UNTOLD where nobody
    looked for it to the end.
    """
    given = why(asked["reason"].strip(), asked["session"], lang).rstrip(".。")
    reason = word("act.said.reason", {"reason": given}, lang) if given else ""
    values = {"what": what_text(asked, ended, reader, lang), "who": person(asked["session"], lang), "reason": reason}
    return word("act.said", values | {"end": end_text(asked, ended, reader, lang)}, lang).rstrip()


def what_text(asked: Mapping[str, Any], ended: Ended | None, reader: PageReader, lang: str = "en", *, named: bool = True) -> str:
    """Return what was asked for, as a phrase without a full stop; not `named`: only what is about where what kind of act stands beside."""
    told = ended[1] if ended is not None else {}
    return _special(asked, told, reader, lang) or _general(asked, told, reader, lang, named=named)


def end_text(asked: Mapping[str, Any], ended: Ended | None, reader: PageReader, lang: str = "en") -> str:
    """Return how an act ended, with the unit of what was read back; that nobody knows yet, where no outcome is recorded."""
    unit = reader.units.get(asked["target"], "")
    code, told = ended if ended is not None else (None, {})
    if "read_back" in told and unit:
        told = {**told, "read_back": f"{shown(told['read_back'], lang)} {unit}"}
    end = "" if code == UNTOLD[0] else outcome_text({"code": code, "told": told}, lang)
    if code is not None and not told and "{" in end:  # its values are not at hand
        end = f"{sort_of(code, lang)}{'。' if lang == 'zh' else '.'}"
    return end


def action_text(action: str, lang: str = "en") -> str:
    """Return what kind of act it is, without what it was for; the code itself of an action that is new here."""
    code = f"act.do.{action}"
    return word(code, None, lang) if code in catalogue("en") else action


def _special(asked: Mapping[str, Any], told: Mapping[str, Any], reader: PageReader, lang: str) -> str:
    """Return the phrase of an act that has one of its own; nothing for others."""
    action, target, params = asked["action"], asked["target"], asked["params"]
    unit = reader.units.get(target, "")
    if action == "device.call":
        return phrase("command.call", {"target": target, "arguments": params.get("method") or "-"}, lang)
    if action in WRITES and "value" in params:
        old = told.get("old", params.get("old"))
        said = headline({"target": target, "value": params["value"], "old": old, "unit": unit}, lang).rstrip(".。")
        return word("act.said.approved", {"what": said}, lang) if action == "command.approve" else said
    if action == "manual.enter":
        return word("act.said.entered", {"target": target, "value": f"{shown(params.get('value'), lang)} {unit}".strip()}, lang)
    if action == "gateway.read_only":
        code = "command.act.read_only" if params.get("on") else "command.act.writable"
        return phrase(code, {"device": target or word("act.said.all", None, lang)}, lang)
    return ""


def _general(asked: Mapping[str, Any], told: Mapping[str, Any], reader: PageReader, lang: str, *, named: bool) -> str:
    action, target, params = asked["action"], asked["target"], asked["params"]
    if action in BY_NUMBER:
        target = str(told.get("name") or "")
    names = str(params.get("names") or "").split("\n") if action.startswith("alarm.") else [target]
    about = [reader.title(name) if action.startswith("alarm.") else name for name in names if name]
    if action.startswith("alarm.") and not about and target:
        about = [reader.title(target)]
    more = [f"+{len(about) - NAMED_MAX}"] if len(about) > NAMED_MAX else []
    what, target = action_text(action, lang) if named else "", ", ".join([*about[:NAMED_MAX], *more])
    return word("act.said.of", {"what": what, "target": target}, lang) if what and target else what or target
