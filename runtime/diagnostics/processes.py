"""The core's process and its children as the kernel counts them: share of a processor, memory, threads, how long they run. Blocking.

Room: hall, diagnostics. The desk asks it in the executor; the share is that since the last look, at the first look since the start. It
reads /proc and signals nobody. Source of the fields: proc(5).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

PROC: Final = Path("/proc")
MODULES: Final = {
    "runtime.history": "history", "runtime.judgement": "judgement", "runtime.faces.web": "web", "ledger_client.signer": "signer",
    "models.worker": "worker", "runtime.judgement.trainer": "trainer", "runtime.accounts.directory_child": "asker",
    "runtime.network.privileged": "network", "boards.sim": "plant", "anchor": "witness",
}  # fmt: skip
"""Module of a child's command -> its name, as the supervisor calls it."""
CHILDREN_MAX: Final = 32


@dataclass(frozen=True, slots=True)
class _Sample:
    pid: int
    parent: int
    began: int
    """Ticks since boot at which it started: with the pid it names a process for good."""
    ticks: int
    threads: int
    rss_kb: int


class Processes:
    """`look` from any thread."""

    def __init__(self, now_s: Callable[[], float], pid: int | None = None, proc: Path = PROC) -> None:
        """`now_s`: seconds since boot."""
        self._now_s, self._pid, self._proc = now_s, pid or os.getpid(), proc
        self._hertz, self._page_kb = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE") // 1024
        self._lock = Lock()
        self._before: dict[tuple[int, int], tuple[float, int]] = {}

    def look(self) -> list[dict[str, Any]]:
        """Return {name, pid, cpu_percent, rss_kb, threads, uptime_s} of the core and of everything below it, the core first."""
        with self._lock:
            return self._look(self._now_s())

    def _look(self, now_s: float) -> list[dict[str, Any]]:
        rows, before = [], {}
        for sample in self._family():
            key = (sample.pid, sample.began)
            then_s, ticks = self._before.get(key, (sample.began / self._hertz, 0))
            before[key] = (now_s, sample.ticks)
            share = 100 * (sample.ticks - ticks) / self._hertz / max(now_s - then_s, 0.01)
            rows.append(
                {
                    "name": "core" if sample.pid == self._pid else self._name(sample.pid), "pid": sample.pid,
                    "cpu_percent": round(max(share, 0.0), 1), "rss_kb": sample.rss_kb, "threads": sample.threads,
                    "uptime_s": round(max(now_s - sample.began / self._hertz, 0.0), 1),
                }
            )  # fmt: skip
        self._before = before
        return rows

    def _family(self) -> list[_Sample]:
        by_parent: dict[int, list[_Sample]] = {}
        own: list[_Sample] = []
        for name in os.listdir(self._proc):
            if name.isdigit() and (sample := self._sample(int(name))) is not None:
                (own if sample.pid == self._pid else by_parent.setdefault(sample.parent, [])).append(sample)
        found = own
        for each in found:  # grows while it goes
            found += by_parent.pop(each.pid, [])[: max(0, CHILDREN_MAX - len(found))]
        return found

    def _sample(self, pid: int) -> _Sample | None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = (self._proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
            if fields[0] != "Z":
                ticks, rss_kb = int(fields[11]) + int(fields[12]), int(fields[21]) * self._page_kb
                return _Sample(pid, int(fields[1]), int(fields[19]), ticks, int(fields[17]), rss_kb)
        return None

    def _name(self, pid: int) -> str:
        """Return the child's name, or the name of its program; nothing else of its command is shown."""
        with contextlib.suppress(OSError):
            words = (self._proc / str(pid) / "cmdline").read_bytes()[:65_536].decode("utf-8", "replace").split("\0")
            for module, name in MODULES.items():
                if module in words or any(f"from {module} import" in word for word in words[:8]):
                    return name
        with contextlib.suppress(OSError):
            return (self._proc / str(pid) / "comm").read_text(errors="replace").strip()[:32]
        return "?"
