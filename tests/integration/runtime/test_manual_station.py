"""Readings entered at a running gateway by the command line, and by a gauge: shown and recorded as those of any tag."""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ledger_client.body import read_body
from ledger_client.body_reader import BodyReading
from ledger_client.disk import RealDisk
from ledger_client.entry import parse
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from ledger_client.verify import parse_policy, verify_file
from runtime.faces.feed_client import ask_once
from tests.integration.runtime.test_kill import enrol
from tests.rigs.anchor_process import anchor_process
from tests.rigs.gateway import ALONE, Gateway, cli, until
from tests.rigs.out_of_the_box import witness_of

CONFIG = """[gateway]
name = "g"
[evidence]
seal_every_s = 60
[devices.lab]
type = "manual"
people = ["Ana"]
[[devices.lab.groups]]
name = "rounds"
tags = [{{ name = "brix", unit = "deg", decimals = 1, max = 30.0 }}]
[devices.caliper]
type = "manual"
gauge = {{ serial_port = "{port}", by = "station 3" }}
[[devices.caliper.groups]]
name = "diameter"
tags = [{{ name = "diameter", unit = "mm", line = '([\\d.]+) mm' }}]
"""


def recorded(state: Path, tag: str) -> list[tuple[Any, int, int | None]]:
    return [(each.value, each.status, each.source_ms) for each in readings(state) if each.descriptor.name == tag]


def read_times(state: Path) -> list[tuple[Any, int]]:
    return [(each.value, each.time_ms) for each in readings(state)]


def readings(state: Path) -> Iterator[BodyReading]:
    reader = LedgerReader(RealDisk(), state, 1)
    for seq, raw in enumerate(reader.entries(0, reader.size())):
        payload = parse(raw).payload
        if payload.kind == Kind.BATCH:
            yield from read_body(reader.body(seq) or b"", payload.detail, reader.schema_at(seq)).readings()


def test_a_reading_by_hand_is_shown_and_survives_a_kill(tmp_path: Path) -> None:
    near, far = os.openpty()
    tty.setraw(far)
    config = tmp_path / "gateway.toml"
    config.write_text(ALONE + CONFIG.format(port=os.ttyname(far)))
    state, proof = str(tmp_path / "state"), str(tmp_path / "brix.wmproof")

    async def enter(*arguments: str) -> tuple[int, dict[str, Any]]:
        return await cli("enter", "--state", state, *arguments)

    async def run() -> None:
        gateway = Gateway(tmp_path / "state", config)
        await gateway.start()
        try:
            async with asyncio.timeout(90), gateway.watching() as face:
                await until(lambda: len(face.tags) == 2)
                uids = {row[1]: uid for uid, row in face.tags.items()}
                code, said = await enter("lab/brix", "21,5", "--by", "Ana")
                assert (code, said["params"]["value"]) == (0, 21.5), said
                await until(lambda: face.values[uids["lab/brix"]][5] == "recorded")
                assert face.values[uids["lab/brix"]][1:3] == [21.5, 0]
                await until((gateway.state / "private" / "learned" / "lab.json").exists)
                gateway.kill_core()  # it was told done: sealing by itself would have come 60 s after the start
                await gateway.gone()
                await gateway.start()
                await until(lambda: face.values[uids["lab/brix"]][2] == 0x40900000)
                code, said = await cli("prove", "--state", state, "--tag", "lab/brix", "--output", proof)
                assert (code, said["error"]) == (2, "proof_no_witness"), "it is there, and no witness is asked to confirm it"
                while face.values.get(uids["caliper/diameter"], [0, None, 0])[1:3] != [12.34, 0]:  # the first may come too soon
                    os.write(near, b"12.34 mm\r\n")
                    await asyncio.sleep(1)
                an_hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
                code, said = await enter("lab/brix", "20.5", "--by", "Ana", "--taken", an_hour_ago, "--reason", "the network was down")
                assert (code, said["params"]["by"]) == (0, "Ana")
                code, said = await enter("lab/brix", "-1.55", "--by", "Ana")
                assert (code, said["error"]) == (1, "enter_decimals")
                code, said = await enter("lab/brix", "1.5", "--by", "Eve")
                assert (code, said["error"]) == (1, "enter_by")
                assert (await enter("lab/brix", "1.5", "--by", "Ana", "--taken", "soon"))[1]["error"] == "time_invalid"
        finally:
            await gateway.stop()
        code, shown = await cli("ledger", "verify", "--state", state)
        assert code in (0, 2), shown  # 2: nobody outside has confirmed it
        assert recorded(tmp_path / "state", "lab/brix")[0] == (21.5, 0, None)
        assert (20.5, 0) in [(value, status) for value, status, source in recorded(tmp_path / "state", "lab/brix") if source is not None]

    try:
        asyncio.run(run())
    finally:
        os.close(near)
        os.close(far)


def test_after_a_late_entry_the_newest_value_is_proved_and_the_late_one_by_its_time(tmp_path: Path) -> None:
    """By the command line and by the history process, which makes the proofs of the page."""
    config, state, out = tmp_path / "gateway.toml", str(tmp_path / "state"), str(tmp_path / "p.wmproof")

    async def run(evidence: str, folder: Path) -> None:
        station = '[devices.lab]\ntype = "manual"\n[[devices.lab.groups]]\nname = "rounds"\ntags = [{ name = "brix" }]\n'
        config.write_text('[gateway]\nname = "g"\n[web]\nenabled = false\n[evidence]\nseal_every_s = 1\n' + evidence + station)
        gateway = Gateway(tmp_path / "state", config)
        await gateway.start()
        try:
            await enrol(gateway, folder)
            async with asyncio.timeout(90), gateway.watching() as face:
                await until(lambda: face.tags)
                ago = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
                for more in (("10.0",), ("9.0", "--taken", ago, "--reason", "late")):
                    code, said = await cli("enter", "lab/brix", *more, "--by", "Ana", "--state", state)
                    assert code == 0, said
                seq = said["params"]["reading_seq"]
                await until(lambda: (face.health["anchors"][0]["cosigned_size"] or 0) > seq)
                (uid,) = face.tags
                assert face.values[uid][1] == 10.0
                late_ms = next(each[1] for each in read_times(tmp_path / "state") if each[0] == 9.0)
                for at_ms, value in ((None, 10.0), (late_ms, 9.0), (late_ms + 1, 10.0)):
                    asked = () if at_ms is None else ("--at", str(at_ms))
                    code, made = await cli("prove", "--state", state, "--tag", "lab/brix", *asked, "--output", out)
                    assert (code, made["reading"]["value"]) == (0, value), made
                    params = {"uid": uid, "at_ms": at_ms or made["reading"]["time_ms"] + 1000}
                    data = await ask_once(tmp_path / "state" / "run" / "history.sock", "test", "proof", params, 10)
                    policy = parse_policy((tmp_path / "state" / "policy.txt").read_bytes())
                    assert verify_file(data, policy).facts["reading"]["value"] == value
        finally:
            await gateway.stop()

    with anchor_process(tmp_path / "anchor") as anchor:
        asyncio.run(run(witness_of(anchor), tmp_path / "anchor"))
