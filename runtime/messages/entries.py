"""What an entry says, in one line of words: for the ledger page and the command line. Pure.

Room: hall. It words details of every kind (docs/ledger-format.md section 3.1); a kind that it does not know is shown as data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from ledger_client.kinds import ClockState, Kind
from runtime.messages.act_words import Ended, act_text, action_text
from runtime.messages.catalogue import catalogue, sort_of, word
from runtime.messages.event_words import event_text
from runtime.messages.page_reader import PageReader, said_by, why

VALUE_LENGTH_MAX: Final = 60
CONFIG_EDIT: Final = "config.edit"
"""The act that an entry of a configuration comes from."""
OWN_EVENTS: Final = "https://witnessmark.example/event/"


def describe(
    kind: int, detail: Sequence[Any], lang: str = "en", *, groups: Mapping[int, str] | None = None, asked: Mapping[str, Any] | None = None,
    told: bytes | None = None, reader: PageReader | None = None, ended: Ended | None = None,
) -> str:  # fmt: skip
    """Return one line for a person.

    `detail` is a checked detail of its kind, `groups` names tag groups ("device/group") by number, `asked` is what the body of an intent or
    an outcome says (`runtime.acts.read_command`), `told` is an event's body, where the caller has them. For the `reader` of a page an act
    is what was done, with how it `ended`; for others its numbers. To a reader who may not see the audit trail an act that is none on the
    plant is no more than its kind, a configuration no more than its revision and hash, and a login no more than that there was one.
    """
    match kind, list(detail):
        case Kind.GENESIS, [origin, epoch, *_]:
            return word("entry.genesis", {"origin": origin, "epoch": epoch}, lang)
        case Kind.BATCH, [t0, t1, good, bad, dropped, length, *_]:
            values = {"seconds": f"{(t1 - t0) / 1000:.1f}", "count": good + bad, "bad": bad, "dropped": dropped, "size": length}
            return "".join(word(code, values, lang) for code in ("entry.batch", *_if(bad, "entry.bad"), *_if(dropped, "entry.dropped")))
        case Kind.BOOT, [version, board, unclean, torn]:
            values = {"version": version, "board": board, "torn": torn}
            codes = ("entry.boot.unclean" if unclean else "entry.boot", *_if(torn, "entry.torn"))
            return "".join(word(code, values, lang) for code in codes)
        case Kind.CLOCK, [before, after, _, state]:
            step = f"{(after - before) / 1000:+.3f}"
            return word("entry.clock", {"step": step, "state": word(f"web.clock.{ClockState(state).name.lower()}", None, lang)}, lang)
        case Kind.ROTATE, [_, effective, reason, _]:
            return word("entry.rotate", {"seq": effective, "reason": reason}, lang)
        case Kind.SCHEMA, [length, _, _, full]:
            return word("entry.schema.full" if full else "entry.schema", {"size": length}, lang)
        case Kind.GAP, rows:
            return "; ".join(_gap(row, lang, groups or {}) for row in rows)
        case Kind.RECEIPTS, [_, _, rows]:
            return "; ".join(_receipts(rows, lang))
        case Kind.COMMAND, [_, 0, code, *_] if reader is not None:
            if not reader.may_know(code):
                return word("act.said.audit", {"what": action_text(code, lang)}, lang)
            return act_text(asked, ended, reader, lang) if asked else word("act.said.unknown", {"what": action_text(code, lang)}, lang)
        case Kind.COMMAND, [act, phase, code, *_]:
            what = outcome_text(code, (asked or {}).get("params"), lang) if phase else word(code, None, lang)
            text = word("entry.outcome" if phase else "entry.intent", {"code": what, "act": act.hex()[:8]}, lang)
            return text + (_asked(asked, lang) if asked and not phase else "")
        case Kind.CLOSE, ["stopped"]:
            return word("entry.close.plain", None, lang)
        case Kind.CLOSE, [reason]:
            return word("entry.close", {"reason": word(reason, None, lang)}, lang)
        case Kind.EVENT, [type_uri, version, *_] if (
            told is not None and (said := event_text(type_uri, version, told, lang, reader)) is not None
        ):
            return said
        case ((Kind.EVENT | Kind.PLAN), [type_uri, version, *_]):
            own = f"entry.event.{type_uri.removeprefix(OWN_EVENTS)}"
            return word(own if own in catalogue("en") else "entry.event", {"type": type_uri, "version": version}, lang)
        case Kind.CONFIG, [revision, _, digest, actor, reason]:
            values = {"revision": revision, "hash": digest.hex()[:12], "actor": said_by(actor, reader, lang), "reason": reason}
            values |= {"reason": why(reason, actor, lang)} if reader is not None else {}
            return word("entry.config" if reader is None or reader.may_know(CONFIG_EDIT) else "entry.config.plain", values, lang)
    return word("entry.foreign", {"kind": kind}, lang)


def outcome_text(code: str, params: Mapping[str, Any] | None, lang: str = "en") -> str:
    """Return what became of an act; where its values are not at hand, an ellipsis stands for each."""
    text = word(code, params, lang)
    return sort_of(code, lang) if params is None and "{" in text else text


def _asked(asked: Mapping[str, Any], lang: str) -> str:
    """Whom and what an act is for. A long value (a whole configuration) is left to the entry in full."""
    values = [f"{name} {value}" for name, value in asked["params"].items() if len(str(value)) <= VALUE_LENGTH_MAX]
    what = ", ".join([*filter(None, [asked["target"]]), *values])
    return word(
        "entry.intent.what",
        {"what": f" ({what})" if what else "", "who": f"{asked['face']} {asked['session']}", "reason": asked["reason"]},
        lang,
    )


def _gap(row: Sequence[Any], lang: str, groups: Mapping[int, str]) -> str:
    group, from_ms, to_ms, cause, count = row
    values = {"count": count, "seconds": f"{(to_ms - from_ms) / 1000:.1f}", "cause": sort_of(cause, lang), "group": group}
    if group is None:
        return word("entry.gap.whole", values, lang)
    named = values | {"group": groups.get(group) or word("entry.group", values, lang)}
    return word("entry.gap.one" if count == 1 else "entry.gap", named, lang)


def _receipts(rows: Sequence[Sequence[Any]], lang: str) -> list[str]:
    """One sentence for each size, naming all that confirmed it."""
    sizes: dict[int, list[str]] = {}
    for anchor, size, *_ in rows:
        sizes.setdefault(size, []).append(anchor)
    return [word("entry.receipt", {"anchor": ", ".join(anchors), "size": size}, lang) for size, anchors in sizes.items()]


def _if(count: int, code: str) -> tuple[str, ...]:
    """A part of a sentence that is left out when there is nothing to count."""
    return (code,) if count else ()
