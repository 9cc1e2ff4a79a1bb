"""The model of the sim line with every process real, at the line's own speed: commissioned beforehand, imported, on trial; faults found."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.commission import Learned
from tests.rigs.demo_line import becomes, line, parts_of_config
from tests.rigs.gateway import cli
from tests.simulation.line_judge import LINEAR, learned, line_plan
from tests.simulation.line_samples import recording
from tests.simulation.loop import VirtualClock, run

pytest.importorskip("ai_edge_litert", reason="needs the extra models")
WARM_S = 900.0
LEARN_S = 3600.0


def commissioned(seed: int) -> Learned:
    """Return the line's own model, but that it does not wait ten minutes for the line to settle."""

    async def program(clock: VirtualClock) -> Learned:
        async with recording(clock, seed) as made:
            await made.batches(WARM_S)
            plan = line_plan()
            gates = tuple(replace(gate, settle_ms=0) for gate in plan.gates)
            return learned(replace(plan, gates=gates), await made.batches(LEARN_S), LINEAR)

    return run(program, seed=seed)


@pytest.mark.full
def test_faults_of_the_running_line_are_findings_in_its_ledger(tmp_path: Path, seed: int) -> None:
    state, model = tmp_path / "state", commissioned(seed)
    (tmp_path / "model.tflite").write_bytes(model.model)
    (tmp_path / "manifest.cbor").write_bytes(model.manifest.encoded())
    section = parts_of_config()[1].replace("enabled = true", "enabled = true\nunsigned_imports = true\nreceipt_every_s = 2.0", 1)
    more = "\n[evidence]\nseal_every_s = 2.0\n[history]\nenabled = false\n" + section

    async def ask(*verb: str) -> dict[str, Any]:
        code, said = await cli(*verb, "--state", str(state))
        assert code == 0, said
        return dict(said)

    async def found(rule: str, tag: str, timeout_s: float) -> None:
        said = await becomes(state, lambda said: any((f["rule"], f["tag"]) == (rule, tag) for f in said["findings"]), timeout_s)
        finding = next(f for f in said["findings"] if (f["rule"], f["tag"]) == (rule, tag))
        print(f"seed {seed}: {finding['rule']} names {finding['tag']}, entry {finding['seq']}")
        assert finding["seq"] > 0
        assert finding["evidence"]

    async def program() -> None:
        async with line(state, more):
            await becomes(state, lambda said: said["judge"]["state"] == "ok")
            files = str(tmp_path / "model.tflite"), str(tmp_path / "manifest.cbor")
            await ask("model", "import", "line", *files, "--reason", "commissioned on the rig")
            await ask("model", "shadow", "line", "--reason", "trial")
            await becomes(state, lambda said: said["models"][0]["score"] is not None, 120)
            await ask("fault", "meter", "stuck_tag", "on")
            await found("stuck", "meter/power_l2", 300)
            await ask("fault", "filler", "dead_device", "on")
            dropout = await becomes(state, lambda said: any(f["rule"] == "dropout" for f in said["findings"]), 60)
            assert next(f["tag"] for f in dropout["findings"] if f["rule"] == "dropout").startswith("filler/")
        report = await ask("model", "replay", "line")
        assert report["verdict"] == "holds"

    asyncio.run(program())
