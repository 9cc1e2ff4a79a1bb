"""What a finding says, in words: which rule, which tag, the numbers that show it, and whether it is over. Pure.

Room: hall. The pages, the command line and `event_words` call it with rows of the feed (`runtime.faces.feed.JudgementSource`). Rules and
numbers that are new here are shown as they are: a part of another version may know more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from runtime.messages.catalogue import catalogue, word
from runtime.messages.judged import COMMAS, MODEL_RULE, Row, short_number, span_text
from runtime.messages.page_reader import PageReader, moment_for

OVER: Final = (1, "end")
"""Phases of a finding that has ended."""
OF_TIME: Final = frozenset({"stuck", "frozen_counter", "dropout", "late", "clock"})
"""Rules whose size and limit are ms, or a count of reports, which stays far below a thousand."""
COUNTS: Final = frozenset({"tags", "times"})
"""Evidence that says nothing when it is one."""
SINCE: Final = "since_ms"


def is_over(finding: Row) -> bool:
    """Tell whether a finding says that something has ended."""
    return finding.get("phase", (finding.get("evidence") or {}).get("phase", 0)) in OVER


def episodes(findings: Sequence[Row]) -> list[tuple[Row, Row | None]]:
    """Return each onset with its end, None while it goes on; newest first. An end whose onset is not among them stands alone, as both."""
    found: list[tuple[Row, Row | None]] = []
    going: dict[tuple[Any, ...], int] = {}
    for each in sorted(findings, key=lambda each: each["seq"]):
        key = (each["model"], each["rule"], None if each["rule"] == MODEL_RULE else each.get("tag"))
        if not is_over(each):
            going[key] = len(found)
            found.append((each, None))
        elif key in going:
            at = going.pop(key)
            found[at] = (found[at][0], each)
        else:
            found.append((each, each))
    return found[::-1]


def finding_text(finding: Row, lang: str = "en", reader: PageReader | None = None) -> str:
    """Return what a finding says: rule, tag and evidence; of one that is over, that it is. Times are the reader's, else UTC."""
    evidence = dict(finding.get("evidence") or {})
    armed = evidence.pop("armed", True)
    evidence.pop("phase", None)
    tag = finding.get("tag") or (finding.get("contributions") or [["?"]])[0][0]
    known = f"judged.rule.{finding['rule']}"
    what = word(known if known in catalogue("en") else "judged.rule.other", {"rule": finding["rule"], "tag": tag}, lang)
    told = {name: value for name, value in evidence.items() if value is not None and not (name in COUNTS and value == 1)}
    facts = [_fact(finding["rule"], name, value, lang, reader) for name, value in told.items()]
    said = word("judged.finding", {"what": what, "facts": COMMAS.get(lang, ", ").join(facts)}, lang) if facts else what
    said = word("judged.over", {"what": said}, lang) if is_over(finding) else said
    return said if armed else word("judged.finding.trial", {"what": said}, lang)


def finding_tags(finding: Row) -> list[list[Any]]:
    """Return [tag, share, value, low, high] of what a finding is about; of a rule's its tag as it was then, whose share is None."""
    if rows := finding.get("contributions"):
        return [list(row) for row in rows]
    if finding["rule"] == MODEL_RULE or not finding.get("tag"):
        return []
    return [[finding["tag"], None, (finding.get("evidence") or {}).get("value"), *(finding.get("band") or (None, None))]]


def _fact(rule: str, name: str, value: Any, lang: str, reader: PageReader | None) -> str:
    """Word one number of the evidence; a name that is new here is shown as it is."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if name == SINCE and is_number:
        shown = moment_for(int(value) // 1000, lang, reader)
    elif is_number and abs(value) >= 1_000 and (name.endswith("_ms") or (rule in OF_TIME and name in ("size", "limit"))):
        name, shown = "span" if name == "size" else name, span_text(abs(value))
    else:
        shown = short_number(value) if isinstance(value, float) else str(value)
    code = f"evidence.{name}"
    return word(code, {"value": shown}, lang) if code in catalogue("en") else f"{name} {shown}"
