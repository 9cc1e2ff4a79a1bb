"""A feed with models that say whatever a test wants: rows in the feed's shapes, scores with gaps and abstentions, a judge that dies."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from runtime.faces.feed import RequestRefusedError, Session
from tests.rigs.feed_plant import Plant

TAGS = {
    0: ["filler/product_temperature", "°C", -1],
    1: ["filler/fill_level", "mm", -1],
    2: ["filler/torque_mean", "N·m", -2],
    3: ["meter/power_l2", "W", 0],
    4: ["capper/torque_last", "N·m", -2],
}
CELL_MS = 1_000


def model(name: str = "line", state: str = "armed", **more: Any) -> dict[str, Any]:
    """A model's row; what is not said is that of a normal one."""
    row = {
        "name": name, "state": state, "progress": None, "score": 1.31, "threshold": 2.4, "alarming": False, "abstained": None,
        "cell_ms": 1_000_000, "grid_ms": CELL_MS, "contributions": contributions(24.0),
        "coverage": {"covered": True, "alarmed_share": 0.004, "rows_wanted": 0}, "model_sha256": "4f" * 32, "manifest_hash": "a7" * 32,
        "learned": None if more.get("coverage", True) is None else {"rows": 3_412, "left_out": 96, "settling": 62},
        "refused": None,
        "labels": {"normal": 2, "not_normal": 8, "unsure": 0, "judged": 10, "precision": 0.8, "recall": 1.0}, "drift": None,
    }  # fmt: skip
    return row | more


def contributions(temperature: float) -> list[list[Any]]:
    return [
        ["filler/product_temperature", 0.71, temperature, 21.2, 25.6], ["capper/torque_last", 0.12, 1.94, 1.7, 2.2],
        ["filler/torque_mean", 0.09, 2.01, 1.8, 2.2], ["meter/power_l2", 0.05, 655.0, 700.0, 860.0],
        ["filler/fill_level", 0.03, None, None, None],
    ]  # fmt: skip


def finding(seq: int, at_ms: int, **more: Any) -> dict[str, Any]:
    row = {"seq": seq, "at_ms": at_ms, "model": "line", "rule": "stuck", "tag": "filler/fill_level", "evidence": {}, "contributions": []}
    row |= more
    return {"open": not row["evidence"].get("phase"), **row}


class JudgedPlant(Plant):
    """`judge` is health's row; `now_ms` the clock, None: the real one; `points` answers `scores`, `cut_ms` where they were cut short."""

    def __init__(self, models: list[dict[str, Any]] | None = None, *, now_ms: int | None = None) -> None:
        super().__init__(len(TAGS))
        self.models, self.now_ms = models or [], now_ms
        self.judge: dict[str, Any] | None = {"state": "ok", "cause": None, "params": {}}
        self.points: list[list[Any]] = []
        self.cut_ms: int | None = None
        self.earlier: list[list[int]] = []
        self.values: dict[str, Any] = {}
        self.acts: list[dict[str, Any]] = []
        self.outcome: dict[str, Any] = {"code": "done", "params": {}, "seq": 77}
        self.heard_ms: int | None = None
        """When the judge was heard last; None for just now."""

    def clock_ms(self) -> int:
        return time.time_ns() // 1_000_000 if self.now_ms is None else self.now_ms

    def tell(self) -> None:
        """Tell every face what the models say now."""
        self.generation += 1

    def tag_rows(self) -> list[list[Any]]:
        return [
            [uid, name, name.split("/")[0], unit, "float64", exponent, "g", 1_000, False, "site/line 1"]
            for uid, (name, unit, exponent) in TAGS.items()
        ]

    def snapshot(self) -> Mapping[str, Any]:
        now_ms = self.clock_ms()
        judge = None if self.judge is None else self.judge | {"heard_ms": now_ms - 400 if self.heard_ms is None else self.heard_ms}
        return {
            **super().snapshot(), "now_ms": now_ms, "judge": judge, "gateway": {"name": "press-7"},
            "evidence": {"state": "recording", "readings": 4_711}, "ledger": {"size": 3, "state": "ok"},
        }  # fmt: skip

    async def answer(self, session: Session, method: str, params: Mapping[str, Any]) -> Any:
        match method:
            case "scores" if any(row["name"] == params["model"] for row in self.models):
                first_ms = max(params["from_ms"], self.cut_ms or 0)
                chosen = [row for row in self.points if first_ms <= row[0] <= params["to_ms"]]
                return {
                    "points": chosen[:: max(1, len(chosen) // params["points_max"])],
                    "threshold": 2.4,
                    "cell_ms": CELL_MS,
                    "cut_ms": self.cut_ms,
                    "earlier": self.earlier,
                }
            case "act":
                self.acts.append({key: value for key, value in params.items() if key != "id"})
                return self.outcome
            case "scores":
                raise RequestRefusedError("model_unknown", model=str(params["model"]))
            case "models":
                return {"models": self.models, "findings": self.findings, "judge": self.snapshot()["judge"], "values": self.values}
        return await super().answer(session, method, params)


def day_of_scores(now_ms: int, *, span_s: int = 600) -> list[list[Any]]:
    """Scores up to now: normal, a minute abstained, a hole of 80 s, and a rise over the threshold at the end.

    The model alarms as one does: for 100 s still from before, and at the end later than the score rises.
    """
    rows: list[list[Any]] = []
    for second in range(span_s):
        ms, left = now_ms - CELL_MS * (span_s - second), span_s - second
        score = 1.1 + 0.35 * math.sin(second / 17) + 0.2 * math.sin(second / 3.1)
        if 330 < left < 410:
            continue
        if left < 90:
            score += (90 - left) * 0.12
        rows.append([ms, None if 200 < left < 260 else round(score, 4), second < 100 or left < 50])
    return rows
