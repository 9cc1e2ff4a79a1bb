"""An act in words, for somebody who takes over a shift: what was done to what, by whom and why, and how it ended. Pure.

Room: hall. `entries` words an act with it for pages; numbers of acts, sessions and nonces stay in the audit trail and in the ledger. It
words what was recorded and judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from runtime.messages.catalogue import catalogue, phrase, sort_of, word
from runtime.messages.command_words import headline, outcome_text, shown
from runtime.messages.page_reader import PageReader, person

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
    unit = reader.units.get(asked["target"], "")
    code, told = ended if ended is not None else (None, {})
    if "read_back" in told and unit:
        told = {**told, "read_back": f"{shown(told['read_back'], lang)} {unit}"}
    reason = word("act.said.reason", {"reason": asked["reason"].strip().rstrip(".。")}, lang) if asked["reason"].strip() else ""
    who = word("act.said.console", None, lang) if asked["face"] == "cli" else person(asked["session"])
    values = {"what": _what(asked, told, unit, reader, lang), "who": who, "reason": reason}
    end = "" if code == UNTOLD[0] else outcome_text({"code": code, "told": told}, lang)
    if code is not None and not told and "{" in end:  # its values are not at hand
        end = f"{sort_of(code, lang)}{'。' if lang == 'zh' else '.'}"
    return word("act.said", values | {"end": end}, lang).rstrip()


def action_text(action: str, lang: str = "en") -> str:
    """Return what kind of act it is, without what it was for; the code itself of an action that is new here."""
    code = f"act.do.{action}"
    return word(code, None, lang) if code in catalogue("en") else action


def _what(asked: Mapping[str, Any], told: Mapping[str, Any], unit: str, reader: PageReader, lang: str) -> str:
    """Return what was asked for, as a phrase without a full stop."""
    action, target, params = asked["action"], asked["target"], asked["params"]
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
    if action in BY_NUMBER:
        target = str(told.get("name") or "")
    names = str(params.get("names") or "").split("\n") if action.startswith("alarm.") else [target]
    named = [reader.title(name) if action.startswith("alarm.") else name for name in names if name]
    if action.startswith("alarm.") and not named and target:
        named = [reader.title(target)]
    more = [f"+{len(named) - NAMED_MAX}"] if len(named) > NAMED_MAX else []
    what = action_text(action, lang)
    return word("act.said.of", {"what": what, "target": ", ".join([*named[:NAMED_MAX], *more])}, lang) if named else what
