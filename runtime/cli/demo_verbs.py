"""The verbs of the demo: `demo` runs it, `fault` breaks one of its simulated devices.

Room: hall. `cli.app` registers them. They parse, call one function and print. Nothing heavy is imported before its verb runs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from runtime.cli.as_called import runnable
from runtime.cli.console import console, fail, print_json
from runtime.messages.catalogue import sort_of, word

DemoState = Annotated[Path, typer.Option("--state", help="The state folder of the demo.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON line instead of words.")]
STATE_DEFAULT: Final = Path("state-demo")
CONTROL_S: Final = 5.0
ANSWER_SIZE_MAX: Final = 1 << 20


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command."""
    for verb in (demo, fault):
        app.command()(verb)


def demo(
    state: DemoState = STATE_DEFAULT,
    for_s: Annotated[float | None, typer.Option("--for", min=0, help="Stop after so many seconds, verify, and report.")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Port of the page; default: 8480, or a free one.")] = None,
    speed: Annotated[float, typer.Option("--speed", min=0.1, max=1000, help="Plant seconds per second.")] = 1.0,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same plant.")] = 1,
    witnesses: Annotated[int, typer.Option("--witnesses", min=0, max=5)] = 1,
    json_lines: JsonOption = False,
) -> None:
    """A simulated filling line, a witness and a gateway, all on this machine."""
    from runtime.cli.log import set_up_log
    from runtime.cli.until_stopped import until_stopped
    from runtime.clock import SystemClock
    from runtime.demo import DemoError, DemoOptions, run_demo
    from runtime.diagnostics.log_ring import LogRing
    from runtime.layout import Layout

    log = LogRing(SystemClock().wall_ms)
    set_up_log(json_lines=json_lines, ring=log)
    options = DemoOptions(state, for_s, port, speed, seed, witnesses, log)

    def tell(facts: Mapping[str, Any]) -> None:
        for name, value in facts.items():
            console(errors=json_lines).print(f"{name}  {value}", markup=False)

    async def main(stop: asyncio.Event) -> int:
        try:
            code = await run_demo(options, stop, tell, print_json if json_lines else _say_summary)
        except DemoError as error:
            fail(error.code, error.params, as_json=json_lines)
        if for_s is None:
            said = {"state": state, "command": runnable("witnessmark ledger verify", state)}
            console(errors=json_lines).print(word("demo_stopped", said), markup=False)
        return code

    raise typer.Exit(until_stopped(main, config=Layout(state).config, as_json=json_lines))


def fault(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="filler, meter or capper")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as dead_device, slow_device, stuck_tag, reboot; `list` names all.")],
    switch: Annotated[str, typer.Argument(metavar="on|off")] = "on",
    state: DemoState = STATE_DEFAULT,
    json_lines: JsonOption = False,
) -> None:
    """Break a simulated device of the running demo, or mend it. `witnessmark fault filler list` names the faults."""
    if switch not in ("on", "off"):
        raise typer.BadParameter("on or off", param_hint="on|off")
    listing = name == "list"
    request = {"list": True} if listing else {"fault": name, "device": device, "on": switch == "on"}
    try:
        port = json.loads((state / "demo" / "ports.json").read_text())["control_port"]
        answer = asyncio.run(_ask(port, request))
    except (OSError, ValueError, KeyError, TypeError, TimeoutError):
        fail("demo_away", {"path": str(state)}, as_json=json_lines)
    if not answer.get("ok"):
        fail("fault_refused", {"detail": str(answer.get("error", ""))}, as_json=json_lines, exit_code=1)
    if json_lines:
        print_json(answer)
    elif listing:
        for each, kind in answer["faults"].items():
            if device in kind["devices"]:
                force = " (on)" if each in answer["active"].get(device, {}) else ""
                console().print(f"{each:<14}{kind['text']}{force}", markup=False)
    else:
        console().print(f"{device} {name} {switch}", markup=False)


async def _ask(port: int, request: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(CONTROL_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=ANSWER_SIZE_MAX)
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            answer = json.loads(await reader.readline())
        finally:
            writer.close()
    return answer if isinstance(answer, dict) else {}


def _say_summary(said: Mapping[str, Any]) -> None:
    gaps = ", ".join(f"{count} x {sort_of(cause)}" for cause, count in said["gaps"].items()) or word("demo_no_gaps")
    verdict, size = word("verdict." + said["verdict"].replace(" ", "_")), said["bytes_per_reading"]
    params = {**said, "gaps": gaps, "bytes": "-" if size is None else size, "verdict": verdict}
    console().print(word("demo_summary", params), markup=False)
    if "reason" in said:
        console(errors=True).print(word(said["reason"], said), style="red", markup=False)
