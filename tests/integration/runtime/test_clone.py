"""A copied state folder run beside the original: one goes on being cosigned, the other stops itself and says what to do."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from runtime.messages.catalogue import word
from tests.integration.runtime.test_kill import enrol, write_config
from tests.rigs.anchor_process import anchor_process, anchor_verb
from tests.rigs.gateway import Gateway, cli, until
from tests.rigs.load_device import LoadDevice


def test_exactly_one_of_two_goes_on(tmp_path: Path) -> None:
    async def run() -> None:
        async with LoadDevice() as device:
            with anchor_process(tmp_path / "anchor") as anchor:
                config = write_config(tmp_path, device.port, anchor.url, anchor.key.vkey)
                original = Gateway(tmp_path / "state", config)
                await original.start()
                await enrol(original, tmp_path / "anchor")
                async with original.watching() as face:
                    await until(lambda: face.health.get("anchors") and (face.health["anchors"][0]["cosigned_size"] or 0) > 3)
                assert await original.stop() == 0
                clone = Gateway(tmp_path / "clone", config)
                shutil.copytree(original.state, clone.state, ignore=shutil.ignore_patterns("*.sock"))
                await asyncio.gather(original.start(), clone.start())
                async with original.watching() as one, clone.watching() as two:
                    faces = [one, two]

                    def states() -> list[str]:
                        return [face.health["ledger"]["state"] if face.health else "" for face in faces]

                    await until(lambda: "quarantined" in states(), 60)
                    loser = states().index("quarantined")
                    assert states()[1 - loser] == "ok"
                    stuck = faces[loser].health["anchors"][0]["cosigned_size"]
                    grown = faces[1 - loser].health["anchors"][0]["cosigned_size"]
                    await until(lambda: faces[1 - loser].health["anchors"][0]["cosigned_size"] > grown, 30)
                    assert faces[loser].health["anchors"][0]["cosigned_size"] == stuck
                    todo = faces[loser].health["ledger"]["todo"]
                    assert todo
                    assert word(todo) != todo
                    assert faces[loser].health["evidence"]["state"] == "recording", "the quarantined one goes on recording for itself"
                await asyncio.gather(original.stop(), clone.stop())
                for gateway, expected in ((original, {0, 1}), (clone, {0, 1})):
                    assert (gateway.state / "ledger" / "1" / "QUARANTINE").exists() == (gateway is (original, clone)[loser])
                    assert (await cli("ledger", "verify", "--state", str(gateway.state)))[0] in expected

    asyncio.run(run())


def test_an_operator_opens_the_next_epoch_of_a_quarantined_ledger(tmp_path: Path) -> None:
    async def run() -> None:
        async with LoadDevice() as device:
            with anchor_process(tmp_path / "anchor") as anchor:
                config = write_config(tmp_path, device.port, anchor.url, anchor.key.vkey)
                gateway = Gateway(tmp_path / "state", config)
                await gateway.start()
                await enrol(gateway, tmp_path / "anchor")
                async with gateway.watching() as face:
                    await until(lambda: face.health.get("anchors") and (face.health["anchors"][0]["cosigned_size"] or 0) > 3)
                    assert (await cli("ledger", "new-epoch", "--state", str(gateway.state)))[0] == 2, "not while the gateway runs"
                assert await gateway.stop() == 0
                code, opened = await cli("ledger", "new-epoch", "--state", str(gateway.state))
                assert (code, opened["epoch"]) == (0, 2)
                assert opened["previous"]["size"] > 3
                anchor_verb("enroll", "--state", str(tmp_path / "anchor"), opened["vkey"])
                await gateway.start()
                async with gateway.watching() as face:
                    await until(lambda: face.health.get("anchors") and (face.health["anchors"][0]["cosigned_size"] or 0) > 3)
                    assert face.health["ledger"]["epoch"] == 2
                    assert face.health["gateway"]["revision"] == 1, "the configuration in force goes on"
                assert await gateway.stop() == 0
                code, report = await cli("ledger", "verify", "--state", str(gateway.state))
                assert (code, report["verdict"]) == (0, "holds"), report
                assert report["previous"] == opened["previous"]
                shutil.copytree(gateway.state, tmp_path / "alone", ignore=shutil.ignore_patterns("1", "*.sock"))
                code, report = await cli("verify", str(tmp_path / "alone"), "--policy", str(gateway.state / "policy.txt"))
                assert (code, report["claims"]["equivocated"]["code"]) == (2, "previous_not_at_hand"), report
                old = gateway.state / "policy-1.txt"
                code, report = await cli("ledger", "verify", "--state", str(gateway.state), "--epoch", "1", "--policy", str(old))
                assert (code, report["verdict"]) == (0, "holds"), report

    asyncio.run(run())
