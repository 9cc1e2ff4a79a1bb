"""The demo: a simulated filling line, a witness and a gateway on one machine, and a full verify of what they wrote.

Room: hall. `witnessmark demo` (and `flash.sh sim`) calls `run_demo`. The plant and the witnesses are children, the gateway is the very
`run_gateway` that `witnessmark run` uses. Everything it starts ends with it. It imports neither the plant nor the anchor: it executes them.

    <state>/demo/ports.json      the ports of the last time, so that a second start changes nothing in the configuration
    <state>/demo/witness-<n>/    the memory of each witness
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from boards.sim.template import PLACEHOLDERS, gateway_config
from ledger_client.disk import RealDisk
from ledger_client.note import device_note_key
from ledger_client.reader import LedgerReader, epochs
from ledger_client.verify import Report, parse_policy, verify_ledger
from runtime.app import run_gateway
from runtime.config import parse_config
from runtime.config_faults import ConfigError, Fault
from runtime.faces.feed_client import FeedClient
from runtime.first_start import ensure_key, origin_of
from runtime.layout import Layout, only_core
from runtime.supervisor import die_with_parent, module_command, stop_process

READY_S: Final = 30.0
WEB_PORT: Final = 8480
CONTROL: Final = "control_port"
Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line may ask for; see `witnessmark demo --help`."""

    state: Path
    for_s: float | None = None
    port: int | None = None
    speed: float = 1.0
    seed: int = 1
    witnesses: int = 1


@dataclass(slots=True)
class Firsts:
    """When something was first seen, in s since the gateway was started; None while it was not."""

    reading_s: float | None = None
    cosigned_s: float | None = None


async def run_demo(options: DemoOptions, stop: asyncio.Event, tell: Tell, say_last: Tell) -> int:
    """Run until `stop` or for the time asked for; return 0 holds, 1 a claim fails, 2 cannot tell.

    `tell` gets facts as they become known, `say_last` the one closing line (only when a time was asked for). Raises OSError, ConfigError,
    LedgerError when something cannot start.
    """
    began = time.monotonic()
    layout, firsts = Layout(options.state), Firsts()
    layout.prepare(RealDisk())
    with only_core(layout):
        pass  # a gateway that runs on this folder is left alone: nothing was changed yet
    folder = options.state / "demo"
    folder.mkdir(mode=0o700, exist_ok=True)
    vkey = _vkey(layout)
    async with contextlib.AsyncExitStack() as stack:
        known = _known_ports(folder)
        plant_args = ["boards.sim", "--json", "--seed", str(options.seed), "--speed", str(options.speed)]
        starting = [stack.enter_async_context(_child(plant_args, _port_args(known), say_ports=True))]
        for number in range(1, options.witnesses + 1):
            name, memory = f"witness-{number}", folder / f"witness-{number}"
            arguments = ["anchor", "serve", "--state", str(memory), "--name", f"demo.example/{name}", "--enroll", vkey, "--json"]
            port = ["--port", str(known.get(name, 0))]
            starting.append(stack.enter_async_context(_child(arguments, port)))
        plant, *witnesses = await asyncio.gather(*starting)
        web_port = _free_port(known.get("web", WEB_PORT), options.port)
        ports = {name: plant[name] for name in (*PLACEHOLDERS, CONTROL)} | {"web": web_port}
        ports |= {f"witness-{n}": witness["port"] for n, witness in enumerate(witnesses, start=1)}
        (folder / "ports.json").write_text(json.dumps(ports))
        _write_config(layout, plant, witnesses, web_port)
        tell({"page": f"http://127.0.0.1:{web_port}", "state": str(options.state), "faults": f"127.0.0.1:{plant[CONTROL]}"})
        await _run_core(options, stop, firsts, tell, began)
    if options.for_s is None:
        return 0
    report = await asyncio.get_running_loop().run_in_executor(None, _verified, layout)
    say_last(_summary(options.state, report, firsts))
    return report.exit_code


async def _run_core(options: DemoOptions, stop: asyncio.Event, firsts: Firsts, tell: Tell, began: float) -> None:
    """Run the gateway in this process until `stop`, or until the time since `began` is over."""
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        core = group.create_task(run_gateway(options.state, None, stop), name="core")
        watch = group.create_task(_watch(Layout(options.state), firsts, tell, started), name="watch")
        if options.for_s is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, options.for_s - (time.monotonic() - began))):
                    await stop.wait()
            stop.set()
        await asyncio.wait([core])
        watch.cancel()


async def _watch(layout: Layout, firsts: Firsts, tell: Tell, started: float) -> None:
    """Look at the feed as a page does, for the first live value and the first confirmation from outside."""
    changed = asyncio.Event()
    async with FeedClient(layout.feed, "demo", lambda *_: changed.set()) as feed, asyncio.TaskGroup() as group:
        group.create_task(feed.run(), name="feed")
        while firsts.reading_s is None or firsts.cosigned_s is None:
            await changed.wait()
            changed.clear()
            now = round(time.monotonic() - started, 2)
            if firsts.reading_s is None and any(row[3] and row[1] is not None for row in feed.values.values()):
                firsts.reading_s = now
                tell({"first reading after": f"{now} s"})
            if firsts.cosigned_s is None and any(anchor["cosigned_size"] for anchor in feed.health.get("anchors", [])):
                firsts.cosigned_s = now
                tell({"confirmed outside after": f"{now} s"})
        await asyncio.Event().wait()


@contextlib.asynccontextmanager
async def _child(arguments: list[str], ports: list[str], *, say_ports: bool = False) -> AsyncIterator[dict[str, Any]]:
    """Run a child that prints one JSON line when it is ready; yield that line. Remembered ports that are taken are given up."""
    process = await _started(arguments + ports)
    try:
        facts = await _first_line(process)
        if facts is None:
            await stop_process(process)
            process = await _started(arguments if say_ports else [*arguments, "--port", "0"])
            facts = await _first_line(process)
        if facts is None:
            raise OSError(f"{arguments[0]} does not start")
        yield facts
    finally:
        await stop_process(process)


async def _started(arguments: list[str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *module_command(*arguments), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        preexec_fn=_before_exec,
    )  # fmt: skip


def _before_exec() -> None:
    """In the child: end with the parent, and leave the terminal's Ctrl-C to it, so that the order of ending is ours."""
    die_with_parent()
    os.setpgid(0, 0)


async def _first_line(process: asyncio.subprocess.Process) -> dict[str, Any] | None:
    """Return the line that says that a child is ready, None when it ended or took too long."""
    assert process.stdout is not None
    with contextlib.suppress(TimeoutError, ValueError):
        async with asyncio.timeout(READY_S):
            facts = json.loads(await process.stdout.readline())
            return facts if isinstance(facts, dict) else None
    return None


def _vkey(layout: Layout) -> str:
    """Return the verifier key of the gateway's log, as its witnesses must be told before it starts."""
    public = ensure_key(layout).public
    config = parse_config(gateway_config(dict.fromkeys(PLACEHOLDERS, 1)))
    return device_note_key(origin_of(config, public), public).vkey


def _write_config(layout: Layout, plant: Mapping[str, Any], witnesses: list[dict[str, Any]], web_port: int) -> None:
    """Write the configuration, unless it says the same already."""
    text = gateway_config(plant) + f"\n[web]\nport = {web_port}\n"
    for number, witness in enumerate(witnesses, start=1):
        text += f'\n[[anchors]]\nname = "witness-{number}"\nurl = "{witness["url"]}"\nvkeys = ["{witness["vkey"]}"]\noperator = "self"\n'
    parse_config(text)
    if not layout.config.exists() or layout.config.read_text(encoding="utf-8") != text:
        layout.config.write_text(text, encoding="utf-8")


def _verified(layout: Layout) -> Report:
    """Judge the whole ledger under the state folder's own policy."""
    reader = LedgerReader(RealDisk(), layout.state, max(epochs(RealDisk(), layout.state)))
    return verify_ledger(reader, parse_policy(layout.policy.read_bytes()))


def _summary(state: Path, report: Report, firsts: Firsts) -> dict[str, Any]:
    """Return the closing line."""
    facts = report.facts
    reader = LedgerReader(RealDisk(), state, max(epochs(RealDisk(), state)))
    size = reader.size()
    stored = sum(len(reader.entry(seq)) + len(reader.body(seq) or b"") for seq in range(size))
    receipt = reader.heads(size).receipt
    return {
        "readings": facts["readings"], "entries": facts["entries"], "gaps": facts["gaps"], "cosigned": receipt[1] if receipt else 0,
        "bytes_per_reading": round(stored / facts["readings"], 3) if facts["readings"] else None, "verdict": report.verdict,
        "state": str(state), "first_reading_s": firsts.reading_s, "first_cosigned_s": firsts.cosigned_s,
    }  # fmt: skip


def _known_ports(folder: Path) -> dict[str, int]:
    try:
        found = json.loads((folder / "ports.json").read_text())
    except (OSError, ValueError):
        return {}
    return {name: port for name, port in found.items() if isinstance(port, int)} if isinstance(found, dict) else {}


def _port_args(known: Mapping[str, int]) -> list[str]:
    return [part for name in (*PLACEHOLDERS, CONTROL) if name in known for part in (f"--{name.replace('_', '-')}", str(known[name]))]


def _free_port(known: int, asked: int | None) -> int:
    """Return the loopback port that was asked for, else the known one when it is free, else any. Raises ConfigError when it is taken."""
    host = "127.0.0.1"
    for port in (known, 0) if asked is None else (asked,):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    reason = os.strerror(errno.EADDRINUSE)
    raise ConfigError([Fault("web.port", "web_port_taken", {"host": host, "port": asked or 0, "reason": reason})])
