"""Tags leave a running gateway as a table and come back through its door: numbers stay through a rename and a re-import."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ledger_client.disk import RealDisk
from runtime.layout import Layout
from runtime.tag_ids import load_tag_ids
from tests.integration.runtime.test_detect import cli, plant_and_config
from tests.rigs.gateway import Gateway

pytestmark = pytest.mark.integration


def numbers(state: Path) -> dict[str, int]:
    ids = load_tag_ids(RealDisk(), Layout(state).private)
    assert ids is not None
    return {name: uid for uid, name in ids.tags.rows()}


def test_a_rename_in_the_table_keeps_the_number_and_so_does_an_older_table(tmp_path: Path) -> None:
    async def test() -> None:
        async with plant_and_config(tmp_path) as (_, file):
            gateway = Gateway(tmp_path / "state", file)
            await gateway.start()
            try:
                async with asyncio.timeout(30):
                    while load_tag_ids(RealDisk(), Layout(gateway.state).private) is None:
                        await asyncio.sleep(0.05)
                state, table = ("--state", str(gateway.state)), tmp_path / "t.csv"
                before = numbers(gateway.state)
                code, said = await cli("tags", "export", "meter", str(table), *state)
                assert (code, said["tags"]) == (0, 1)
                rows = table.read_bytes()
                table.write_bytes(rows.replace(b"fast,n,", b"fast,level,") + b"fast,flow,,holding:6,,200\r\n")
                code, said = await cli("tags", "import", "meter", str(table), *state)
                assert (code, said["code"], said["params"]["revision"]) == (0, "done", 2)
                after = numbers(gateway.state)
                assert after["meter/level"] == before["meter/n"]
                assert after["meter/flow"] not in before.values()
                table.write_bytes(rows)
                code, said = await cli("tags", "import", "meter", str(table), "--remove", *state)
                assert (code, said["params"]["revision"]) == (0, 3)
                assert numbers(gateway.state)["meter/n"] == before["meter/n"]
            finally:
                await gateway.stop()

    asyncio.run(test())
