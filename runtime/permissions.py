"""Who may do what: one table of roles and actions, cell by cell, and who it is that acts. Pure.

Room: hall. The door asks it for every act, the web face for every route and the OPC UA face for every call; none of them decides by
itself. The admin has no process writes and acknowledges nothing; a person may hold several roles, and may do what any of them may.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final


class Role(StrEnum):
    """What a person may be. None contains another: the table says it, cell by cell."""

    VIEWER = "viewer"
    TECHNICIAN = "technician"
    ENGINEER = "engineer"
    ADMIN = "admin"


ALL_ROLES: Final = frozenset(Role)
_TABLE: Final = """
    action                 viewer  technician  engineer  admin

    view.values            yes     yes         yes       yes
    view.ledger            yes     yes         yes       yes
    view.trend             yes     yes         yes       yes
    view.proof             yes     yes         yes       yes
    view.alarms            yes     yes         yes       yes
    view.config            -       yes         yes       yes
    view.audit             -       -           yes       yes
    view.accounts          -       -           -         yes

    alarm.ack              -       yes         yes       -
    alarm.shelve           -       yes         yes       -
    alarm.unshelve         -       yes         yes       -
    alarm.reset            -       yes         yes       -
    alarm.test             -       yes         yes       -
    alarm.out_of_service   -       -           yes       -
    alarm.in_service       -       -           yes       -

    device.look            -       yes         yes       -
    device.frames          -       yes         yes       -
    manual.enter           -       yes         yes       -

    model.learn            -       yes         yes       -
    model.check            -       yes         yes       -
    model.shadow           -       yes         yes       -
    model.label            -       yes         yes       -
    model.arm              -       -           yes       -
    model.disarm           -       -           yes       -
    model.import           -       -           yes       -

    command.prepare        -       yes         yes       -
    command.confirm        -       yes         yes       -
    command.normal         -       -           yes       -
    command.approve        -       -           yes       -
    device.write           -       -           yes       -
    device.call            -       -           yes       -
    gateway.read_only      -       yes         yes       yes
    gateway.read_only.off  -       -           yes       -

    config.edit            -       -           yes       -
    config.approve         -       -           yes       -
    learned.forget         -       -           yes       -
    view.diagnostics       -       yes         yes       yes
    diag.bundle            -       yes         yes       yes
    diag.probe             -       yes         yes       -
    audit.review           -       -           yes       yes
    net.edit               -       -           -         yes
    net.confirm            -       -           -         yes
    net.undo               -       -           -         yes
    cert.edit              -       -           -         yes
    epoch.open             -       -           -         yes

    account.password       yes     yes         yes       yes
    account.key            yes     yes         yes       yes
    account.language       yes     yes         yes       yes
    account.create         -       -           -         yes
    account.roles          -       -           -         yes
    account.disable        -       -           -         yes
    account.enable         -       -           -         yes
    account.break_glass    -       -           -         -
    account.claim          -       -           -         -
    account.vouched        -       -           -         -
    account.release        -       -           -         yes
    directory.edit         -       -           -         yes
    session.end            -       -           -         yes
    token.create           -       -           -         yes
    token.revoke           -       -           -         yes
    policy.set             -       -           -         yes
"""
"""account.password, account.key and account.language: one's own; an admin also gives others a new password. account.break_glass is for
whoever sits at the machine itself (`witnessmark accounts break-glass`), account.claim for whoever has the claim code, account.vouched for
the core when a directory has vouched for somebody. directory.edit: to change [ldap] or [oidc], besides config.edit: it says who gets in.
command.normal: what is of more than a low risk. config.approve: what somebody else edited. gateway.read_only switches it on,
gateway.read_only.off back."""


def _read(table: str) -> dict[str, frozenset[Role]]:
    head, *rows = (line.split() for line in table.splitlines() if line.strip())
    return {action: frozenset(Role(role) for role, cell in zip(head[1:], cells, strict=True) if cell == "yes") for action, *cells in rows}


ACTIONS: Final[Mapping[str, frozenset[Role]]] = MappingProxyType(_read(_TABLE))
"""Action -> the roles that may do it."""
FRESH: Final = frozenset(
    {
        "config.edit", "config.approve", "device.write", "device.call", "command.approve", "gateway.read_only.off", "epoch.open",
        "net.edit", "cert.edit", "model.import", "audit.review", "account.create", "account.roles", "account.disable", "account.enable",
        "account.key", "account.release", "directory.edit", "token.create", "token.revoke", "policy.set",
    }
)  # fmt: skip
"""Actions for which a person must have given the password within the last 300 s."""
REASONED: Final = frozenset(
    {"config.edit", "config.approve", "device.write", "device.call", "command.confirm", "command.approve", "gateway.read_only"}
)
"""Actions that nobody does without saying why: what reaches a device, what allows or forbids that, and the configuration."""
OWN: Final = frozenset({"account.password", "account.key", "account.language"})
"""What a person may do about themselves; `account.password` even while the password given by an admin is still to be changed."""
TOKENS_MAY: Final = frozenset(
    {
        "view.values", "view.ledger", "view.trend", "view.proof", "view.alarms", "view.config", "view.audit", "manual.enter", "diag.bundle",
        "command.prepare", "command.confirm",
    }
)  # fmt: skip
"""What an API token can be given: to look, to report what was measured elsewhere, and to command what an engineer opened to programs
(`programs = true`); nothing else that moves a machine or wants a person, since its maker, an admin, may do neither."""


ON_THE_PLANT: Final = ("device.", "command.", "alarm.", "model.", "learned.", "manual.enter", "gateway.read_only")
"""How the actions begin that reach the plant or what watches over it: who did what to it and why is for whoever looks after it; of all
others, for `view.audit`."""


def is_on_the_plant(action: str) -> bool:
    """Tell whether an act is one on the plant."""
    return action.startswith(ON_THE_PLANT)


def allowed(roles: Iterable[str], action: str) -> bool:
    """Tell whether any of these roles (or the one role) may do an action; an unknown role or action never may."""
    held = {roles} if isinstance(roles, str) else set(roles)
    return not held.isdisjoint(ACTIONS.get(action, ()))


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as the core found out. `name` is the account's, empty for whoever has none.

    `kind`: person, token (`scope` says for what), local (the command line of the gateway's own user), claim (whoever has the claim code),
    directory (what vouches for somebody who is not signed in yet) or nobody. `must_change`: the password was given by an admin and has to
    be changed before anything else.
    """

    name: str
    roles: frozenset[Role]
    session_id: str
    fresh: bool
    kind: str
    scope: frozenset[str] = frozenset()
    must_change: bool = False
    key: str | None = None
    made_by: str = ""
    """Of a token the person who made it, empty where that was the machine's own command line."""

    @property
    def text(self) -> str:
        """How the ledger names the session: `alice (session 3f2a90c1)`; of whoever has no account, what is known."""
        return f"{self.name} ({'token' if self.kind == 'token' else 'session'} {self.session_id})" if self.name else self.session_id

    @property
    def has_account(self) -> bool:
        """Whether it is a person who logged in."""
        return self.kind == "person"

    def may(self, action: str) -> bool:
        """Tell whether the table, or the token's scope, lets it do an action. Freshness is another question."""
        if self.kind == "token":
            return action in self.scope and action in TOKENS_MAY
        if self.kind == "local":
            return action in ACTIONS and action not in {"account.claim", "account.vouched"}
        if self.kind in {"claim", "directory"}:
            return action == ("account.claim" if self.kind == "claim" else "account.vouched")
        if self.must_change:
            return action == "account.password"
        return allowed(self.roles, action)


def who_may(who: Mapping[str, Any] | None, action: str, *, open_view: bool = False) -> bool:
    """Tell a face whether one whose `who` it got from the core may do an action; `who` None is a stranger, who views where that is open.

    A courtesy that keeps a page from showing what would be refused: the core decides by itself.
    """
    if who is None:
        return open_view and action.startswith("view.") and allowed({Role.VIEWER}, action)
    if who.get("kind") == "token":
        return action in who.get("actions", ()) and action in TOKENS_MAY
    if who.get("must_change"):
        return action == "account.password"
    return allowed(who.get("roles", ()), action)


def local_actor(face: str, uid: int, *, own_uid: int, open_view: bool = False) -> Actor:
    """Return whoever asks without an account: the command line of the gateway's own user (or root) may do all, others view at most.

    `uid` is what the kernel vouches for; `face` is a name that a process of that user gives itself.
    """
    if face == "cli" and uid in {0, own_uid}:
        return Actor("", ALL_ROLES, f"uid {uid}", fresh=True, kind="local")
    return Actor("", frozenset({Role.VIEWER}) if open_view else frozenset(), f"uid {uid}", fresh=False, kind="nobody")
