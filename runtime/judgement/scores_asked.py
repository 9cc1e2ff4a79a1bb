"""The feed's request `scores`: the curve of a model over a span of time, which the judge reads out of recorded receipts.

Room: hall, judgement. The core calls it for faces. It waits for the judge within a deadline, checks what comes, and reckons nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ledger_client.body_words import is_name, is_number
from ledger_client.details import is_int
from runtime.faces.feed import RequestRefusedError
from runtime.judgement.desk import JudgementDesk
from runtime.judgement.orders import Orders

POINTS_MAX: Final = 2_000


async def scores_asked(desk: JudgementDesk, orders: Orders, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return {points: [[ms, score / None, alarming], …], threshold, cell_ms, gaps, earlier, cut_ms} of the model in use.

    What an earlier model of the name has said is in the ledger, and not shown against this one's threshold: `earlier` tells its times, as
    `gaps` those without a score, by [[from ms, to ms], …]. Raises RequestRefusedError.
    """
    name = params.get("model")
    page = desk.book.pages.get(name) if is_name(name) and isinstance(name, str) else None
    shaped = set(params) <= {"model", "from_ms", "to_ms", "points_max"}
    if (page is None or page.manifest is None) and shaped and any(each.name == name for each in desk.models().define):
        return {"points": [], "threshold": None, "cell_ms": None, "gaps": [], "earlier": [], "cut_ms": None}  # it has learned nothing yet
    if page is None or not shaped:
        raise RequestRefusedError("model_unknown", model=str(name)[:60])
    answer = await orders.ask("scores", {"points_max": POINTS_MAX, **params, "manifest": page.manifest})
    match answer:
        case {"points": list(points), "gaps": list(gaps), "earlier": list(earlier), "cut_ms": cut_ms} if (
            max(len(points), len(gaps), len(earlier)) <= POINTS_MAX and all(map(_is_point, points)) and all(map(_is_span, gaps + earlier))
        ) and (cut_ms is None or is_int(cut_ms)):
            manifest = desk.rows.manifest(page.manifest)
            threshold, cell_ms = (None, None) if manifest is None else (manifest.threshold, manifest.plan.grid_ms)
            return {"points": points, "threshold": threshold, "cell_ms": cell_ms, "gaps": gaps, "earlier": earlier, "cut_ms": cut_ms}
    raise RequestRefusedError("judge_word_invalid")


def _is_point(row: Any) -> bool:
    return isinstance(row, list) and len(row) == 3 and is_int(row[0]) and (row[1] is None or is_number(row[1])) and isinstance(row[2], bool)


def _is_span(row: Any) -> bool:
    return isinstance(row, list) and len(row) == 2 and is_int(row[0]) and is_int(row[1])
