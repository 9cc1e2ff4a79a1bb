"""What the judge may say to the core, read strictly: it is another process, and what it says is taken for a stranger's word. Pure.

Room: hall, judgement. `desk` reads requests of the judge with it, the judge makes them by the same names. Everything is bounded: rows,
texts, numbers. It records nothing and believes nothing that the desk can look up itself.

    {"what": "sync", "fresh": bool}                           which models to score, and from where; fresh: the judge has just started
    {"what": "live", "rows": [row...], "behind_ms": int}      newest scores, at most two times a second
    {"what": "scores" | "finding", "body": bytes}             a body of ledger_client.event_bodies, to be recorded
    {"what": "refused", "name", "code", "params"}             a model is not used
    {"what": "accepted", "name"}                              one that was refused is used again
    {"what": "progress", "name", "act", "stage", "share"}     of learning
    {"what": "learned", "name", "act", "manifest", "left_out", "settling"}    its files are in the store; counts of rows; and, where some
                                      rows are so unlike the rest that it would find hardly anything, "unlike_ms": [from, to], else []
    {"what": "not_learned", "name", "act", "code", "params"}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger_client.body_words import Plain, is_name, is_number, is_plain
from ledger_client.details import is_hash, is_int, is_uint
from ledger_client.event_bodies import is_contribution

ROWS_MAX: Final = 32
CONTRIBUTIONS_MAX: Final = 5
PARAMS_MAX: Final = 16
ACT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class LiveRow:
    """A model's newest cell. `contributions` = (tag, share, value, low, high); `abstained` and `drift` are codes.

    `manifest` is the hash of whose cell it is: after learning again a model of the same name is another one.
    """

    name: str
    manifest: bytes
    score: float | None
    alarming: bool
    abstained: str | None
    cell_ms: int
    contributions: tuple[tuple[Any, ...], ...]
    drift: str | None

    def row(self) -> list[Any]:
        """Return it for the wire."""
        tags = [list(each) for each in self.contributions]
        return [self.name, self.manifest, self.score, self.alarming, self.abstained, self.cell_ms, tags, self.drift]


@dataclass(frozen=True, slots=True)
class Live:
    """The newest cells of all models; `behind_ms`: how old the newest durable reading is that the judge has not looked at."""

    rows: tuple[LiveRow, ...]
    behind_ms: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """A body to be recorded; `what` is scores or finding. It is read by `ledger_client.event_bodies`."""

    what: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """A model is not used, and why; or, with code None, it is used again."""

    name: str
    code: str | None
    params: Mapping[str, Plain]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far learning is; `share` 0 to 1 of the stage."""

    name: str
    act: bytes
    stage: str
    share: float


@dataclass(frozen=True, slots=True)
class Learned:
    """Learning has ended: with a manifest in the store, and `params` how many rows it was not given; or with a code and its params."""

    name: str
    act: bytes
    manifest: bytes | None
    code: str | None
    params: Mapping[str, Plain]


Word = Live | Recorded | Refused | Progress | Learned


def read_word(params: Mapping[str, Any], body_size_max: int) -> Word | None:
    """Return what the judge says; None for anything that has not exactly one of the shapes above."""
    match params:
        case {"what": "live", "rows": list(rows), "behind_ms": behind} if len(params) == 3 and is_uint(behind) and len(rows) <= ROWS_MAX:
            read = [_live(row) for row in rows]
            found = tuple(row for row in read if row is not None)
            return Live(found, behind) if len(found) == len(read) else None
        case {"what": ("scores" | "finding") as what, "body": bytes(body)} if len(params) == 2 and len(body) <= body_size_max:
            return Recorded(what, body)
        case {"what": "refused", "name": name, "code": code, "params": more} if len(params) == 4 and is_name(name) and is_name(code):
            plain = _plain(more)
            return None if plain is None else Refused(name, code, plain)
        case {"what": "accepted", "name": name} if len(params) == 2 and is_name(name):
            return Refused(name, None, {})
        case {"what": "progress", "name": name, "act": act, "stage": stage, "share": share} if len(params) == 5 and _is_act(name, act):
            return Progress(name, act, stage, share) if is_name(stage) and is_number(share) and 0 <= share <= 1 else None
        case {"what": "learned", "name": name, "act": act, "manifest": manifest, "left_out": left_out, "settling": settling} if len(
            params
        ) == 6 + ("unlike_ms" in params) and _is_act(name, act):
            told = {"left_out": left_out, "settling": settling}
            match params.get("unlike_ms", []):
                case [from_ms, to_ms]:
                    told |= {"unlike_from_ms": from_ms, "unlike_to_ms": to_ms}
                case []:
                    pass
                case _:
                    return None
            return Learned(name, act, manifest, None, told) if is_hash(manifest) and all(map(is_uint, told.values())) else None
        case {"what": "not_learned", "name": name, "act": act, "code": code, "params": more} if len(params) == 5 and _is_act(name, act):
            plain = _plain(more)
            return Learned(name, act, None, code, plain) if plain is not None and is_name(code) else None
    return None


def _is_act(name: Any, act: Any) -> bool:
    return is_name(name) and isinstance(act, bytes) and len(act) == ACT_BYTES


def _plain(params: Any) -> dict[str, Plain] | None:
    if not isinstance(params, dict) or len(params) > PARAMS_MAX:
        return None
    good = all(is_name(name) and is_plain(value) and not (isinstance(value, str) and len(value) > 400) for name, value in params.items())
    return dict(params) if good else None


def _live(row: Any) -> LiveRow | None:
    match row:
        case [name, manifest, score, bool(alarming), abstained, cell_ms, list() as tags, drift] if len(tags) <= CONTRIBUTIONS_MAX:
            codes = all(each is None or is_name(each) for each in (abstained, drift)) and is_name(name) and is_hash(manifest)
            if codes and (score is None or is_number(score)) and is_int(cell_ms) and all(map(is_contribution, tags)):
                return LiveRow(name, manifest, score, alarming, abstained, cell_ms, tuple(tuple(each) for each in tags), drift)
    return None
