"""The sim line is learned, then named faults are switched on: found, the right tag first; and nothing in an hour without any."""

from __future__ import annotations

from random import Random

from tests.simulation.line_judge import KINDS, LINEAR
from tests.simulation.line_trial import Outcome, Trial, is_slow, named_faults, other_tags, trial
from tests.simulation.loop import VirtualClock, run

WITHIN_S = 900.0
SLOW_WITHIN_S = 3 * 3600.0


def test_faults_of_the_line_are_found_and_named_and_nothing_else_is(seed: int, count) -> None:
    dice = Random(seed)
    faults = named_faults()
    chosen = count(2, 2, len(faults))
    if chosen < len(faults):
        quick = [fault for fault in faults if not is_slow(fault)]
        misleading = [fault for fault in quick if fault.tag == "power_l2"]  # its current follows it so closely that it weighs more
        faults = misleading + dice.sample([fault for fault in quick if fault not in misleading], chosen)

    async def program(clock: VirtualClock) -> tuple[Trial, list[object], list[Outcome]]:
        async with trial(clock, seed, 14_400, kinds=count(LINEAR, LINEAR, KINDS)) as line:
            false_alarms = list[object](await line.normal(count(1, 1, 8) * 3600))
            others = other_tags(line.model.manifest.plan, dice, count(1, 1, 6))
            outcomes = [await line.fault(fault, SLOW_WITHIN_S if is_slow(fault) else WITHIN_S) for fault in (*faults, *others)]
            return line, false_alarms, outcomes

    line, false_alarms, outcomes = run(program, seed=seed)
    manifest = line.model.manifest
    print(f"seed {seed}: {manifest.kind}, {manifest.rows} rows, {manifest.coverage}")
    for outcome in outcomes:
        print(f"  {outcome.told()}")
    assert line.found_before == [], f"seed {seed}: in what was learned from"
    assert false_alarms == [], f"seed {seed}"
    wrong = [each.told() for each in outcomes if not (each.is_right if each.fault in faults else each.is_near)]
    assert wrong == [], f"seed {seed}"
