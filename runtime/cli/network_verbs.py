"""`witnessmark network show | set | confirm | undo`: the gateway's own network, for whoever sits at the machine.

Room: hall. It talks to the core over the feed's socket and decides nothing; each step is an act through the door. Whoever sits at the
machine needs no new address to confirm from: that is the way back in when a page was lost. Exit codes as `witnessmark act`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from runtime.cli.accounts_verbs import STATE
from runtime.cli.act_verbs import AsJson, Reason, State, ask, do_act
from runtime.cli.console import console, fail, print_json
from runtime.messages.catalogue import word

ASK_S: Final = 50.0
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask; a script has read what would change.")]


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    group = typer.Typer(no_args_is_help=True, help="The gateway's own network. A change undoes itself unless it is confirmed in time.")
    for name, verb in (("show", show), ("set", put), ("confirm", confirm), ("undo", undo)):
        group.command(name)(verb)
    app.add_typer(group, name="network")


def show(state: State = STATE, as_json: AsJson = False) -> None:
    """Show interfaces, ways out, name servers, and a change that waits."""
    told = ask(state, "network", {}, ASK_S, as_json=as_json)
    if as_json:
        print_json(told)
        return
    if told["fault"] is not None:
        fail(*told["fault"], as_json=as_json)
    for each in told["picture"]["interfaces"]:
        addresses = ", ".join([*each["addresses"], *each["addresses6"]]) or word("net.no_address")
        _say(f"{each['name']}  {word('net.state.' + each['state'])}  {addresses}")
    ways = [f"{each['via']} ({each['interface']})" for each in told["picture"]["routes"] if each["to"] == "default"]
    _say(f"{word('net.ways')}: {', '.join(ways) or word('net.no_way')}")
    _say(f"{word('net.dns')}: {', '.join(told['picture']['dns']) or word('net.no_dns')}")
    if (pending := told["pending"]) is not None:
        _say(f"{word('net.waits.title', {'name': pending['interface']})}: {word('net.left', {'left': pending['left_s']})}")


def put(
    interface: Annotated[str, typer.Argument(help="Such as eth0.")],
    reason: Reason,
    address: Annotated[str, typer.Option("--address", help="With its prefix, such as 192.168.4.20/24; left out: DHCP.")] = "",
    gateway: Annotated[str, typer.Option("--gateway", help="The way to other networks.")] = "",
    dns: Annotated[str, typer.Option("--dns", help="Name servers, apart by blanks.")] = "",
    yes: Yes = False,
    state: State = STATE,
    as_json: AsJson = False,
) -> None:
    """Change an interface: see what would change, then do it. It undoes itself unless it is confirmed in time."""
    wish = {"method": "static" if address else "dhcp", "address": address, "gateway": gateway, "dns": dns}
    plan = ask(state, "network.plan", {**wish, "interface": interface}, ASK_S, as_json=as_json)
    if not as_json:
        _show(plan)
    if not yes and (as_json or not typer.confirm(word("command_ask"), default=False)):
        fail("command_not_confirmed", {}, as_json=as_json, exit_code=1)
    _act(state, "net.edit", interface, wish, reason, as_json=as_json)


def confirm(
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded.")] = "", state: State = STATE, as_json: AsJson = False
) -> None:
    """Keep the change that waits."""
    _act(state, "net.confirm", _pending(state, as_json=as_json), {}, reason, as_json=as_json)


def undo(
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded.")] = "", state: State = STATE, as_json: AsJson = False
) -> None:
    """Take the change that waits back at once."""
    _act(state, "net.undo", _pending(state, as_json=as_json), {}, reason, as_json=as_json)


def _pending(state: Any, *, as_json: bool) -> str:
    pending = ask(state, "network", {}, ASK_S, as_json=as_json)["pending"]
    if pending is None:
        fail("net_nothing_pending", {}, as_json=as_json, exit_code=1)
    return str(pending["interface"])


def _act(state: Any, action: str, interface: str, params: dict[str, str], reason: str, *, as_json: bool) -> None:
    outcome = do_act(state, {"action": action, "target": interface, "params": params, "reason": reason}, as_json=as_json)
    text = word("act_done", {"seq": outcome["seq"]}) if outcome["seq"] is not None else word("act_done_unrecorded")
    if as_json:
        print_json({"action": action, **outcome, "text": text})
    else:
        _say(text)


def _show(plan: dict[str, Any]) -> None:
    for what, before, after in plan["rows"]:
        old, new = (word(f"net.method.{each}") if what == "method" else each or "-" for each in (before, after))
        _say(f"{word('net.row.' + what)}: {old} -> {new}")
    for code, params in plan["warnings"]:
        _say(word(code, params))


def _say(text: str) -> None:
    console().print(text, markup=False, highlight=False)
