"""`witnessmark ledger replay --model NAME`: reckon recorded scores again from recorded readings, and say what differs.

Room: hall. It works on a gateway's state folder or on a copy of one, beside a running gateway as well. It needs the extra `models`: numpy
and the runtime of models. Exit codes as `verify`: 0 nothing differs, 1 something does, 2 it cannot be told here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ledger_client.disk import RealDisk
from ledger_client.errors import LedgerError
from runtime.cli.console import CANNOT_TELL, console, fail, print_json
from runtime.cli.evidence_verbs import AsJson, Epoch, State
from runtime.cli.places import Place, fail_reading, open_place
from runtime.judgement.installed import models_installed
from runtime.layout import Layout
from runtime.messages.catalogue import word

if TYPE_CHECKING:
    from runtime.judgement.replay import Replayed
    from runtime.judgement.store import Kept

EXIT_CODES = {"holds": 0, "fails": 1, "unknown": CANNOT_TELL}
SHOWN_MAX = 20
HASH_DIGITS_MIN = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one manifest's receipts; `cause` is a code where the model could not be run."""

    manifest: bytes
    found: Replayed | None
    cause: tuple[str, dict[str, Any]] | None = None

    @property
    def verdict(self) -> str:
        """`holds`, `fails` or `unknown`."""
        return "unknown" if self.found is None else self.found.verdict

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        row: dict[str, Any] = {"manifest_hash": self.manifest.hex(), "verdict": self.verdict, "cause": self.cause and self.cause[0]}
        found = self.found
        if found is not None:
            row |= {
                "receipts": found.receipts, "cells": found.cells, "equal": found.equal, "skipped": found.skipped,
                "not_here": found.not_here, "not_recorded": found.not_recorded, "differing": found.difference_count,
                "differences": [each.plain() for each in found.differences],
            }  # fmt: skip
        return row


def replay(
    model: Annotated[str, typer.Option("--model", help="A model's name, or the first digits of its manifest's hash.")],
    state: State = Path("state"),
    first: Annotated[int, typer.Option("--from", min=0, help="First entry.")] = 0,
    last: Annotated[int | None, typer.Option("--to", min=0, help="Last entry; the newest by default.")] = None,
    epoch: Epoch = None,
    as_json: AsJson = False,
) -> None:
    """Reckon recorded scores again from recorded readings, to the bit. Ends with 0, 1 or 2 as `verify` does."""
    if not models_installed():
        fail("models_not_installed", as_json=as_json, exit_code=CANNOT_TELL)
    place = open_place(state, epoch, as_json=as_json)
    try:
        size = place.reader.size()
        end = size if last is None else min(size, last + 1)
        if first >= max(1, end):
            fail("range_invalid", {"start": first, "end": last if last is not None else size - 1, "size": size}, as_json=as_json)
        outcomes = asyncio.run(_replay(place, model, first, end))
    except (LedgerError, OSError) as error:
        fail_reading(error, as_json=as_json)
    if not outcomes:
        fail("replay_nothing", {"model": model}, as_json=as_json, exit_code=CANNOT_TELL)
    verdicts = {outcome.verdict for outcome in outcomes}
    verdict = next(each for each in ("fails", "unknown", "holds") if each in verdicts)
    if as_json:
        print_json({"model": model, "from": first, "to": end - 1, "verdict": verdict, "manifests": [each.plain() for each in outcomes]})
    else:
        _show(outcomes, verdict)
    raise typer.Exit(EXIT_CODES[verdict])


async def _replay(place: Place, model: str, start: int, end: int) -> list[Outcome]:
    """Replay every manifest that receipts of this model name. Raises LedgerError, OSError."""
    from models.worker_client import Worker
    from runtime.judgement.score_query import receipts

    named = {
        receipt.manifest_hash: None
        for _, receipt in receipts(place.reader, start, end)
        if receipt is not None and (receipt.name == model or _is_start(model, receipt.manifest_hash))
    }
    async with Worker() as worker:
        return [await _one(place, manifest, start, end, worker) for manifest in named]


async def _one(place: Place, manifest: bytes, start: int, end: int, worker: Any) -> Outcome:
    from models.gatekeeper import check_model
    from models.model_fault import ModelFault, WorkerFault
    from runtime.judgement.replay import Replay
    from runtime.judgement.store import ModelStore

    try:
        kept: Kept = ModelStore(RealDisk(), Layout(place.state).models).load(manifest)
        key = manifest.hex()
        await worker.load(key, check_model(kept.model, kept.manifest.model_sha256))
        found = await Replay(place.reader, kept.manifest, manifest, worker, key).run(start, end)
    except (ModelFault, WorkerFault) as fault:
        return Outcome(manifest, None, (fault.code, dict(fault.params)))
    return Outcome(manifest, found)


def _is_start(model: str, manifest: bytes) -> bool:
    return len(model) >= HASH_DIGITS_MIN and manifest.hex().startswith(model)


def _show(outcomes: list[Outcome], verdict: str) -> None:
    out = console()
    for outcome in outcomes:
        name, found = outcome.manifest.hex()[:12], outcome.found
        if found is None:
            code, params = outcome.cause or ("model_missing", {"manifest": name})
            out.print(f"{name}  {word(code, params)}", markup=False)
            continue
        values = {
            "receipts": found.receipts, "cells": found.cells, "equal": found.equal, "differing": found.difference_count,
            "not_here": found.not_here, "skipped": found.skipped,
        }  # fmt: skip
        out.print(f"{name}  {word('replay_counts', values)}", markup=False)
        if found.not_recorded:
            out.print(f"{name}  {word('replay_not_recorded', {'cells': found.not_recorded})}", markup=False)
        for each in found.differences[:SHOWN_MAX]:
            cell = "" if each.cell is None else f" {each.cell}"
            out.print(f"  {each.seq}  {word('replay.' + each.what, None)}{cell}: {each.recorded} / {each.reckoned}", markup=False)
    out.print(word(f"replay_{verdict}"), markup=False)
