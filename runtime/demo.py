"""The demo: a simulated filling line, a witness and a gateway on one machine, and a full verify of what they wrote.

Room: hall. `witnessmark demo` (and `flash.sh sim`) calls `run_demo`. The plant and the witnesses are children, the gateway is the very
`run_gateway` that `witnessmark run` uses. Everything it starts ends with it. It imports neither the plant nor the anchor: it executes them.

    <state>/demo/ports.json      the ports of the last time, so that a second start changes nothing in the configuration
    <state>/demo/witness-<n>/    the memory of each witness
    <state>/demo/mirror.token    what lets the gateway bring its entries to the first of them
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from boards.sim.template import PLACEHOLDERS, gateway_config
from ledger_client.disk import RealDisk, write_atomically
from ledger_client.note import device_note_key
from runtime.app import EDITED_BY_HAND, run_core
from runtime.cli.claim_notice import claim_notice
from runtime.config import Config, parse_config
from runtime.demo_config import OWN_EDIT, read_config, web_port_of, write_config
from runtime.demo_report import Firsts, Tell, judged, ledger_size, summary, watch
from runtime.diagnostics.log_ring import LogRing
from runtime.first_start import ensure_key, origin_of
from runtime.layout import Layout
from runtime.run_folder import only_core
from runtime.supervisor import module_command, stop_process

READY_S: Final = 30.0
HOST: Final = "127.0.0.1"
WEB_PORT: Final = 8480
CONTROL: Final = "control_port"
PORTS: Final = "ports.json"


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line may ask for; see `witnessmark demo --help`."""

    state: Path
    for_s: float | None = None
    port: int | None = None
    speed: float = 1.0
    seed: int = 1
    witnesses: int = 1
    log: LogRing | None = None
    """Keeps the newest lines of this process, for the page."""


class DemoError(Exception):
    """The demo cannot start; `code` and `params` are worded by the message catalogue."""

    def __init__(self, code: str, /, **params: str | int) -> None:
        self.code, self.params = code, params
        super().__init__(code)


async def run_demo(options: DemoOptions, stop: asyncio.Event, tell: Tell, say_last: Tell) -> int:
    """Run until `stop` or for the time asked for; return 0 holds, 1 a claim fails, 2 cannot tell.

    `tell` gets facts as they become known, `say_last` the closing figures (only when a time was asked for). Raises OSError, ConfigError,
    LedgerError, DemoError when something cannot start; a folder that another gateway runs on is left as it is.
    """
    layout, firsts, loop = Layout(options.state), Firsts(), asyncio.get_running_loop()
    with only_core(layout) as run, ThreadPoolExecutor(1, thread_name_prefix="demo work") as work:
        web_port = _free_port(web_port_of(read_config(layout)), options.port)
        layout.prepare(RealDisk())
        size_before = await loop.run_in_executor(work, ledger_size, layout)
        async with contextlib.AsyncExitStack() as stack:
            token = _mirror_token(layout)
            plant, witnesses = await _start_peers(stack, options, layout, token)
            ports = {name: plant[name] for name in (*PLACEHOLDERS, CONTROL)} | {"web": web_port}
            ports |= {f"witness-{n}": witness["port"] for n, witness in enumerate(witnesses, start=1)}
            ours = write_config(layout, plant, witnesses, web_port, token)
            (layout.state / "demo" / PORTS).write_text(json.dumps(ports))
            tell({"page": f"http://{HOST}:{web_port}", "state": str(options.state), "faults": f"{HOST}:{plant[CONTROL]}"})
            await _run_core(options, run, stop, firsts, tell, OWN_EDIT if ours else EDITED_BY_HAND)
        if options.for_s is None:
            return 0
        report = await loop.run_in_executor(work, judged, layout)
        said, code = await loop.run_in_executor(work, summary, layout, report, firsts, size_before)
    say_last(said)
    return code


async def _start_peers(
    stack: contextlib.AsyncExitStack, options: DemoOptions, layout: Layout, token: Path
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Start the plant and the witnesses, on the ports of the last time where those are free; return what each said of itself."""
    folder = layout.state / "demo"
    vkey, known = _vkey(layout), _known_ports(folder)
    plant_args = ["boards.sim", "--json", "--seed", str(options.seed), "--speed", str(options.speed)]
    starting = [stack.enter_async_context(_child(plant_args, _port_args(known), say_ports=True))]
    for number in range(1, options.witnesses + 1):
        name, memory = f"witness-{number}", folder / f"witness-{number}"
        arguments = ["anchor", "serve", "--state", str(memory), "--name", f"demo.example/{name}", "--enroll", vkey, "--json"]
        arguments += ["--mirror-token-file", str(token)] if number == 1 else []
        starting.append(stack.enter_async_context(_child(arguments, ["--port", str(known.get(name, 0))])))
    plant, *witnesses = await asyncio.gather(*starting)
    return plant, witnesses


async def _run_core(options: DemoOptions, run: Path, stop: asyncio.Event, firsts: Firsts, tell: Tell, edited: str) -> None:
    """Run the gateway in this process until `stop`, or until the time asked for is over; it counts from here."""
    started = time.monotonic()
    async with asyncio.TaskGroup() as group:
        ready = _say_claim(options.state, tell)
        core = group.create_task(run_core(options.state, None, stop, ready, run=run, edited=edited, log=options.log), name="core")
        watching = group.create_task(watch(run / Layout(options.state).feed.name, firsts, tell, started), name="watch")
        if options.for_s is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(options.for_s):
                    await stop.wait()
            stop.set()
        await asyncio.wait([core])
        watching.cancel()


def _say_claim(state: Path, tell: Tell) -> Callable[[Config], None]:
    """Return what the core calls when it is ready: how a demo that nobody owns yet is claimed."""

    def ready(config: Config) -> None:
        notice = claim_notice(Layout(state), has_page=config.web.enabled)
        if notice is not None:
            tell({"claim": notice})

    return ready


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
        start_new_session=True,
    )  # fmt: skip


async def _first_line(process: asyncio.subprocess.Process) -> dict[str, Any] | None:
    """Return the line that says that a child is ready, None when it ended or took too long."""
    assert process.stdout is not None
    with contextlib.suppress(TimeoutError, ValueError):
        async with asyncio.timeout(READY_S):
            facts = json.loads(await process.stdout.readline())
            return facts if isinstance(facts, dict) else None
    return None


def _mirror_token(layout: Layout) -> Path:
    """Return the file of the mirror's token, made at the first start. The first witness is the mirror, and this gateway its only client."""
    path, disk = layout.state / "demo" / "mirror.token", RealDisk()
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():  # whole or not there: a start that was cut off must not leave one that nobody accepts
        write_atomically(disk, path, secrets.token_urlsafe(24).encode() + b"\n")
    return path.resolve()


def _vkey(layout: Layout) -> str:
    """Return the verifier key of the gateway's log, as its witnesses must be told before it starts."""
    public = ensure_key(layout).public
    config = parse_config(gateway_config(dict.fromkeys(PLACEHOLDERS, 1)))
    return device_note_key(origin_of(config, public), public).vkey


def _known_ports(folder: Path) -> dict[str, int]:
    try:
        found = json.loads((folder / PORTS).read_text())
    except (OSError, ValueError):
        return {}
    return {name: port for name, port in found.items() if isinstance(port, int)} if isinstance(found, dict) else {}


def _port_args(known: Mapping[str, int]) -> list[str]:
    return [part for name in (*PLACEHOLDERS, CONTROL) if name in known for part in (f"--{name.replace('_', '-')}", str(known[name]))]


def _free_port(known: int | None, asked: int | None) -> int:
    """Return the loopback port that was asked for, else the known one when it is free, else any. Raises DemoError when it is taken."""
    reason = ""
    for port in (known or WEB_PORT, 0) if asked is None else (asked,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
                probe.listen(1)
            except OSError as error:
                reason = error.strerror or str(error)
            else:
                return int(probe.getsockname()[1])
    raise DemoError("demo_port_taken", host=HOST, port=asked or 0, reason=reason)
