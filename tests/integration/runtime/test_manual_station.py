"""Readings entered at a running gateway by the command line, and by a gauge: shown and recorded as those of any tag."""

from __future__ import annotations

import asyncio
import os
import tty
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ledger_client.body import read_body
from ledger_client.disk import RealDisk
from ledger_client.entry import parse
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from tests.rigs.gateway import ALONE, Gateway, cli, until

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
    reader, found = LedgerReader(RealDisk(), state, 1), list[tuple[Any, int, int | None]]()
    for seq, raw in enumerate(reader.entries(0, reader.size())):
        payload = parse(raw).payload
        if payload.kind == Kind.BATCH:
            body = read_body(reader.body(seq) or b"", payload.detail, reader.schema_at(seq))
            found += [(each.value, each.status, each.source_ms) for each in body.readings() if each.descriptor.name == tag]
    return found


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
