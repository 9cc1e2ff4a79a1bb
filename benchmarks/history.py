"""Trends of 1,000 tags over a week, asked of the real history process: against reading the ledger plainly, and against SQLite.

    python benchmarks/history.py [--repeats 5] [--keep DIR] [--json]

The state folder is made by benchmarks/history_week.py (what is real in it and what is generated stands there; some minutes of CPU, `--keep
DIR` keeps it and uses it again). `runtime.history` is started on it as the supervisor does; beside it stands a feed that says the durable
size, and nothing else. Cold: a new process for each question, and every file of the state folder dropped from the page cache
(posix_fadvise) before it starts. Times are on the wall, medians, from the question's first byte to the answer's last over the socket.

JSON keys:
  week_8_pens_cold_s     8 pens of 8 PLCs, 7 days, 700 points each (spans of 5 min). Must <= 1
  day_8_pens_cold_s      the same of one day, in spans of 10 s
  raw_hour_cold_s        8 pens, 3,600 readings each as recorded, out of the ledger's batches. Must <= 0.5
  raw_hour_1_pen_cold_s  the same of one pen
  week_8_pens_cpu_s, day_8_pens_cpu_s, raw_hour_cpu_s, raw_hour_1_pen_cpu_s  CPU of the process in those: other programs do not count
  week_8_pens_s, raw_hour_s  the same asked again of the same process
  start_s                from the process's start to its first answer
  rss_mb                 the most memory that the process had in all of this
  follow_us_per_reading  CPU to take a recorded reading into the index, pages and all; `rebuild_week_s` is that times a week's 604,800,000
  store_bytes            bytes of the week's pages: {"10s", "300s", "3600s", "held"}; "held" is that of the last hour times 168
  bytes_per_rollup       of 10 s, all in
  written_mb_per_day     what the index writes to flash, pages of every span
  baseline               {"plain_raw_hour_s": every batch of the hour read whole by the verifier's reader for the same 8 pens, cold;
                         "sqlite_week_s": the same 5 min rollups of 1,000 tags in one table (tag, start, six numbers), cold;
                         "sqlite_bytes_per_rollup"}, and ours as ratios: {"raw_hour_ratio", "week_ratio", "bytes_ratio"}
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.history_week import END_MS, HOUR_MS, ORIGIN, TAGS, WEEK_MS, make_ledger, make_store
from ledger_client.body_reader import read_body
from ledger_client.disk import RealDisk
from ledger_client.entry import parse
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import ask_once
from runtime.faces.feed_server import FeedServer
from runtime.history.follow import Follower
from runtime.history.index import Index
from runtime.history.rollups import SPANS_MS
from runtime.history.service import Nothing

UIDS = [100 * plc + 7 * plc + 3 for plc in range(8)]
WEEK_READINGS = TAGS * WEEK_MS // 1000
QUESTIONS: Mapping[str, tuple[list[int], int, int]] = {
    "week_8_pens": (UIDS, WEEK_MS, 700),
    "day_8_pens": (UIDS, 86_400_000, 2_000),
    "raw_hour": (UIDS, HOUR_MS, 2_000),
    "raw_hour_1_pen": (UIDS[:1], HOUR_MS, 2_000),
}


class Health(Nothing):
    """What the history process needs to know of a core."""

    def __init__(self, size: int) -> None:
        self._size = size

    def snapshot(self) -> Mapping[str, Any]:
        """The ledger's size."""
        return {"ledger": {"size": self._size, "epoch": 1, "origin": ORIGIN}}


def drop(state: Path) -> None:
    """Have the page cache forget every file of a folder."""
    os.sync()
    for path in state.rglob("*"):
        if path.is_file():
            handle = os.open(path, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


@contextlib.asynccontextmanager
async def process(state: Path, run: Path) -> AsyncIterator[tuple[float, int]]:
    """Run the history process; give the seconds that it took to answer, and its number."""
    drop(state)
    began = time.perf_counter()
    command = [sys.executable, "-m", "runtime.history", "--state", str(state), "--run", str(run)]
    child = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[1])
    try:
        while True:
            with contextlib.suppress(RequestRefusedError):
                await ask_once(run / "history.sock", "bench", "status", {}, 5)
                break
            await asyncio.sleep(0.01)
        yield time.perf_counter() - began, child.pid
    finally:
        child.terminate()
        await child.wait()


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def asked(run: Path, question: str) -> float:
    """Return the seconds that an answer took, once it is what was asked for."""
    uids, length_ms, points = QUESTIONS[question]
    began = time.perf_counter()
    answer = await ask_once(
        run / "history.sock", "bench", "trends", {"uids": uids, "t0": END_MS - length_ms, "t1": END_MS - 1, "points": points}, 60
    )
    took = time.perf_counter() - began
    least = {"week_8_pens": 650, "day_8_pens": 1_400}.get(question, 3_595)
    if len(answer["pens"]) != len(uids) or min(len(pen["t"]) // 8 for pen in answer["pens"]) < least:
        raise SystemExit(f"{question}: {[len(pen['t']) // 8 for pen in answer['pens']]} points")
    return took


async def questions(state: Path, size: int, repeats: int) -> dict[str, float]:
    """Ask each question cold, and two of them again; medians in seconds."""
    cold: dict[str, list[float]] = {name: [] for name in QUESTIONS}
    cpu: dict[str, list[float]] = {name: [] for name in QUESTIONS}
    warm: dict[str, list[float]] = {"week_8_pens": [], "raw_hour": []}
    starts = []
    with tempfile.TemporaryDirectory() as folder:
        run, nothing = Path(folder), Nothing()
        async with FeedServer(run / "feed.sock", nothing, Health(size), nothing, _no_answer) as server, asyncio.TaskGroup() as group:
            task = group.create_task(server.run())
            for _ in range(repeats):
                for name in QUESTIONS:
                    async with process(state, run) as (start_s, pid):
                        starts.append(start_s)
                        before = cpu_s(pid)
                        cold[name].append(await asked(run, name))
                        cpu[name].append(cpu_s(pid) - before)
                        if name in warm:
                            warm[name].append(await asked(run, name))
            task.cancel()
    found = {f"{name}_cold_s": statistics.median(times) for name, times in cold.items()}
    found |= {f"{name}_cpu_s": statistics.median(times) for name, times in cpu.items()}
    found |= {f"{name}_s": statistics.median(times) for name, times in warm.items()}
    return found | {"start_s": statistics.median(starts), "rss_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


async def _no_answer(_session: object, method: str, _params: object) -> Any:
    raise RequestRefusedError("method_unknown", method=method)


def follow(state: Path) -> dict[str, float]:
    """Take the ledger's hour into the index, write its pages; return what that costs."""
    reader = LedgerReader(RealDisk(), state, 1)
    with Index(state / "index" / "history.db", ORIGIN) as index:
        size, began = reader.size(), time.process_time()
        follower = Follower(reader, index, lambda: size)
        for seq in range(size):
            follower.take(seq)
        for _ in index.write():
            pass
        took = time.process_time() - began
    readings = TAGS * HOUR_MS // 1000
    return {"follow_us_per_reading": took / readings * 1e6, "rebuild_week_s": took / readings * WEEK_READINGS}


def sizes(state: Path) -> dict[str, Any]:
    """Return bytes of the pages by span, and what is written in a day."""
    folder = state / "index" / "history.pages"
    found = {name: sum(p.stat().st_size for p in folder.glob(f"{name}-*.page")) for name in ("10s", "300s", "3600s", "held")}
    hour = found["held"]
    found["held"] = hour * (WEEK_MS // HOUR_MS)
    rollups = TAGS * WEEK_MS // SPANS_MS[0]
    return {
        "store_bytes": found,
        "bytes_per_rollup": round(found["10s"] / rollups, 2),
        "written_mb_per_day": round(sum(found.values()) / 7 / 1e6, 1),
    }


def plain_raw_hour(state: Path) -> float:
    """Return the seconds to read the hour's batches whole for the same tags."""
    drop(state)
    began = time.perf_counter()
    reader = LedgerReader(RealDisk(), state, 1)
    size, wanted, found = reader.size(), set(UIDS), 0
    schema = reader.schema_at(size)
    for seq in range(size):
        payload = parse(reader.entry(seq)).payload
        if payload.kind == Kind.BATCH and (body := reader.body(seq)):
            found += sum(1 for r in read_body(body, payload.detail, schema).readings() if r.descriptor.uid in wanted)
    if found != len(UIDS) * HOUR_MS // 1000:
        raise SystemExit(f"{found} readings")
    return time.perf_counter() - began


def sqlite_week(state: Path, folder: Path) -> tuple[float, float]:
    """Return the seconds to read the week's 5 min rollups of the same tags out of a plain table of all tags, and bytes per row."""
    path, span = folder / "plain.db", SPANS_MS[1]
    with contextlib.closing(sqlite3.connect(path)) as db, Index(state / "index" / "history.db", ORIGIN) as index, db:
        db.execute(
            "CREATE TABLE rollup (uid INTEGER, start INTEGER, low REAL, high REAL, first REAL, last REAL, count INTEGER, bad INTEGER,"
            " PRIMARY KEY (uid, start)) WITHOUT ROWID"
        )
        for shared in range(1, 41):
            rows = list(index.strip(shared, span, END_MS - WEEK_MS, END_MS - HOUR_MS).rows())
            for uid in range(shared, TAGS + 1, 40):
                db.executemany("INSERT OR REPLACE INTO rollup VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [(uid, *row) for row in rows])
        count = db.execute("SELECT COUNT(*) FROM rollup").fetchone()[0]
    drop(folder)
    began = time.perf_counter()
    with contextlib.closing(sqlite3.connect(path)) as db:
        for uid in UIDS:
            if len(db.execute("SELECT * FROM rollup WHERE uid = ? ORDER BY start", (uid,)).fetchall()) < 2_000:
                raise SystemExit("rows are missing")
    return time.perf_counter() - began, path.stat().st_size / count


def measure(state: Path, repeats: int) -> dict[str, Any]:
    """Return every figure."""
    made = state / "made"
    if not made.exists():
        asyncio.run(make_ledger(state))
        make_store(state / "index" / "history.db")
        made.write_text(json.dumps(follow(state)))
    result: dict[str, Any] = json.loads(made.read_text())
    result |= asyncio.run(questions(state, LedgerReader(RealDisk(), state, 1).size(), repeats))
    result |= sizes(state)
    plain = statistics.median(plain_raw_hour(state) for _ in range(max(1, repeats // 2)))
    with tempfile.TemporaryDirectory(dir=state.parent) as folder:
        sqlite_s, sqlite_bytes = sqlite_week(state, Path(folder))
    result = {name: round(value, 4) if isinstance(value, float) else value for name, value in result.items()}
    result["baseline"] = {
        "plain_raw_hour_s": round(plain, 3), "sqlite_week_s": round(sqlite_s, 4), "sqlite_bytes_per_rollup": round(sqlite_bytes, 1),
        "raw_hour_ratio": round(result["raw_hour_cold_s"] / plain, 3), "week_ratio": round(result["week_8_pens_cold_s"] / sqlite_s, 2),
        "bytes_ratio": round(result["bytes_per_rollup"] / sqlite_bytes, 3),
    }  # fmt: skip
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        state = options.keep or Path(scratch) / "state"
        state.mkdir(parents=True, exist_ok=True)
        result = measure(state, options.repeats)
    for name, value in result.items():
        print(f"{name:24} {value}")
    print(f"must: week {result['week_8_pens_cold_s']:.2f} s <= 1, raw hour {result['raw_hour_cold_s']:.2f} s <= 0.5")
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
