"""How well models that the gateway trains itself find what is not normal: SKAB, file by file, through the product's own code.

    python benchmarks/anomaly.py FOLDER [--json]        FOLDER holds anomaly-free/, valve1/, valve2/, other/ of SKAB (those that are there)

Protocol (SKAB's own): of each labelled file the first 400 lines train, the others are scored and pooled. Everything is causal: plan,
stream, features, `learn`, int8 model through the real runtime, scorer, threshold, decision are those of the product in their default
setting, the same for all files. A line is alarmed when the product's decision flags the cell that ends with it: its score is above the
manifest's threshold and has not fallen well below the highest of the window behind it; a cell for which the model abstains is not.
Nothing of a file but its first 400 lines is looked at before it is scored.

Two baselines look at no tag: an alarm that always stands, and a clock that alarms from the 180th line on. F1 alone rewards them, hence
J = 1 - FAR - MAR. The clock's 180 is the research's, picked with the labels known. Events go by the product's decision (n of m, hold-off).

JSON keys:
  int8, float         {f1, far, mar, j}: far, the share of normal lines that are alarmed; mar, of anomalous lines that are not
  delay_s_median      seconds from the start of an event to the onset inside it, of events that have one (`found` of `events`)
  false_onsets_per_h  onsets outside of events per hour of normal time, after hold-off
  files               how many were there
  baselines           always, clock: {f1, far, mar, j}
  anomaly_free        training lines -> {covered, alarmed_share}: whether the model would arm, and the share of later lines it alarms on
  commissioning       3,600 lines x 8 tags in a process of its own: {cpu_s, peak_mb}
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from numpy.typing import NDArray
from skab_files import GRID_MS, Recording, anomaly_free, labelled, places, read

from models.commission import Learned, LearnOptions, learn
from models.decision import Decision, DecisionSettings
from models.litert import Runtime
from models.scorer import Scorer

WINDOW = 60
"""Cells: the default of [models] in the configuration."""
TRAIN_LINES = 400
CLOCK_LINES = 180
FREE_LINES = (400, 1800, 3600, 5400)
HOUR_MS = 3_600_000


@dataclass
class Counts:
    """Lines, pooled."""

    hit: int = 0
    false: int = 0
    missed: int = 0
    calm: int = 0

    def add(self, alarmed: NDArray[np.bool_], anomaly: NDArray[np.bool_]) -> None:
        """Take the lines of a file."""
        self.hit += int((alarmed & anomaly).sum())
        self.false += int((alarmed & ~anomaly).sum())
        self.missed += int((~alarmed & anomaly).sum())
        self.calm += int((~alarmed & ~anomaly).sum())

    def plain(self) -> dict[str, float]:
        """Return the four figures."""
        far = self.false / max(1, self.false + self.calm)
        mar = self.missed / max(1, self.missed + self.hit)
        f1 = 2 * self.hit / max(1, 2 * self.hit + self.false + self.missed)
        return {"f1": round(f1, 4), "far": round(far, 4), "mar": round(mar, 4), "j": round(1 - far - mar, 4)}


@dataclass
class Events:
    """Onsets against labels, pooled."""

    delays_s: list[float] = field(default_factory=list)
    events: int = 0
    false_onsets: int = 0
    normal_ms: int = 0

    def add(self, onsets: list[int], cells: NDArray[np.int64], anomaly: NDArray[np.bool_]) -> None:
        """Take a file: cells of onsets, and cell and label of each scored line."""
        edges = np.flatnonzero(np.diff(np.concatenate(([False], anomaly, [False])).astype(int)))
        spans = [(int(cells[first]), int(cells[after - 1])) for first, after in edges.reshape(-1, 2)]
        self.events += len(spans)
        for first, last in spans:
            inside = [onset for onset in onsets if first <= onset <= last]
            if inside:
                self.delays_s.append((inside[0] - first) * GRID_MS / 1000)
        self.false_onsets += sum(not any(first <= onset <= last for first, last in spans) for onset in onsets)
        self.normal_ms += int((~anomaly).sum()) * GRID_MS


def scored(recording: Recording, learned: Learned) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the scores of every line of a file, int8 and float, -1 where the model abstained; and the line's cell."""
    rows = recording.rows(learned.manifest.plan)
    usable = np.flatnonzero(rows.usable)
    scorer = Scorer(learned.manifest)
    features = rows.features[usable]
    by_int8, by_float = np.full(len(rows) + 1, -1.0), np.full(len(rows) + 1, -1.0)
    by_int8[usable] = scorer.arrays(features, Runtime(learned.model).run(scorer.inputs(features)))[0]
    by_float[usable] = learned.float_self.scores(np.where(np.isnan(features), learned.float_self.mean, features))
    at = places(recording, rows)  # -1 is the last place of both: no row, no score
    return by_int8[at], by_float[at], rows.cells[at]


def decided(settings: DecisionSettings, cells: NDArray[np.int64], scores: NDArray[np.float64]) -> tuple[NDArray[np.bool_], list[int]]:
    """Return which cells the product's decision flags, and at which it says that an alarm begins."""
    decision = Decision(settings)
    flags, onsets = np.zeros(len(cells), dtype=np.bool_), []
    for number, (cell, score) in enumerate(zip(cells.tolist(), scores.tolist(), strict=True)):
        if decision.take(cell, None if score < 0 else score) == "onset":
            onsets.append(cell)
        flags[number] = decision.flagged
    return flags, onsets


def learned_from(recording: Recording, lines: int, window: int) -> Learned:
    """Return a model of the first lines."""
    plan = recording.plan(window)
    return learn(plan, recording.rows(plan, 0, lines), LearnOptions(name=recording.name))


def protocol(recordings: list[Recording], window: int) -> dict[str, Any]:
    """Run the labelled files."""
    int8, floating, always, clock, events = Counts(), Counts(), Counts(), Counts(), Events()
    for recording in recordings:
        learned = learned_from(recording, TRAIN_LINES, window)
        by_int8, by_float, cells = (column[TRAIN_LINES:] for column in scored(recording, learned))
        anomaly = recording.anomaly[TRAIN_LINES:]
        settings = learned.manifest.decision
        flags, onsets = decided(settings, cells, by_int8)
        int8.add(flags, anomaly)
        floating.add(decided(replace(settings, threshold=learned.float_self.threshold), cells, by_float)[0], anomaly)
        always.add(np.ones_like(anomaly), anomaly)
        clock.add(np.arange(len(anomaly)) >= CLOCK_LINES, anomaly)
        events.add(onsets, cells, anomaly)
    return {
        "int8": int8.plain(),
        "float": floating.plain(),
        "baselines": {"always": always.plain(), "clock": clock.plain()},
        "files": len(recordings),
        "events": events.events,
        "found": len(events.delays_s),
        "delay_s_median": statistics.median(events.delays_s) if events.delays_s else None,
        "false_onsets_per_h": round(events.false_onsets * HOUR_MS / max(1, events.normal_ms), 2),
    }


def free_of_anomalies(recording: Recording, window: int) -> dict[str, dict[str, Any]]:
    """Train on more and more of a file that is normal all through; say whether the model would arm, and how often it alarms later."""
    found = {}
    for lines in FREE_LINES:
        learned = learned_from(recording, lines, window)
        by_int8, _, cells = scored(recording, learned)
        flags, _ = decided(learned.manifest.decision, cells[lines:], by_int8[lines:])
        found[str(lines)] = {
            "covered": learned.manifest.refusal_to_arm() is None,
            "alarmed_share": round(float(flags.mean()), 4),
            "rows_wanted": learned.manifest.coverage.rows_wanted,
            "said_share": round(learned.manifest.coverage.alarmed_share, 4),
        }
    return found


def commissioning(folder: Path, window: int) -> dict[str, float]:
    """Commission 3,600 lines in a process of its own; return its CPU seconds, without reading the file, and its peak memory."""
    command = [sys.executable, __file__, str(folder), "--commission", "--window", str(window)]
    said: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return said


def commission_alone(folder: Path, window: int) -> None:
    """Be that process."""
    recording = read(folder / "anomaly-free" / "anomaly-free.csv")
    before = time.process_time()
    learned_from(recording, 3600, window)
    used = time.process_time() - before
    print(json.dumps({"cpu_s": round(used, 2), "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)}))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--window", type=int, default=WINDOW, help=argparse.SUPPRESS)
    parser.add_argument("--commission", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.commission:
        commission_alone(asked.folder, asked.window)
        return
    found = protocol(labelled(asked.folder), asked.window)
    found["anomaly_free"] = free_of_anomalies(anomaly_free(asked.folder), asked.window)
    found["commissioning"] = commissioning(asked.folder, asked.window)
    if asked.json:
        print(json.dumps(found))
        return
    print(f"{found['files']} files, pooled         F1     FAR    MAR    J")
    for name, figures in (("int8", found["int8"]), ("float", found["float"]), *found["baselines"].items()):
        print(f"  {name:20} {figures['f1']:.3f}  {figures['far']:.3f}  {figures['mar']:.3f}  {figures['j']:.3f}")
    print(f"events: {found['found']} of {found['events']} found, median delay {found['delay_s_median']} s; ", end="")
    print(f"{found['false_onsets_per_h']} false onsets per normal hour after hold-off")
    for lines, free in found["anomaly_free"].items():
        wanted = "" if free["covered"] else f", {free['rows_wanted']} more rows wanted"
        print(f"anomaly-free, {lines:>4} lines: covered {free['covered']!s:5} alarmed later {free['alarmed_share']:.2%}{wanted}")
    print(f"commissioning 3,600 lines x 8 tags: {found['commissioning']['cpu_s']} s of CPU, {found['commissioning']['peak_mb']} MB peak")


if __name__ == "__main__":
    main()
