"""`witnessmark scan` and `witnessmark identify DEVICE`: who is on a line, and what a unit says that it is.

Room: hall. `cli.app` registers both. A scan asks only what is named, slowly, and only while the configuration says `commissioning = true`;
it says beforehand what that takes. Neither writes anything. Exit codes: 0 all was asked, 1 the time was over or it was refused, 2 it could
not be done, or each host or port was lost with its first request.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from runtime.cli.console import console, fail, print_json
from runtime.cli.worded_faults import worded_faults
from runtime.messages.catalogue import word

if TYPE_CHECKING:
    from runtime.commissioning.line_places import Place
    from runtime.config import Config

TRANSPORTS: Final = ("tcp", "rtu_over_tcp", "ascii_over_tcp")
State = Annotated[Path, typer.Option("--state", help="The state folder.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="The config file, where no gateway runs; default: that of STATE.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON line instead of words.")]


def add_to(app: typer.Typer) -> None:
    """Add the verbs to the command."""
    app.command()(scan)
    app.command()(identify)


def scan(
    units: Annotated[str, typer.Option("--units", help="Unit numbers to ask, such as 1-10,20.")],
    device: Annotated[str | None, typer.Argument(metavar="[DEVICE]", help="A device whose line is scanned.")] = None,
    host: Annotated[list[str] | None, typer.Option("--host", help="10.0.0.5, 10.0.0.5-20 or 10.0.0.0/28; more than once.")] = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Of the hosts.")] = 502,
    transport: Annotated[str, typer.Option("--transport", help="Of the hosts: tcp, rtu_over_tcp or ascii_over_tcp.")] = "tcp",
    serial: Annotated[Path | None, typer.Option("--serial", help="A serial port that no running gateway uses.")] = None,
    baud: Annotated[list[int] | None, typer.Option("--baud", min=300, max=4_000_000, help="Default: the usual ones, one by one.")] = None,
    parity: Annotated[list[str] | None, typer.Option("--parity", help="none, even or odd; default: the usual ones.")] = None,
    wait_s: Annotated[float, typer.Option("--wait", min=0.05, max=5, help="Seconds for one answer, where no gateway asks.")] = 0.5,
    pause_s: Annotated[float, typer.Option("--pause", min=0.02, max=10, help="Seconds of rest after each request.")] = 0.1,
    time_s: Annotated[float, typer.Option("--time", min=1, max=7200, help="Seconds for all, at most.")] = 300.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    state: State = Path("state"),
    config: ConfigFile = None,
    as_json: AsJson = False,
    lang: Annotated[str, typer.Option("--lang", help="en or zh")] = "en",
) -> None:
    """Look for Modbus units: on a device's line, at hosts, or on a serial port."""
    from runtime.cli.log import set_up_log
    from runtime.commissioning import scan_bounds

    set_up_log(json_lines=as_json)
    if transport not in TRANSPORTS:
        fail("scan_transport", {"value": transport, "known": ", ".join(TRANSPORTS)}, as_json=as_json)
    if sum(each is not None for each in (device, serial)) + bool(host) != 1:
        fail("scan_needs", as_json=as_json)
    with worded_faults(config or state, device or "", as_json=as_json):
        found, running = _config(state, config)
        if not found.gateway.commissioning:
            fail("commissioning_off", as_json=as_json, exit_code=1)
        pace = scan_bounds.Pace(pause_s, time_s)
        numbered = transport == "tcp" and serial is None  # a serial frame has 1 to 247
        numbers = scan_bounds.units_of(units, least=0 if numbered else 1, most=255 if numbered else 247)
        settings = _settings(baud or [], parity or [], as_json=as_json)
        places = _places(found, device, host or [], (port, transport), (serial, settings), running=running, wait_s=wait_s)
        longest_s = scan_bounds.longest_s([each.wait_s for each in places], len(numbers), pause_s)
    plan = {"units": len(numbers), "places": len(places), "longest_s": round(min(longest_s, time_s)), "time_s": round(time_s)}
    if not as_json:
        console().print(word("scan_plan", plan, lang), markup=False)
        console().print(word("scan_loads", {}, lang), markup=False)
    if dry_run:
        if as_json:
            print_json(plan)
        return
    _run(places, numbers, pace, state, config, lang, as_json=as_json)


def identify(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="A device of the config file.")],
    state: State = Path("state"),
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Ask a Modbus device what it is (function 43)."""
    from runtime.cli.scan_places import units_at
    from runtime.commissioning.line_places import line_of_device

    async def ask() -> dict[str, str]:
        async with units_at(place, state) as line:
            return await line.identify(None)

    with worded_faults(config or state, device, as_json=as_json):
        found, running = _config(state, config)
        place = line_of_device(found, device, running=running, wait_s=1.0)
        said = asyncio.run(ask())
    if as_json:
        print_json({"device": device, "identification": said})
    elif not said:
        console().print(word("identify_nothing", {"device": device}), markup=False)
    for name, text in said.items() if not as_json else ():
        console().print(f"{name}: {text}", markup=False)
    raise typer.Exit(0 if said else 1)


def _config(state: Path, config: Path | None) -> tuple[Config, bool]:
    """Return the configuration in force, and whether a gateway runs with it."""
    from runtime.cli.config_source import file_source, running_source
    from runtime.config import parse_config

    running = running_source(state)
    return parse_config((running or file_source(state, config)).text), running is not None


def _settings(baud: list[int], parity: list[str], *, as_json: bool) -> list[tuple[int, str]]:
    from runtime.commissioning.scan_bounds import SETTINGS

    if unknown := [each for each in parity if each not in ("none", "even", "odd")]:
        fail("scan_parity", {"value": unknown[0]}, as_json=as_json)
    if baud and parity:
        return [(rate, each) for rate in baud for each in parity]
    if baud:
        return [(rate, each) for rate in baud for each in ("none", "even")]
    return [(rate, each) for rate, each in SETTINGS if not parity or each in parity] or [(rate, parity[0]) for rate in (9600, 19200)]


def _places(
    found: Config,
    device: str | None,
    hosts: list[str],
    at: tuple[int, str],
    serial: tuple[Path | None, list[tuple[int, str]]],
    *,
    running: bool,
    wait_s: float,
) -> list[Place]:
    from runtime.commissioning.line_places import hosts_at, line_of_device, serial_at
    from runtime.commissioning.scan_bounds import hosts_of

    if device is not None:
        return [line_of_device(found, device, running=running, wait_s=wait_s)]
    path, settings = serial
    if path is not None:
        return serial_at(found, path, settings, running=running, wait_s=wait_s)
    return hosts_at(found, hosts_of(hosts), *at, running=running, wait_s=wait_s)


def _run(places: list[Place], numbers: list[int], pace: Any, state: Path, config: Path | None, lang: str, *, as_json: bool) -> None:
    from runtime.cli.scan_places import units_at
    from runtime.commissioning import scan_run

    def tell(row: dict[str, Any]) -> None:
        if not as_json:
            for line in lines_of(row, lang):
                console().print(line, markup=False)

    with worded_faults(config or state, places[0].device, as_json=as_json):
        done = asyncio.run(scan_run.scan(places, numbers, pace, lambda place, first: units_at(place, state, first), tell))
    if as_json:
        print_json({"found": done.found, "lost": done.lost, "unreached": done.unreached, "asked": done.asked, "whole": done.is_whole})
    else:
        for line in unreached_lines(done.unreached, lang):
            console().print(line, markup=False)
        for place, cause in done.lost.items():
            console().print(f"{place}: {word(cause, {}, lang)}", markup=False)
        end = "scan_done" if done.is_whole else "scan_time_over"
        console().print(word(end, {"count": len(done.found), "asked": done.asked}, lang), markup=False)
    raise typer.Exit(2 if done.has_reached_nobody(len(places)) else 0 if done.is_whole else 1)


def lines_of(row: dict[str, Any], lang: str) -> list[str]:
    """Return what to tell a person about a unit."""
    said = [word(f"scan_{row['how']}", {"place": row["place"], "unit": row["unit"]}, lang)]
    if row.get("refused") is not None:
        said.append("  " + word("scan_refused", {"code": row["refused"]}, lang))
    if row["identification"]:
        said.append("  " + ", ".join(f"{word(f'identity_{name}', {}, lang)} {text}" for name, text in row["identification"].items()))
    if row["sunspec"]:
        said.append("  SunSpec: " + ", ".join(f"{each['model']} {each['name']}".strip() + f" @{each['at']}" for each in row["sunspec"]))
    for each in row["templates"]:
        detail = f"base = {each['base']}" if "base" in each else word("scan_fits", {"count": each["fits"]}, lang)
        said.append("  " + word("scan_template", {"name": each["name"], "detail": detail}, lang))
    if why := row.get("broke_off"):
        said.append("  " + word("scan_broke_off", {"cause": word(why["cause"], why["params"], lang)}, lang))
    return said


def unreached_lines(rows: list[dict[str, Any]], lang: str) -> list[str]:
    """Return what to tell a person about units in whose name a converter answered: a line for each place and code."""
    units: dict[tuple[str, int], list[int]] = {}
    for row in rows:
        units.setdefault((row["place"], row["code"]), []).append(row["unit"])
    return [
        word("scan_unreached", {"place": place, "code": code, "units": ", ".join(map(str, numbers))}, lang)
        for (place, code), numbers in units.items()
    ]
