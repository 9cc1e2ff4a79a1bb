"""What drivers learned is there after a restart and a power cut, forgotten through the door, and set aside when it is damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ledger_client.disk import RealDisk
from ledger_client.kinds import Kind
from runtime.cli.app import make_app
from runtime.layout import Layout
from runtime.learned_maps import LearnedMaps, encode, parse
from tests.rigs.core import STATE, Plant, payloads, prepare, running, two_devices
from tests.rigs.field import after
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run

FACTS = {
    "tables": {"holding": {"refused": [[100, 101, 2], [7, 9, 256]], "crossable": [[1, 5]]}},
    "longest": {"registers": 60},
    "version": 1,
}


def maps(disk: ShimDisk | RealDisk, private: Path) -> LearnedMaps:
    made = LearnedMaps(disk, private, ThreadPoolExecutor(1))
    made.load()
    return made


def test_a_core_keeps_what_its_drivers_say_and_forgets_it_through_the_door() -> None:
    disk = ShimDisk()
    prepare(disk, two_devices())

    async def first(clock: VirtualClock) -> None:
        plant = Plant(clock)
        async with running(disk, clock, plant) as now:
            assert plant.memories["a"].recall() is None
            plant.memories["a"].keep({"n": 1})
            plant.memories["b"].keep({"n": 2})
            await after(clock, 3)
            plant.memories["a"].keep({"n": 3})
            assert await now.act("learned.forget", "nobody") == {"refused": "learned_nothing", "device": "nobody"}

    async def second(clock: VirtualClock) -> None:
        plant = Plant(clock)
        async with running(disk, clock, plant, first_act=10) as now:
            assert plant.memories["a"].recall() == {"n": 3}
            assert plant.memories["b"].recall() == {"n": 2}
            forgotten = plant.memories["a"].forgotten
            assert (await now.act("learned.forget", "a"))["code"] == "done"
            assert plant.memories["a"].recall() is None
            assert plant.memories["a"].forgotten == forgotten + 1

    async def third(clock: VirtualClock) -> None:
        plant = Plant(clock)
        async with running(disk, clock, plant, first_act=20):
            assert plant.memories["a"].recall() is None
            assert plant.memories["b"].recall() == {"n": 2}

    for number, life in enumerate((first, second, third)):
        run(life, seed=number)
        disk = ShimDisk.from_image(disk.image())
    assert [p.detail[1] for p in payloads(disk) if p.kind == Kind.COMMAND] == [0, 1]


def test_every_power_cut_leaves_the_old_facts_or_the_new_ones(seed: int, count) -> None:
    disk = ShimDisk()
    private = STATE / "private"
    disk.mkdir(private)
    disk.sync_folder(STATE.parent)
    kept = maps(disk, private)
    said: list[tuple[int, Any]] = [(0, None)]
    for n in range(6):
        if n == 4:
            kept.forget("plc")
        else:
            kept.memory("modbus", "plc").keep({"n": n, "text": "x" * 5000})
        kept.save()
        said.append((len(disk.log), kept.memory("modbus", "plc").recall()))
    for crash in disk.crash_states(seed=seed, count=count(100, 1000, 10_000)):
        found = maps(ShimDisk.from_image(crash.image), private).memory("modbus", "plc").recall()
        durable = [facts for position, facts in said if position <= crash.position][-1]
        following = [facts for position, facts in said if position > crash.position][:1]
        assert found in [durable, *following], f"seed {crash.seed}"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, encode("other", "modbus", FACTS), b'{"version": 2}'])
def test_a_damaged_file_is_set_aside_and_the_driver_begins_anew(tmp_path: Path, data: bytes) -> None:
    folder = tmp_path / "learned"
    folder.mkdir()
    (folder / "plc.json").write_bytes(data)
    (folder / "good.json").write_bytes(encode("good", "modbus", FACTS))
    kept = maps(RealDisk(), tmp_path)
    assert kept.memory("modbus", "plc").recall() is None
    assert kept.names() == ["good"]
    assert (folder / "plc.json.damaged").read_bytes() == data
    kept.memory("modbus", "plc").keep({"n": 1})
    kept.save()
    assert parse((folder / "plc.json").read_bytes(), "plc") == ("modbus", {"n": 1})


def test_what_a_driver_rejects_is_set_aside_and_what_another_type_learned_is_not_given(tmp_path: Path) -> None:
    kept = maps(RealDisk(), tmp_path)
    kept.memory("modbus", "plc").keep(FACTS)
    kept.save()
    again = maps(RealDisk(), tmp_path)
    assert again.memory("opcua", "plc").recall() is None
    again = maps(RealDisk(), tmp_path)
    memory = again.memory("modbus", "plc")
    assert memory.recall() == FACTS
    memory.reject("nonsense")
    assert memory.recall() is None
    memory.keep({"n": 1})
    again.save()
    assert (tmp_path / "learned" / "plc.json.damaged").exists()
    assert maps(RealDisk(), tmp_path).memory("modbus", "plc").recall() == {"n": 1}


class SlowDisk(RealDisk):
    """Calls what is in `meanwhile`, once each, while a file is being written."""

    def __init__(self) -> None:
        self.meanwhile: list[Callable[[], None]] = []

    def fdatasync(self, handle: int) -> None:
        super().fdatasync(handle)
        if self.meanwhile:
            self.meanwhile.pop()()


def test_what_is_learned_while_the_disk_is_busy_is_written_with_the_next_save(tmp_path: Path) -> None:
    disk = SlowDisk()
    kept = maps(disk, tmp_path)
    memory = kept.memory("modbus", "plc")
    memory.keep({"n": 1})
    disk.meanwhile.append(lambda: memory.keep({"n": 2}))
    kept.save()
    kept.save()
    assert maps(RealDisk(), tmp_path).memory("modbus", "plc").recall() == {"n": 2}


def test_a_disk_that_takes_nothing_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "learned").write_text("in the way")
    kept = maps(RealDisk(), tmp_path)
    kept.memory("modbus", "plc").keep(FACTS)
    with pytest.raises(OSError):
        kept.save()
    (tmp_path / "learned").unlink()
    kept.save()
    assert maps(RealDisk(), tmp_path).names() == ["plc"]


def test_the_command_line_shows_and_exports(tmp_path: Path) -> None:
    state = tmp_path / "state"
    Layout(state).prepare(RealDisk())

    def said(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(make_app(), ["learned", *arguments, "--state", str(state)])
        return result.exit_code, result.output

    assert said("show")[0] == 0
    assert said("export", "plc")[0] == 2
    kept = maps(RealDisk(), Layout(state).private)
    kept.memory("modbus", "plc").keep(FACTS)
    kept.save()
    code, text = said("show")
    assert code == 0
    assert "100 (exception 2), 7-8 in one request (spoils the next answer)" in text
    assert "registers 60" in text
    assert json.loads(said("show", "plc", "--json")[1]) == {"devices": {"plc": {"type": "modbus", "facts": FACTS}}}
    assert json.loads(said("export", "plc")[1])["facts"] == FACTS
    assert said("forget", "plc", "--reason", "new firmware")[0] == 2  # no gateway runs here
    (Layout(state).private / "learned" / "plc.json").write_text("{")
    code, text = said("show", "--json")
    assert (code, json.loads(text)["error"]) == (2, "learned_damaged")
