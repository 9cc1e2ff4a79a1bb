"""A command that was prepared, and an interlock, in words: for the command line and the page alike. Pure.

Room: hall. It words what the desk said and judges nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from runtime.messages.catalogue import word
from runtime.messages.units import unit_sign
from runtime.messages.values import value_text

EITHER: Final = {"= true": True, "= false": False}
"""What an interlock asks of a tag that is one of two, as `Interlock.wanted` has it."""

AS_RECORDED: Final[Mapping[object, bool]] = {"True": True, "False": False}


def preview_lines(preview: Mapping[str, Any], lang: str = "en") -> list[str]:
    """Return what a person must see before confirming: what, from, to, each interlock, the risk, and what forbids it."""
    lines = [headline(preview, lang)]
    lines += [condition_text(each, lang) for each in preview["conditions"]]
    if not preview["conditions"]:
        lines.append(word("command.no_conditions", None, lang))
    lines.append(word(f"command.risk.{preview['risk']}", None, lang))
    if preview["refusal"] is not None:
        lines.append(refusal_text(preview["refusal"]["code"], preview["refusal"]["params"], lang))
    return lines


def headline(preview: Mapping[str, Any], lang: str = "en") -> str:
    """Return what is to be done, in one sentence."""
    target = preview["target"]
    if preview.get("type") == "method" or target.endswith("()"):
        arguments = ", ".join(str(preview["value"]).split("\n")) if preview["value"] else "-"
        return word("command.call", {"target": target, "arguments": arguments}, lang)
    unit = f" {unit_sign(preview['unit'])}" if preview.get("unit") else ""
    old = word("command.not_known", None, lang) if preview["old"] is None else shown(preview["old"], lang) + unit
    new = shown(preview["value"], lang) + unit
    text = word("command.write", {"target": target, "old": old, "new": new}, lang)
    if preview.get("asked") is None:
        return text
    return word("command.rounded", {"text": text, "asked": shown(preview["asked"], lang) + unit, "sent": new}, lang)


def condition_text(condition: Mapping[str, Any], lang: str = "en") -> str:
    """Return an interlock as it stands."""
    value, wanted = shown(condition["value"], lang), condition["wanted"]
    if wanted in EITHER:
        wanted = f"= {shown(EITHER[wanted], lang)}"
    return word(f"command.condition.{condition['state']}", {"tag": condition["tag"], "wanted": wanted, "value": value}, lang)


def refusal_text(code: str, params: Mapping[str, Any], lang: str = "en") -> str:
    """Return why a command was refused, or what became of it; what is one of two is yes or no there as well."""
    said = {name: shown(value, lang) if isinstance(value, bool) else value for name, value in params.items()}
    wanted = said.get("wanted")
    if wanted in EITHER:  # an interlock on what is one of two: its value is recorded as text
        said |= {"wanted": f"= {shown(EITHER[wanted], lang)}", "value": shown(AS_RECORDED.get(said.get("value"), said.get("value")), lang)}
    return word(code, said, lang)


def shown(value: Any, lang: str = "en") -> str:
    """Return a value as a person reads it: what is one of two in the words that Live has for it."""
    if isinstance(value, bool):
        return word("value.yes" if value else "value.no", None, lang)
    return word("command.not_known", None, lang) if value is None else value_text(value)


def act_text(row: Mapping[str, Any], lang: str = "en") -> str:
    """Return what an act of the history asked for."""
    params = row["params"]
    if row["action"] == "gateway.read_only":
        return word("command.act.read_only" if params.get("on") else "command.act.writable", {"device": row["target"] or "*"}, lang)
    if row["action"] == "device.call":
        return word("command.call", {"target": row["target"], "arguments": params.get("method", "")}, lang)
    old = row["told"].get("old", params.get("old"))
    return headline({"target": row["target"], "value": params.get("value"), "old": old}, lang)


def outcome_text(row: Mapping[str, Any], lang: str = "en") -> str:
    """Return what became of an act, in one sentence; of one without an outcome, that nobody knows yet."""
    code, told = row["code"], row["told"]
    if code is None:
        return word("command.outcome.none", None, lang)
    if code != "done":
        return refusal_text(code, told, lang)
    text = word("command.outcome.done", None, lang)
    if "read_back" in told:
        text = word("command.outcome.read_back", {"value": shown(told["read_back"], lang)}, lang)
    if told.get("self_approved"):
        text += " " + word("command.self_approved", None, lang)
    return text
