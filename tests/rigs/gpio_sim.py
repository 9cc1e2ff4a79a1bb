"""A chip that the kernel simulates (gpio-sim, by configfs): what the driver sees is a real character device.

Room: tests. Needs root and a kernel with CONFIG_GPIO_SIM; `why_not` says what is missing. Layout of the folders: the kernel's own
documentation, admin-guide/gpio/gpio-sim.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Self

CONFIG = Path("/sys/kernel/config/gpio-sim")


def why_not() -> str | None:
    """Return why there can be no simulated chip here, None when there can."""
    if os.geteuid() != 0:
        return "gpio-sim needs root"
    if not CONFIG.is_dir():
        for command in (["modprobe", "gpio-sim"], ["mount", "-t", "configfs", "none", "/sys/kernel/config"]):
            try:
                subprocess.run(command, check=False, capture_output=True, timeout=10)
            except FileNotFoundError:
                continue
    return None if CONFIG.is_dir() else "the kernel has no gpio-sim (CONFIG_GPIO_SIM)"


class SimChip:
    """One chip of `count` lines named L0, L1 …; line `hogged` is in use by the kernel as `hog`."""

    def __init__(self, label: str = "wm-bench", count: int = 8, hogged: int | None = None) -> None:
        self.label = label
        self._root, self._count, self._hogged = CONFIG / f"wm{os.getpid()}", count, hogged

    def __enter__(self) -> Self:
        bank = self._root / "bank"
        bank.mkdir(parents=True)
        (bank / "num_lines").write_text(str(self._count))
        (bank / "label").write_text(self.label)
        for n in range(self._count):
            (bank / f"line{n}").mkdir()
            (bank / f"line{n}" / "name").write_text(f"L{n}")
        if self._hogged is not None:
            hog = bank / f"line{self._hogged}" / "hog"
            hog.mkdir()
            (hog / "name").write_text("hog")
            (hog / "direction").write_text("input")
        (self._root / "live").write_text("1")
        self.name = (bank / "chip_name").read_text().strip()
        self._lines = Path("/sys/devices/platform", (self._root / "dev_name").read_text().strip(), self.name)
        for _ in range(200):  # a device manager may make the node a moment later
            if Path("/dev", self.name).exists():
                break
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()
        for folder in sorted((path for path in self._root.rglob("*") if path.is_dir()), reverse=True):
            folder.rmdir()
        self._root.rmdir()

    def unplug(self) -> None:
        """Take the chip away."""
        if (self._root / "live").read_text().strip() == "1":
            (self._root / "live").write_text("0")

    def pull(self, line: int, level: bool) -> None:
        """Let the world set an input."""
        (self._lines / f"sim_gpio{line}" / "pull").write_text("pull-up" if level else "pull-down")

    def level(self, line: int) -> bool:
        """Return the level that a line has."""
        return (self._lines / f"sim_gpio{line}" / "value").read_text().strip() == "1"
