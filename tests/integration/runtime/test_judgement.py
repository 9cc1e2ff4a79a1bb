"""Judgement with real processes: kills of judge, worker and core lose and double nothing; what was changed is refused, and said.

Every recorded score is reckoned again from the recorded readings, to the bit.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ledger_client.disk import RealDisk
from ledger_client.entry import parse
from ledger_client.event_bodies import MODEL, ModelBody, read_event
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from ledger_client.vendor_signature import sign_as_vendor
from models.decision import DecisionSettings
from models.input_plan import InputPlan, TagInput
from models.manifest import Coverage, Manifest, TensorForm
from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import ask_once
from tests.rigs import asking
from tests.rigs.gateway import ALONE, ROOT, Gateway, children, cli, until
from tests.rigs.load_device import LoadDevice, device_config
from tests.rigs.manifests import made
from tests.rigs.model_acts import reason_to_refuse
from tests.rigs.model_files import dense
from tests.rigs.small_log import key_of

pytest.importorskip("ai_edge_litert", reason="needs the extra models")

TAGS = 4
HEAD = """
[gateway]
name = "judged"
[evidence]
seal_every_s = 1
[models]
enabled = true
receipt_every_s = 2.0
unsigned_imports = {unsigned}
trusted_keys = ["{key}"]
[[models.define]]
name = "line"
tags = ["press/r0", "press/r1", "press/r2", "press/r3"]
grid_ms = 250
window = 4
"""


class Machine:
    """Registers near 30,000 that wobble by a few steps ten times a second; `away`: one of them is far from there."""

    away = False

    def read(self, table: str, start: int, count: int) -> list[int]:
        tick = time.monotonic_ns() // 100_000_000
        return [30_000 + (tick * (1 + n)) % 7 + 30_000 * (self.away and n == 1) for n in range(start, start + count)]

    def write(self, table: str, start: int, words: list[int]) -> None:
        return


def configure(folder: Path, port: int, *, unsigned: bool = True) -> Path:
    path = folder / "gateway.toml"
    head = ALONE + HEAD.format(unsigned=str(unsigned).lower(), key=key_of(50).public.cose.hex())
    path.write_text(head + device_config("press", port, tags=TAGS, period_ms=200))
    return path


def model_for(state: Path) -> tuple[Manifest, bytes]:
    """A model of the four tags, as somebody would bring it."""
    reader = LedgerReader(RealDisk(), state, 1)
    uids = {each.name: each.uid for each in reader.schema_at(reader.size()).descriptors.values()}
    model = dense((2 * TAGS, 3, 2 * TAGS), 4).packed()
    tags = tuple(TagInput(uid=uids[f"press/r{n}"], name=f"press/r{n}", hold_ms=5_000) for n in range(TAGS))
    form = TensorForm("int8", float(np.float32(0.06)), 0)
    manifest = replace(
        made(), name="line", model_sha256=sha256(model).digest(), plan=InputPlan(tags=tags, grid_ms=500, window=6),
        mean=(30_000.0,) * TAGS + (1.0,) * TAGS, spread=(9_000.0,) * TAGS + (2.0,) * TAGS, residual=(1.0,) * (2 * TAGS), input=form,
        output_form=form, decision=DecisionSettings(threshold=15.0, needed=2, of=3, release=0.9, hold_off=6),
        bands=((0.0, 65_535.0),) * TAGS,
        ceilings=(1.0,) * TAGS, coverage=Coverage(covered=True, alarmed_share=0.0, rows_wanted=0), limits={},
    )  # fmt: skip
    return manifest, model


async def ask(state: Path, method: str, params: dict[str, Any] | None = None) -> Any:
    return await ask_once(state / "run" / "feed.sock", "cli", method, params or {}, 60)


async def act(state: Path, action: str, **params: Any) -> tuple[str, dict[str, Any]]:
    try:
        outcome = await ask(state, "act", asking.act(None, action, "line", **params))
    except RequestRefusedError as refused:
        return refused.code, dict(refused.params)
    return outcome["code"], outcome["params"]


async def row(state: Path) -> dict[str, Any]:
    try:
        rows = (await ask(state, "models"))["models"]
    except RequestRefusedError:
        return {}
    return next((each for each in rows if each["name"] == "line"), {})


async def becomes(state: Path, wanted: Callable[[dict[str, Any]], Any], timeout_s: float = 40) -> dict[str, Any]:
    async with asyncio.timeout(timeout_s):
        while not wanted(found := await row(state)):
            await asyncio.sleep(0.1)
        return found


async def started(gateway: Gateway) -> None:
    await gateway.start()
    async with gateway.watching() as face:
        await until(lambda: face.health.get("judge", {}).get("state") == "ok" and face.health["evidence"]["readings"] > 20, 60)


async def brought(gateway: Gateway) -> bytes:
    """Import the model and watch it score; return its manifest's hash."""
    manifest, model = model_for(gateway.state)
    assert await act(gateway.state, "model.import", model=model, manifest=manifest.encoded()) == (
        "done", {"model": "line", "manifest_hash": manifest.hash.hex(), "state": "checking"},
    )  # fmt: skip
    for action in ("model.shadow", "model.arm"):
        assert (await act(gateway.state, action))[0] == "done"
    await becomes(gateway.state, lambda found: found.get("score") is not None)
    return manifest.hash


def processes(gateway: Gateway) -> dict[str, int]:
    """Process ids of the judge and of its worker."""
    assert gateway.process is not None
    found = {}
    for pid in children(gateway.process.pid):
        if b"runtime.judgement" in _command(pid):
            found["judge"] = pid
            found["worker"] = next((child for child in children(pid) if b"models.worker" in _command(child)), 0)
    return found


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def verified(state: Path) -> None:
    """The ledger holds; nobody confirms it, so that is all there is to say."""
    _, report = await cli("ledger", "verify", "--state", str(state))
    claims = {name: claim["status"] for name, claim in report["claims"].items()}
    assert {claims[name] for name in ("altered", "dropped", "reordered", "content", "withheld")} == {"holds"}, report


def said(state: Path) -> list[ModelBody]:
    """What the ledger says of models."""
    reader, found = LedgerReader(RealDisk(), state, 1), []
    for seq in range(reader.size()):
        payload = parse(reader.entry(seq)).payload
        if payload.kind == Kind.EVENT and payload.detail[0] == MODEL:
            body = read_event(MODEL, 1, reader.body(seq) or b"")
            assert isinstance(body, ModelBody)
            found.append(body)
    return found


async def rows_for_others(state: Path, folder: Path, cells: int) -> None:
    """What was judged goes out as a table to train another model by, with the recipe that it was made by."""
    options = ("--from", "0", "--to", "now", "--state", str(state))
    code, found = await cli("model", "rows", "line", str(folder), *options)
    lines = (folder / "rows.csv").read_text().splitlines()
    given = Manifest.from_plain(json.loads((folder / "manifest.json").read_text()))
    assert (code, found["rows"]) == (0, len(lines) - 1)
    assert lines[0].split(",") == ["end_ms", *given.plan.feature_names()]
    assert found["rows"] > 10, "what was normal before the first kill can be learned from"
    assert found["left_out"] > 0, "what alarmed cannot"
    assert found["rows"] + found["left_out"] > cells / 2, "most of what was judged is here"
    numbers = np.array([float(each) for line in lines[1:] for each in line.split(",")])
    ends_ms = numbers.reshape(found["rows"], 1 + len(given.plan.feature_names()))[:, 0]
    assert (np.diff(ends_ms) > 0).all()
    assert not (ends_ms % 500).any()


def test_kills_lose_and_double_nothing(tmp_path: Path, seed: int, count: Callable[[int, int, int], int]) -> None:
    rng, kills = random.Random(seed), count(3, 5, 60)

    async def run() -> None:
        machine = Machine()
        async with LoadDevice(machine) as device:
            gateway = Gateway(tmp_path / "state", configure(tmp_path, device.port))
            await started(gateway)
            await brought(gateway)
            first = (await becomes(gateway.state, lambda found: found.get("score") is not None and not found["alarming"]))["cell_ms"]
            await becomes(gateway.state, lambda found: found["cell_ms"] > first + 10_000 and not found["alarming"])
            machine.away = True
            await becomes(gateway.state, lambda found: found["alarming"])
            for kill in range(kills):
                await asyncio.sleep(rng.uniform(0.5, 3.0))
                machine.away = kill % 2 == 1  # so that each is killed in an alarm, and while all is quiet
                there = processes(gateway)
                victim = ("judge", "worker", "core")[kill % 3]
                if victim == "core":
                    gateway.kill_core()
                    await gateway.gone()
                    await gateway.start()
                elif there.get(victim):
                    os.kill(there[victim], signal.SIGKILL)
                before = (await becomes(gateway.state, lambda found: found.get("cell_ms"), 60))["cell_ms"]
                await becomes(gateway.state, lambda found: (found.get("cell_ms") or 0) > before + 1_000, 60)  # noqa: B023
                assert (await row(gateway.state))["state"] == "armed"
            async with gateway.watching() as face:  # the field noticed nothing
                await until(lambda: face.health.get("evidence", {}).get("state") == "recording")
                assert face.health["gaps"].keys() <= {"restart", "stopped"}, face.health["gaps"]
            assert await gateway.stop() == 0
        await verified(gateway.state)
        code, replayed = await cli("ledger", "replay", "--model", "line", "--state", str(gateway.state))
        (manifest,) = replayed["manifests"]
        assert (code, replayed["verdict"], manifest["differing"], manifest["not_recorded"]) == (0, "holds", 0, 0), manifest
        assert manifest["equal"] == manifest["cells"] > 20
        await rows_for_others(gateway.state, tmp_path / "own", manifest["cells"])
        print(f"seed {seed}: {kills} kills, {manifest['receipts']} receipts, {manifest['cells']} cells, 0 differences")

    asyncio.run(run())


def test_what_was_changed_or_signed_by_a_stranger_is_refused_and_said(tmp_path: Path) -> None:
    async def run() -> None:
        async with LoadDevice() as device:
            gateway = Gateway(tmp_path / "state", configure(tmp_path, device.port))
            await started(gateway)
            named = await brought(gateway)
            folder = gateway.state / "models" / named.hex()
            for file, code in (("model.tflite", "model_changed"), ("manifest.cbor", "model_manifest_changed")):
                whole = (folder / file).read_bytes()
                changed = bytearray(whole)
                changed[len(changed) // 2] ^= 1
                (folder / file).write_bytes(changed)
                found = await becomes(gateway.state, lambda found: found.get("state") == "refused")
                assert found["refused"]["code"] == code
                (folder / file).write_bytes(whole)
                await becomes(gateway.state, lambda found: found.get("state") != "refused")
            manifest, model = model_for(gateway.state)
            other = replace(manifest, who="somebody else")
            signed = {key: sign_as_vendor(key_of(key), other.hash, other.model_sha256) for key in (50, 51)}
            brought_along = {"model": model, "manifest": other.encoded()}
            code, params = await act(gateway.state, "model.import", **brought_along, signature=signed[51])
            assert (code, params["key"]) == ("model_key_untrusted", key_of(51).public.kid.hex())
            torn = signed[50][:-1] + bytes((signed[50][-1] ^ 1,))
            assert (await act(gateway.state, "model.import", **brought_along, signature=torn))[0] == "model_signature_invalid"
            assert (await act(gateway.state, "model.import", **brought_along | {"model": model[:-1]}))[0] == "model_changed"
            assert (await act(gateway.state, "model.import", **brought_along, signature=signed[50]))[0] == "done"
            await becomes(gateway.state, lambda found: found.get("manifest_hash") == other.hash.hex() and found.get("cell_ms"))
            odd = replace(manifest, output="score", residual=(), who="an odd one")  # of a model with eight outputs
            assert (await act(gateway.state, "model.import", model=model, manifest=odd.encoded()))[0] == "done"
            found = await becomes(gateway.state, lambda found: found.get("state") == "refused")
            assert found["refused"]["code"] == "model_output_shape"
            await asyncio.sleep(8)  # it is not tried again and again
            assert await gateway.stop() == 0
        told = [(body.state, body.code) for body in said(gateway.state)]
        refused = ["model_changed", "model_manifest_changed", "model_output_shape"]
        assert [code for state, code in told if state == "refused"] == refused
        assert [code for _, code in told].count("accepted") == 2
        assert told[-2:] == [("checking", "imported"), ("refused", "model_output_shape")]
        await verified(gateway.state)

    asyncio.run(run())


def trainer(gateway: Gateway) -> int:
    """Process id of the trainer, 0 while there is none."""
    judge = processes(gateway).get("judge", 0)
    return next((pid for pid in children(judge) if b"judgement.trainer" in _command(pid)), 0) if judge else 0


async def trained_with_a_megabyte(state: Path) -> Any:
    """What a trainer answers that may not take more memory than that."""
    order = {
        "name": "line", "act": bytes(16).hex(), "plan": model_for(state)[0].plan.plain(), "from_ms": 0, "to_ms": 1 << 45, "recipe": "",
        "who": "test", "made_ms": 1, "memory_mb": 1,
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "runtime.judgement.trainer", "--state", str(state), cwd=ROOT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate(json.dumps(order).encode() + b"\n")
    return json.loads(out.splitlines()[-1])


async def trainer_runs(gateway: Gateway) -> int:
    return int(await until(lambda: trainer(gateway), 30))


def test_learning_survives_kills_and_disturbs_nothing(tmp_path: Path) -> None:
    """The trainer is killed, then the judge above it, then learning is let be: each end is said, what was learned is vouched for."""

    async def run() -> None:
        async with LoadDevice() as device:
            gateway = Gateway(tmp_path / "state", configure(tmp_path, device.port))
            await started(gateway)
            assert (await act(gateway.state, "model.learn", from_ms=1, to_ms=2))[0] == "done"
            few = await becomes(gateway.state, lambda found: found.get("ended"))
            assert few["ended"]["code"] == "model_rows_few"
            await asyncio.sleep(12)
            for victim, code in (("trainer", "learn_failed"), ("judge", "learn_interrupted")):
                assert (await act(gateway.state, "model.learn"))[0] == "done"
                pid = await trainer_runs(gateway)
                os.kill(pid if victim == "trainer" else processes(gateway)["judge"], signal.SIGKILL)
                await until(lambda: not trainer(gateway), 20)
                await until(lambda: said(gateway.state)[-1].code == code, 30)  # noqa: B023
                await becomes(gateway.state, lambda found: found.get("progress") is None)
            async with gateway.watching() as face:
                await until(lambda: face.health.get("judge", {}).get("state") == "ok", 30)
            assert (await act(gateway.state, "model.learn"))[0] == "done"
            found = await becomes(gateway.state, lambda found: found.get("score") is not None, 60)
            assert found["state"] == "checking"
            await becomes(gateway.state, lambda later: later["cell_ms"] > found["cell_ms"] + 6_000)  # a receipt holds two seconds
            assert not found["coverage"]["covered"], "some seconds are no normal operation"
            assert (await act(gateway.state, "model.shadow"))[0] == "done"
            assert (await act(gateway.state, "model.arm"))[0] == reason_to_refuse(found["coverage"])
            async with gateway.watching() as face:
                await until(lambda: face.health.get("evidence", {}).get("state") == "recording")
                assert face.health["gaps"] == {}
            assert await gateway.stop() == 0
        codes = [body.code for body in said(gateway.state)]
        assert codes.count("learned") == 1
        assert await trained_with_a_megabyte(gateway.state) == {"code": "learn_no_memory", "params": {"memory_mb": 1}}
        await verified(gateway.state)
        code, replayed = await cli("ledger", "replay", "--model", "line", "--state", str(gateway.state))
        assert (code, replayed["manifests"][0]["differing"]) == (0, 0), replayed

    asyncio.run(run())
