"""24 hours in the field: reconnects, PLC downloads, maps that change with the firmware, clock steps, edits. Nobody restarts anything.

The drivers, their framing and what they learn are production's own, on a simulated network. In the end the ledger is held against the
units: no good reading is anything but what its register held, every silence is a gap, and the verdict holds.
"""

from __future__ import annotations

from random import Random

from ledger_client.body import read_body
from ledger_client.entry import parse
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from ledger_client.schema import SchemaState
from tests.simulation.coverage import silences
from tests.simulation.disk import ShimDisk
from tests.simulation.field_day import NAMES, FieldDay, FieldPlant, address_of, config_text
from tests.simulation.gateway import Gateway, new_disk, reader_of, verdict, verify
from tests.simulation.loop import VirtualClock, run
from tests.simulation.modbus_map import MapUnit, word_of
from tests.simulation.witness import MemoryWitness

READ_MS_MAX = 17_000
"""How long a read may take, learning included: half of the slowest period and a request."""


def test_24_hours_in_the_field(seed: int, count) -> None:
    hours = count(3, 24, 240)

    async def program(clock: VirtualClock) -> tuple[ShimDisk, FieldDay]:
        disk, plant = new_disk(config_text()), FieldPlant(clock, seed)
        truth_ms = clock.wall_ms() - clock.mono_ms()
        witness = MemoryWitness(lambda: (truth_ms + clock.mono_ms()) // 1000)
        gateway = Gateway(clock, disk, seed=seed, plant=plant, witness=witness)
        day = FieldDay(gateway, plant, Random(seed))
        async with gateway.running() as core:
            await day.play(core, hours)
            health = core.health.snapshot()
        assert {tuple(each) for each in health["parts"].values()} == {(1, None)}, "no part was restarted"
        assert {device["name"]: device["state"] for device in health["devices"]}["drive"] == "ok"
        return disk, day

    disk, day = run(program, seed=seed)
    reader, report = reader_of(disk), verify(disk)
    assert verdict(report) == "holds", f"seed {seed}: {verdict(report)}"
    assert silences(reader, NAMES, slack_ms=6_000, jitter_ms=1_000) == [], f"seed {seed}"
    good, bad, wrong = held_against(reader, day.plant.units)
    assert wrong == [], f"seed {seed}"
    assert good > hours * 1_000
    assert bad
    assert report.facts["gaps"], "something went wrong that day"
    print(f"seed {seed}, {hours} h: {day.done}; {report.facts['entries']} entries, {good} good and {bad} bad readings")
    print(f"gaps {report.facts['gaps']}")


def held_against(reader: LedgerReader, units: dict[str, MapUnit]) -> tuple[int, int, list[str]]:
    """Return how many readings are good and bad, and those that are good and not what the register held while they were read."""
    good, bad, wrong, schema = 0, 0, [], SchemaState()
    for seq, raw in enumerate(reader.entries(0, reader.size())):
        payload = parse(raw).payload
        if payload.kind == Kind.SCHEMA:
            schema = schema.apply(reader.body(seq) or b"", full=bool(payload.detail[3]))
        elif payload.kind == Kind.BATCH:
            body = read_body(reader.body(seq) or b"", payload.detail, schema)
            for each in body.readings():
                if each.status:
                    bad += 1
                    continue
                good += 1
                at_ms, address = each.time_ms - body.offset_ms, address_of(each.descriptor.source)
                versions = units[each.descriptor.name.partition("/")[0]].versions(at_ms - READ_MS_MAX, at_ms)
                if each.value not in [word_of(version, address) for version in versions]:
                    wrong.append(f"{each.descriptor.name} at {at_ms} ms: {each.value}, versions {versions}")
    return good, bad, wrong[:20]
