"""The way of a model that was trained elsewhere: the example of docs/bring-your-own-model.md that needs nothing but numpy, as it stands.

Room: tests. Keras and PyTorch are not installed here; what Keras' converter makes is in tests/vectors/models.
"""

from __future__ import annotations

import asyncio
import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.litert import Runtime
from models.manifest import Manifest
from models.scorer import Scorer
from tests.rigs.demo_line import SHORT_MODEL, SPEED, becomes, learned_from_enough, line
from tests.rigs.gateway import cli
from tests.rigs.manifests import made
from tests.rigs.model_files import checked
from tests.tidy.source import ROOT

pytest.importorskip("ai_edge_litert", reason="needs the extra models")


def normal(rows: int, seed: int) -> np.ndarray:
    """Features of two tags that go together: temperature and pressure."""
    random = np.random.default_rng(seed)
    swing = np.sin(np.arange(rows) / 9) * 0.3 + random.normal(0, 0.05, rows)
    pressure = 2.25 + swing * 0.2 + random.normal(0, 0.01, rows)
    return np.column_stack([80 + swing, pressure, -1 + random.normal(0, 0.1, rows), 0.1 + random.normal(0, 0.1, rows)])


def write_site(folder: Path, rows: np.ndarray) -> None:
    with open(folder / "rows.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["end_ms", *made().plan.feature_names()])
        table.writerows([1_700_000_000_000 + n * 1_000, *map(repr, row)] for n, row in enumerate(rows.tolist()))
    (folder / "manifest.json").write_text(json.dumps(made().plain()))


def train(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "examples" / "own_model" / "with_numpy.py"), str(folder), "2"]
    return subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60)


def test_the_numpy_example_makes_what_a_gateway_takes(tmp_path: Path) -> None:
    write_site(tmp_path, normal(900, 1))
    done = train(tmp_path)
    assert done.returncode == 0, done.stderr
    model = checked((tmp_path / "model.tflite").read_bytes())
    manifest = Manifest.read((tmp_path / "manifest.cbor").read_bytes())
    assert manifest.model_sha256 == model.sha256
    assert manifest.plan == made().plan
    assert manifest.refusal_to_arm() is None, done.stdout

    def alarmed(rows: np.ndarray) -> float:
        scorer = Scorer(manifest)
        inputs = scorer.inputs(rows)
        judged = scorer.judged(rows, inputs, Runtime(model.raw).run(inputs))
        return float(np.mean([each.score > manifest.threshold for each in judged]))

    fresh = normal(900, 2)
    assert alarmed(fresh) <= 0.02
    fresh[:, 1] = 2.25 - (fresh[:, 1] - 2.25) * 2.0  # each tag within its range, but no longer together
    assert alarmed(fresh) > 0.2


def test_the_example_says_when_rows_are_too_few(tmp_path: Path) -> None:
    write_site(tmp_path, normal(20, 1))
    done = train(tmp_path)
    assert done.returncode == 1
    assert "too few" in done.stderr


@pytest.mark.parametrize("name", ["with_keras", "with_torch"])
def test_the_other_examples_are_python(name: str) -> None:
    compile((ROOT / "examples" / "own_model" / f"{name}.py").read_text(encoding="utf-8"), name, "exec")


@pytest.mark.full
def test_from_the_line_to_a_model_of_ones_own_and_back(tmp_path: Path) -> None:
    """Learn, take the rows, train elsewhere, import, set on trial, replay: the short way of the page, with every process real."""
    state, own = tmp_path / "state", tmp_path / "own"
    sections = SHORT_MODEL.replace("enabled = true\n", "enabled = true\nunsigned_imports = true\n", 1)

    async def model(*verb: str) -> dict[str, object]:
        code, said = await cli("model", *verb, "--state", str(state))
        assert code == 0, said
        return dict(said)

    async def run() -> None:
        async with line(state, sections, speed=SPEED):
            await becomes(state, lambda said: said["judge"]["state"] == "ok")
            code, learned = await learned_from_enough(state)
            assert code == 0, learned
            async with asyncio.timeout(60):
                while (await model("rows", "short", str(own), "--from", "0", "--to", "now"))["rows"] < 60:
                    await asyncio.sleep(1)
            done = await asyncio.to_thread(train, own)
            assert done.returncode == 0, done.stderr
            await model("import", "short", str(own / "model.tflite"), str(own / "manifest.cbor"), "--reason", "mine")
            await model("shadow", "short", "--reason", "trial")
            mine = Manifest.read((own / "manifest.cbor").read_bytes()).hash.hex()
            await becomes(state, lambda said: said["models"][0]["manifest_hash"] == mine and said["models"][0]["score"] is not None)
            await asyncio.sleep(5)
        code, replayed = await cli("model", "replay", "short", "--state", str(state))
        assert (code, replayed["verdict"]) == (0, "holds")
        assert {each["manifest_hash"]: each["equal"] for each in replayed["manifests"]}[mine] > 10

    asyncio.run(run())
