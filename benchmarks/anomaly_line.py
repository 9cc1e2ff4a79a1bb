"""Anomalies of the sim line: learn normal, switch on every named fault, tell what was found, what was named first and after how long.

    python benchmarks/anomaly_line.py [--seed N] [--learn-hours 4] [--normal-hours 8] [--others 6] [--json]

The line is the sim board's own plant, maps and faults on virtual time, through the real pollers and report rules; model, rules and settings
are production's defaults, the same as in benchmarks/anomaly.py. The seed is fresh unless it is given. Every fault stays on for its whole
time, so that the model, the rules and both together can be compared in the same run.

JSON keys:
  seed, kind (of the model), rows, covered, alarmed_share
  faults            [{device, fault, tag, found, right, rule, named, delay_s, rules_delay_s, model_delay_s}]; right: the first finding names
                    the tag (of a fault of a whole device: one of its tags)
  found, right      how many of `faults`
  near              right, or named by what nothing but it tells: volts, amperes, watts of a phase; the level and the pressure
  found_by_rules    the baseline: how many the rules alone find, with the right name first
  found_ratio       right / found_by_rules
  delay_s_median    of those found
  false_per_hour    findings in hours of normal operation, `normal_hours` of them
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from random import Random
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.simulation.line_judge import MODEL, Found
from tests.simulation.line_trial import Outcome, is_slow, named_faults, other_tags, trial
from tests.simulation.loop import VirtualClock, run

WITHIN_S: Final = 900.0
SLOW_WITHIN_S: Final = 3 * 3600.0


def main() -> int:
    """Return 0 when every fault was found and named at least nearly, and nothing else was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--learn-hours", type=float, default=4.0)
    parser.add_argument("--normal-hours", type=float, default=8.0)
    parser.add_argument("--others", type=int, default=6, help="stuck tags beside the usual ones")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    result = run(lambda clock: measured(clock, given), seed=given.seed)
    if given.json:
        print(json.dumps(result))
    else:
        show(result)
    return 0 if result["near"] == len(result["faults"]) and not result["false_per_hour"] else 1


async def measured(clock: VirtualClock, given: argparse.Namespace) -> dict[str, Any]:
    """Play one seed."""
    async with trial(clock, given.seed, given.learn_hours * 3600) as line:
        manifest = line.model.manifest
        false_alarms = await line.normal(given.normal_hours * 3600)
        faults = [*named_faults(), *other_tags(manifest.plan, Random(given.seed), given.others)]
        outcomes = [await line.fault(fault, SLOW_WITHIN_S if is_slow(fault) else WITHIN_S, whole=True) for fault in faults]
    rows = [row_of(outcome) for outcome in outcomes]
    right, by_rules = sum(row["right"] for row in rows), sum(row["rules_right"] for row in rows)
    return {
        "seed": given.seed, "kind": manifest.kind, "rows": manifest.rows, "covered": manifest.coverage.covered,
        "alarmed_share": manifest.coverage.alarmed_share, "faults": rows, "found": sum(row["found"] for row in rows), "right": right,
        "near": sum(outcome.is_near for outcome in outcomes), "found_by_rules": by_rules, "found_ratio": right / max(by_rules, 1),
        "delay_s_median": statistics.median([row["delay_s"] for row in rows if row["found"]] or [float("nan")]),
        "normal_hours": given.normal_hours, "false_per_hour": len(false_alarms) / given.normal_hours,
        "false": [f"{each.rule} {each.tag}" for each in false_alarms],
    }  # fmt: skip


def row_of(outcome: Outcome) -> dict[str, Any]:
    """Return what became of one fault, in all and for rules and model alone."""
    fault, first = outcome.fault, outcome.first
    rules = [each for each in outcome.all if each.rule != MODEL]
    model = [each for each in outcome.all if each.rule == MODEL]
    return {
        "device": fault.device, "fault": fault.name, "tag": fault.tag or None, "found": first is not None, "right": outcome.is_right,
        "rule": first.rule if first else None, "named": first.tag if first else None, "delay_s": outcome.delay_s,
        "rules_delay_s": _delay(outcome, rules), "rules_right": bool(rules) and fault.is_right(rules[0]),
        "model_delay_s": _delay(outcome, model),
    }  # fmt: skip


def show(result: dict[str, Any]) -> None:
    """Print it as a table."""
    print(f"seed {result['seed']}: {result['kind']}, {result['rows']} rows learned, covered {result['covered']}")
    for row in result["faults"]:
        what = f"{row['device']} {row['fault']} {row['tag'] or ''}"
        told = f"{row['rule']} names {row['named']} after {row['delay_s']:.0f} s" if row["found"] else "NOT FOUND"
        print(f"  {what:45s} {told}{'' if row['right'] or not row['found'] else '  WRONG'}")
    print(f"found {result['found']}, named right {result['right']} of {len(result['faults'])}; rules alone {result['found_by_rules']}")
    print(
        f"false alarms an hour {result['false_per_hour']:.3f} in {result['normal_hours']} h; median delay {result['delay_s_median']:.0f} s"
    )


def _delay(outcome: Outcome, found: list[Found]) -> float | None:
    return (found[0].at_ms - outcome.began_ms) / 1000 if found else None


if __name__ == "__main__":
    sys.exit(main())
