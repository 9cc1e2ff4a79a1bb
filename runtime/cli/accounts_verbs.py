"""`witnessmark accounts …`: people and API tokens of the running gateway, for whoever sits at the machine.

Room: hall. It talks to the core over the feed's socket and decides nothing; each change is an act through the door, recorded as `cli uid
N`. `claim-code` alone reads a file. No password stands on a command line: it comes from standard input (`--password-stdin`), or the gateway
makes one that is good for one login. Exit codes as `witnessmark act`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from runtime.cli.act_verbs import ASK_S, AsJson, Reason, State, ask, do_act
from runtime.cli.as_called import with_runnable
from runtime.cli.claim_notice import claim_code
from runtime.cli.console import console, fail, print_json, unreadable
from runtime.layout import Layout
from runtime.messages.catalogue import word

Name = Annotated[str, typer.Argument(metavar="NAME", help="The account's name.")]
Roles = Annotated[list[str], typer.Option("--role", help="viewer, technician, engineer or admin; may be given several times.")]
Stdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input; good for one login.")]
STATE: Final = Path("state")
LINE_MAX: Final = 1_000


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    group = typer.Typer(no_args_is_help=True, help="Who may log in: the claim code, people, sessions, API tokens. Each change is recorded.")
    for name, verb in (
        ("claim-code", show_code), ("list", show_all), ("create", create), ("roles", roles), ("disable", disable), ("enable", enable),
        ("reset-password", reset_password), ("break-glass", break_glass), ("token", make_token), ("revoke-token", revoke_token),
        ("end-session", end_session), ("self-approval", self_approval), ("release", release),
    ):  # fmt: skip
        group.command(name)(verb)
    app.add_typer(group, name="accounts")


def show_code(state: State = STATE, as_json: AsJson = False) -> None:
    """Print the code with which the first admin claims the gateway."""
    layout = Layout(state)
    try:
        code = claim_code(layout)
    except OSError as error:
        fail("config_unreadable", unreadable(layout.claim_code, error), as_json=as_json)
    if code is None:
        fail("claim_code_none", {"path": str(layout.claim_code)}, as_json=as_json, exit_code=1)
    if as_json:
        print_json({"claim_code": code})
    else:
        console().print(code, markup=False)


def show_all(state: State = STATE, as_json: AsJson = False) -> None:
    """List people, sessions and API tokens."""
    found = ask(state, "account.list", {}, ASK_S, as_json=as_json)
    if as_json:
        print_json(found)
        return
    if not found["people"]:
        console().print(with_runnable(word("accounts_none")), markup=False)
    for row in found["people"]:
        remarks = [] if row["enabled"] else [word("accounts_disabled")]
        remarks += [word("accounts_must_change")] if row["must_change"] else []
        remarks += [word("accounts_has_key")] if row["key"] else []
        remarks.append(word("accounts_login", {"at": _moment(row["login_ms"])}) if row["login_ms"] else word("accounts_no_login"))
        console().print(f"{row['name']:<24} {' '.join(row['roles']):<28} {'; '.join(remarks)}", markup=False)
    for row in found["sessions"]:
        said = {"session": row["session"], "name": row["name"], "source": row["source"] or "-", "at": _moment(row["seen_ms"])}
        console().print(word("accounts_session", said), markup=False)
    for row in found["tokens"]:
        said = {"id": row["id"], "name": row["name"], "actions": " ".join(row["actions"]), "at": _moment(row["expires_ms"])}
        console().print(word("accounts_token", said), markup=False)
    _say_syslog(found["syslog"])
    for name, each in found["directories"].items():
        console().print(
            word("accounts_directory", {"directory": name, "state": each["state"], "cause": each["cause"] or "-"}), markup=False
        )


def _say_syslog(found: Mapping[str, Any]) -> None:
    if found["state"] != "off":
        console().print(word("accounts_syslog", {**found, "cause": found["cause"] or "-"}), markup=False)


def create(name: Name, role: Roles, reason: Reason, password_stdin: Stdin = False, state: State = STATE, as_json: AsJson = False) -> None:
    """Make an account. Without --password-stdin the gateway makes a password and it is shown once."""
    params = {"roles": " ".join(role), **_password(given=password_stdin)}
    _act(state, "account.create", name, params, reason, as_json=as_json)


def roles(name: Name, role: Roles, reason: Reason, state: State = STATE, as_json: AsJson = False) -> None:
    """Give somebody other roles, and end their sessions."""
    _act(state, "account.roles", name, {"roles": " ".join(role)}, reason, as_json=as_json)


def disable(name: Name, reason: Reason, state: State = STATE, as_json: AsJson = False) -> None:
    """Keep somebody from logging in, and end their sessions. What they did stays recorded under their name."""
    _act(state, "account.disable", name, {}, reason, as_json=as_json)


def enable(name: Name, reason: Reason, state: State = STATE, as_json: AsJson = False) -> None:
    """Let somebody log in again."""
    _act(state, "account.enable", name, {}, reason, as_json=as_json)


def reset_password(name: Name, reason: Reason, password_stdin: Stdin = False, state: State = STATE, as_json: AsJson = False) -> None:
    """Give somebody a password that is good for one login."""
    _act(state, "account.password", name, _password(given=password_stdin), reason, as_json=as_json)


def release(name: Name, reason: Reason, state: State = STATE, as_json: AsJson = False) -> None:
    """Let a name that came from a directory stand for another person there: who comes next under it is somebody new."""
    _act(state, "account.release", name, {}, reason, as_json=as_json)


def break_glass(name: Name, reason: Reason, state: State = STATE, as_json: AsJson = False) -> None:
    """Make NAME an admin with a new password, whatever became of the others: when no admin can log in, or the accounts are damaged."""
    _act(state, "account.break_glass", name, {}, reason, as_json=as_json)


def make_token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose program it is for.")],
    action: Annotated[list[str], typer.Option("--action", help="What it may do, such as view.values; may be given several times.")],
    reason: Reason,
    days: Annotated[int, typer.Option("--days", min=1, max=366, help="How long it lasts.")] = 90,
    state: State = STATE,
    as_json: AsJson = False,
) -> None:
    """Make an API token for a program; it is shown once."""
    _act(state, "token.create", name, {"actions": " ".join(action), "days": days}, reason, as_json=as_json)


def revoke_token(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `accounts list` shows it.")],
    reason: Reason,
    state: State = STATE,
    as_json: AsJson = False,
) -> None:
    """Take an API token back."""
    _act(state, "token.revoke", token_id, {}, reason, as_json=as_json)


def end_session(
    session: Annotated[str, typer.Argument(metavar="SESSION", help="As `accounts list` shows it.")],
    reason: Reason,
    state: State = STATE,
    as_json: AsJson = False,
) -> None:
    """Log somebody out."""
    _act(state, "session.end", session, {}, reason, as_json=as_json)


def self_approval(
    switch: Annotated[str, typer.Argument(metavar="on|off")], reason: Reason, state: State = STATE, as_json: AsJson = False
) -> None:
    """Let a person approve what they asked for themselves (marked wherever it shows), or not."""
    if switch not in ("on", "off"):
        raise typer.BadParameter("on or off", param_hint="on|off")
    _act(state, "policy.set", "self_approval", {"value": switch == "on"}, reason, as_json=as_json)


def _act(state: Path, action: str, target: str, params: Mapping[str, Any], reason: str, *, as_json: bool) -> None:
    outcome = do_act(state, {"action": action, "target": target, "params": dict(params), "reason": reason}, as_json=as_json)
    if as_json:
        print_json({"action": action, **outcome})
        return
    seq = outcome["seq"]
    console().print(word("act_done", {"seq": seq}) if seq is not None else word("act_done_unrecorded"), markup=False)
    if outcome["params"].get("set_aside"):
        console().print(word("accounts_set_aside"), markup=False)
    for what, secret in outcome.get("told", {}).items():
        console().print(word(f"accounts_told_{what}"), markup=False)
        console().print(secret, markup=False)


def _password(*, given: bool) -> dict[str, str]:
    """Return the password as a parameter: one line of standard input, typed unseen where that is a terminal."""
    if not given:
        return {}
    if sys.stdin.isatty():
        return {"password": typer.prompt(word("accounts_prompt"), hide_input=True, confirmation_prompt=True, err=True)}
    return {"password": sys.stdin.readline(LINE_MAX).rstrip("\r\n")}


def _moment(wall_ms: int) -> str:
    return datetime.fromtimestamp(wall_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%MZ")
