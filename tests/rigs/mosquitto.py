"""A real broker: Debian's mosquitto on loopback, which tests start, kill and start again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from tests.rigs.ports import free_port

SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def find_mosquitto() -> str | None:
    """The path of the broker; Debian puts it where a plain user's PATH does not look."""
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":" + SBIN)


class Mosquitto:
    """One broker process on a port of its own. `lines` are lines of its configuration; it keeps its store in `folder`."""

    def __init__(self, folder: Path, *lines: str, anonymous: bool = True) -> None:
        self.port = free_port()
        self.folder = folder
        self.log = folder / "mosquitto.log"
        self._conf = folder / "mosquitto.conf"
        common = [
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {'true' if anonymous else 'false'}",
            "persistence true",
            f"persistence_location {folder}/",
            f"log_dest file {self.log}",
            "max_queued_messages 100000",
            *(["user root"] if os.geteuid() == 0 else []),
        ]
        self._conf.write_text("\n".join([*common, *lines]) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        binary = find_mosquitto()
        assert binary is not None
        self._process = subprocess.Popen([binary, "-c", str(self._conf)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while not self._open():
            if time.monotonic() > until or self._process.poll() is not None:
                raise RuntimeError(f"no broker: {self.log.read_text() if self.log.exists() else ''}")
            time.sleep(0.01)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it: SIGTERM lets it save its store, SIGKILL does not."""
        if self._process is not None:
            process, self._process = self._process, None
            process.send_signal(how)
            process.wait(timeout=10)

    def _open(self) -> bool:
        with socket.socket() as sock:
            sock.settimeout(0.2)
            return sock.connect_ex(("127.0.0.1", self.port)) == 0
