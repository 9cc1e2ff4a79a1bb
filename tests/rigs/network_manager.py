"""A real NetworkManager that steers the gateway's end of the wire, and nothing of this machine.

Room: tests. It runs in the gateway's network namespace and in a mount namespace of its own: with its own system bus, and with `/etc`,
`/var/lib` and `/usr` under a layer that goes with it. Its program is the machine's, or the one that `tests/run` has unpacked, not
installed: installed it would take over the network of whoever runs the tests. It leaves name servers and the host's name alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.rigs.gateway import ROOT
from tests.rigs.netns import WIRE, Wire

UNPACKED: Final = Path(sys.prefix) / "debian" / "network-manager"
NOT_ALLOWED: Final = ("Operation not permitted", "permission denied", "unknown filesystem type")
STARTS_S: Final = 20.0
BUS: Final = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>
"""
SETTINGS: Final = f"""[main]
plugins=keyfile
no-auto-default=*
dns=none
hostname-mode=none
auth-polkit=false
[device-wire]
match-device=interface-name:{WIRE}
managed=1
"""
PROFILE: Final = f"""[connection]
id=plant
uuid=11111111-2222-3333-4444-555555555555
type=ethernet
interface-name={WIRE}
[ipv4]
method=manual
address1={Wire.OLD}/24
gateway=10.77.1.1
[ipv6]
method=disabled
"""
START: Final = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir /run/dbus /run/NetworkManager /run/etc /run/etc.work /run/lib /run/lib.work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/etc.work /etc
mount -t overlay overlay -o lowerdir=/var/lib,upperdir=/run/lib,workdir=/run/lib.work /var/lib
if [ -d "$1/usr" ]; then mount -t overlay overlay -o "lowerdir=$1/usr:/usr" /usr; fi
mount -t sysfs -o ro sysfs /sys
rm -rf /etc/NetworkManager
mkdir -p /etc/NetworkManager/system-connections /var/lib/NetworkManager
cp "$2/NetworkManager.conf" /etc/NetworkManager/
install -m 600 "$2/plant.nmconnection" /etc/NetworkManager/system-connections/
dbus-daemon --config-file="$2/bus.conf" --nofork --nopidfile &
while ! [ -S /run/dbus/system_bus_socket ]; do sleep 0.05; done
exec NetworkManager --no-daemon --log-level=INFO
"""


def require_network_manager() -> None:
    """Skip the test with the reason where there is none; in CI fail."""
    if (UNPACKED / "usr" / "sbin" / "NetworkManager").exists() or shutil.which("NetworkManager", path="/usr/sbin:/usr/bin"):
        return
    reason = f"no NetworkManager: neither installed nor in {UNPACKED}, where tests/run unpacks Debian's"
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


@contextlib.contextmanager
def network_manager(lan: Wire, folder: Path) -> Iterator[tuple[str, ...]]:
    """Give the gateway's end of the wire to a NetworkManager whose profile has OLD; yields what to put before a command to run it there."""
    folder.mkdir()
    for name, text in (("bus.conf", BUS), ("NetworkManager.conf", SETTINGS), ("plant.nmconnection", PROFILE)):
        (folder / name).write_text(text)
    for what in ("addr", "route"):
        subprocess.run(["ip", "-n", lan.gateway, what, "flush", "dev", WIRE], check=True)
    command = ["unshare", "--mount", "--uts", "bash", "-c", START, "start", str(UNPACKED), str(folder)]
    log = folder / "log.txt"
    with log.open("wb") as out, subprocess.Popen([*lan.before, *command], stdout=out, stderr=out, start_new_session=True) as process:
        try:
            _wait(lan, process, log)
            yield ("nsenter", "--target", str(process.pid), "--net", "--mount", f"--wdns={ROOT}")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _wait(lan: Wire, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + STARTS_S
    while lan.addresses() != [f"{Wire.OLD}/24"] or "via" not in lan.ways():
        if process.poll() is not None or time.monotonic() > ends:
            said = log.read_text(errors="replace")[-2_000:]
            if process.poll() is not None and any(each in said for each in NOT_ALLOWED):
                pytest.skip(f"no mounts here: {said.strip()[-200:]}")
            pytest.fail(f"NetworkManager did not start: {said}")
        time.sleep(0.05)
