"""Diagnostics of a whole core on virtual time: who may, what is recorded, what is handed out, and that canaries are nowhere in it."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import zipfile
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from ledger_client.cbor import encode
from ledger_client.kinds import INTENT, Kind
from ledger_client.reader import LedgerReader
from runtime.acts import read_command
from runtime.diagnostics.bundles import KEPT_S_MAX, Bundle
from runtime.diagnostics.log_ring import TEXT_MAX
from runtime.diagnostics.methods import ACTION_OF
from runtime.faces.feed import FRAME_SIZE_MAX, RequestRefusedError
from runtime.faces.web.log_lines import rows_of
from runtime.faces.web.problems import problem
from tests.rigs.core import STATE, payloads
from tests.rigs.people import QUIET, People, played
from tests.simulation.loop import VirtualClock, VirtualLoop

CANARY = "kanarienvogel"
HOOK = f"https://hooks.example/T0001/{CANARY}/x"
CONFIG = f"""
# password = "{CANARY}-1"
[[notify.targets]]
name = "hook"
type = "webhook"
url = "{HOOK}"
"""


async def archive_of(people: People, token: str, bundle: str) -> bytes:
    data = b""
    while True:
        piece = await people.ask("diag.archive", token=token, id=bundle, offset=len(data))
        data += piece["data"]
        if len(data) >= piece["size_bytes"]:
            return data


def test_a_bundle_is_what_was_previewed_and_the_ledger_says_who_took_it() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        admin = await people.claim()
        tess, vic = await people.add(admin, "Tess", "technician"), await people.add(admin, "Vic", "viewer")
        people.now.core.log.note("warning", "core", "part_failed", {"part": "hook", "fault": f"POST {HOOK} token={CANARY}"})
        seen = await people.ask("diag.preview", token=tess)
        names = [each["name"] for each in seen["files"]]
        assert names[0] == "about.json"
        assert {"config.toml", "log.txt", "status.json", "ledger.json", "machine.json", "packages.json"} <= set(names)
        shown = {name: (await people.ask("diag.part", token=tess, id=seen["id"], name=name))["data"] for name in names}
        assert [[each["size_bytes"], each["sha256"]] for each in seen["files"]] == [
            [len(data), sha256(data).hexdigest()] for data in shown.values()
        ]
        assert (await people.ask("diag.archive", token=tess, id=seen["id"])) == {"refused": "diag_not_made"}
        made = await people.act(tess, "diag.bundle", seen["id"], leave_out="learned.json")
        assert made["code"] == "done", made
        data = await archive_of(people, tess, seen["id"])
        assert sha256(data).hexdigest() == made["params"]["sha256"]
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = {name: archive.read(name) for name in archive.namelist()}
        assert found == {name: text for name, text in shown.items() if name != "learned.json"}
        assert not [name for name, text in shown.items() if CANARY.encode() in text]
        assert b"https://" not in shown["config.toml"].split(b"[[notify.targets]]")[1]
        assert json.loads(shown["about.json"])["redacted"] >= 3
        assert (await people.act(vic, "diag.bundle", seen["id"]))["refused"] == "permission_denied"
        assert (await people.act(tess, "diag.bundle", "0" * 16))["refused"] == "diag_bundle_gone"
        for method in ACTION_OF:
            assert (await people.ask(method, token=vic))["refused"] == "permission_denied", method

    disk = played(program, QUIET + CONFIG)
    bodies = [p for p in payloads(disk) if p.kind == Kind.COMMAND and p.detail[2] == "diag.bundle"]
    assert len(bodies) == 1


def test_the_log_is_told_in_words_without_secrets_and_does_not_keep_a_session_alive() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        admin = await people.claim()
        log = people.now.core.log
        log.note("error", "supervisor", "part_failed", {"part": "<b>x</b>", "fault": f"Authorization: Bearer {CANARY}"})
        log.relay("history", f'{{"event": "history_page_not_written", "level": "warning", "reason": "password={CANARY}"}}')
        log.relay("web", f"INFO wm_{CANARY}{CANARY}")
        told = await people.ask("diag.log", token=admin, quiet=True)
        assert CANARY not in str(told)
        rows = rows_of(told["lines"], "en")
        assert [row.text for row in rows][-3:] == [
            "<b>x</b> failed and is started again: Authorization: [redacted]",
            "A page of history could not be written: password=[redacted]",
            "INFO [redacted]",
        ]
        assert [row.source for row in rows_of(told["lines"], "zh", "warning", "历史页")] == ["history"]
        assert rows_of(told["lines"], "en", "error", "page of history") == []
        after = await people.ask("diag.log", token=admin, after=told["newest"], quiet=True)
        assert (after["lines"], after["missed"]) == ([], 0)
        idle_ms = people.now.core.config.accounts.idle_min * 60_000
        began = clock.mono_ms()
        while clock.mono_ms() - began < idle_ms + 5_000:
            await clock.sleep_until_mono(clock.mono_ms() + 60_000)
            last = await people.ask("diag.log", token=admin, quiet=True)
        assert last == {"refused": "session_gone"}

    played(program, QUIET + CONFIG)


@pytest.mark.parametrize(
    "params", [{"detail": f"Bearer {CANARY}1"}, {"password": CANARY}, {"host": f"ada:{CANARY}@broker"}, {"url": f"https://h/?k={CANARY}"}]
)
def test_a_problem_answer_has_no_secret_in_it(params: dict[str, Any]) -> None:
    answer = problem(RequestRefusedError("act_failed", **params), "en")
    assert CANARY.encode() not in answer.body
    assert b"[redacted]" in answer.body


def test_what_a_person_reads_of_a_problem_stays_as_it_was() -> None:
    told = msgspec.json.decode(problem(RequestRefusedError("permission_denied", action="account.password"), "en").body)
    assert told["params"] == {"action": "account.password"}


def test_an_act_says_what_was_left_out_and_why() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        admin = await people.claim()
        seen = await people.ask("diag.preview", token=admin)
        assert (await people.act(admin, "diag.bundle", seen["id"], leave_out="no.txt"))["refused"] == "diag_part_unknown"
        assert (await people.act(admin, "diag.bundle", seen["id"], more=1))["refused"] == "act_shape"
        assert (await people.now.act("diag.bundle", seen["id"], token=admin, params={"leave_out": "log.txt"}))["code"] == "done"
        reader = LedgerReader(people.disk, STATE, 1)
        told = [
            read_command(p.detail[1], reader.body(p.seq) or b"")
            for p in payloads(people.disk)
            if p.kind == Kind.COMMAND and p.detail[1] == INTENT and p.detail[2] == "diag.bundle"
        ]
        assert [(each["reason"], each["target"], each["params"]) for each in told] == [("test", seen["id"], {"leave_out": "log.txt"})]
        assert told[0]["session"].startswith("Ada (session ")

    played(program)


def test_a_bundle_is_made_although_a_preview_and_many_who_look_at_the_log_are_before_it() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        admin = await people.claim()
        seen = await people.ask("diag.preview", token=admin)
        desk = await people.now.core.diagnostics._late.found()
        looked = loop.run_in_executor(desk._work, loop.block, 90)  # what it does for those who look takes so long
        began_ms = clock.mono_ms()
        assert (await people.act(admin, "diag.bundle", seen["id"]))["code"] == "done"
        assert clock.mono_ms() - began_ms < 1_000
        assert not looked.done(), "they still wait"

    played(program)


def test_a_bundle_that_nobody_fetches_is_let_go_without_anybody_asking() -> None:
    def kept(bundle: str) -> int:
        gc.collect()
        return sum(isinstance(each, Bundle) and each.id == bundle for each in gc.get_objects())

    async def program(people: People, clock: VirtualClock) -> None:
        seen = await people.ask("diag.preview", token=await people.claim())
        assert kept(seen["id"]) == 1
        await clock.sleep_until_mono(clock.mono_ms() + (KEPT_S_MAX + 120) * 1_000)
        assert kept(seen["id"]) == 0

    played(program, seed=19)  # its own: other tests may have left bundles of the same id


def test_a_log_in_chinese_fits_into_a_frame_too() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        for _ in range(200):
            people.now.core.log.note("info", "core", "said", {"what": "网关" * 400}, "日志" * (TEXT_MAX // 2))
        told = await people.ask("diag.log", token=await people.claim())
        assert len(encode(told)) < FRAME_SIZE_MAX
        assert len(told["lines"]) > 30

    played(program)
