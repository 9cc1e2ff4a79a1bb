"""How the default settings of learned models were chosen, again: no label of SKAB is looked at.

    python benchmarks/anomaly_choice.py FOLDER          FOLDER as in anomaly.py; only anomaly-free/ is read

1. False alarms. A model of the first 1,800, 3,600 and 5,400 lines of a recording that is normal all through judges the rest of it, for
   each window, share of variance and factor. Taken is the smallest factor, in tenths, at which every training that would arm flags at
   most 2 % of what follows; among shares of variance, the one that needs the smallest.
2. What has ended. Faults are put into the same recording - all tags shifted at random, by half a standard deviation to four - for 400 s,
   and taken out again; the model is of the 3,800 lines before. A flag inside is a hit, one before or after it is false. Taken is the
   roundest share, of the window's highest score, on the plateau where hits less false flags are most.
docs/decisions/0018-how-settings-were-chosen.md says what else was tried.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from anomaly import Counts, decided, scored
from numpy.typing import NDArray
from skab_files import Recording, anomaly_free

from models.candidates import Gather, Settings
from models.commission import Learned, LearnOptions, learn
from models.decision import ALARMED_SHARE_MAX

WINDOWS = (30, 60, 90)
SHARES = (0.85, 0.9, 0.95)
FACTORS = tuple(round(1.2 + 0.1 * step, 1) for step in range(9))
LINES = (1800, 3600, 5400)
FALLING = (0.0, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8)
KNOWN, BEFORE, INSIDE, AFTER = 3800, 150, 400, 200
SIZES = (0.5, 1.0, 2.0, 4.0)


def components(recording: Recording, first: int, after: int, window: int, settings: Settings) -> Learned:
    """Return a model of some lines, of the first kind that is tried."""
    plan = recording.plan(window)
    return learn(plan, recording.rows(plan, first, after), LearnOptions(name="choice", kinds=("components",), settings=settings))


def settings_of(share: float, factor: float) -> Settings:
    """Return the defaults but for these two."""
    return Settings(variance_share=share, gathers=(Gather("sum", by_ceiling=False, factor=factor),))


def false_alarms(recording: Recording, window: int, share: float) -> None:
    """Print the shares of later lines that are flagged, for all factors, and the factor to take."""
    taken = None
    for factor in FACTORS:
        cells_said, allowed = [], True
        for lines in LINES:
            learned = components(recording, 0, lines, window, settings_of(share, factor))
            by_int8, _, cells = scored(recording, learned)
            flagged = float(decided(learned.manifest.decision, cells[lines:], by_int8[lines:])[0].mean())
            covered = learned.manifest.refusal_to_arm() is None
            allowed = allowed and (not covered or flagged <= ALARMED_SHARE_MAX)
            cells_said.append(f"{lines}: {flagged:7.2%}{' arms' if covered else '     '}")
            armed = covered
        taken = factor if taken is None and allowed and armed else taken
        print(f"window {window}, share {share}, factor {factor}: {'   '.join(cells_said)}")
    print(f"window {window}, share {share}: smallest factor {taken}", flush=True)


def rehearsals(recording: Recording, window: int, settings: Settings) -> Iterator[tuple[Learned, Recording, NDArray[np.bool_]]]:
    """Give models and what they judge next: lines with faults put in, and which lines those are."""
    length = BEFORE + INSIDE + AFTER
    for first in range(0, len(recording.values) - KNOWN - length, 700):
        learned = components(recording, first, first + KNOWN, window, settings)
        spread = recording.values[first : first + KNOWN].std(axis=0)
        for number, size in enumerate(SIZES * 3):
            shift = np.random.default_rng(first + number).normal(0, size, len(spread)) * spread
            part = slice(first + KNOWN - 2 * window, first + KNOWN + length)
            values, fault = recording.values[part].copy(), np.zeros(2 * window + length, dtype=np.bool_)
            fault[2 * window + BEFORE : 2 * window + BEFORE + INSIDE] = True
            values[fault] += shift
            yield learned, replace(recording, time_ms=recording.time_ms[part], values=values, anomaly=fault), fault


def what_has_ended(recording: Recording, window: int, settings: Settings) -> None:
    """Print hits and false flags for each share of the window's highest score."""
    counts = {falling: Counts() for falling in FALLING}
    for learned, judged, fault in rehearsals(recording, window, settings):
        by_int8, _, cells = scored(judged, learned)
        for falling, count in counts.items():
            flags, _ = decided(replace(learned.manifest.decision, falling=falling), cells, by_int8)
            count.add(flags[2 * window :], fault[2 * window :])
    for falling, count in counts.items():
        said = count.plain()
        print(f"window {window}, falling {falling}: hits {1 - said['mar']:.3f}, false {said['far']:.3f}, less {said['j']:.3f}", flush=True)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=("alarms", "ended"), help="one of the two parts")
    asked = parser.parse_args()
    recording = anomaly_free(asked.folder)
    for window in WINDOWS if asked.only != "ended" else ():
        for share in SHARES if window == 60 else (0.9,):
            false_alarms(recording, window, share)
    for window in WINDOWS if asked.only != "alarms" else ():
        what_has_ended(recording, window, settings_of(Settings().variance_share, Settings().gathers[0].factor))


if __name__ == "__main__":
    main()
