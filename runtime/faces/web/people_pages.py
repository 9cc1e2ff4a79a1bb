"""People and their sessions, tokens for programs, and the site's rule about approving one's own: for an administrator.

Room: hall, face. `app` puts its rows into the table. It shows what the core's accounts say and asks the door for each change; rules and
what is recorded are the core's. A password or token that is shown once goes to the page that asked, and is kept nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.face import Face
from runtime.faces.web.rows import RouteRow
from runtime.faces.web.texts import Reason
from runtime.permissions import TOKENS_MAY, Role

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
ROLES: Final = tuple(Role)


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person and why something about them is changed."""

    name: Name
    reason: Reason = ""


class Roles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person, new or known, and all the roles that they are to have."""

    name: Name
    roles: Annotated[list[Word], msgspec.Meta(min_length=1, max_length=8)]
    reason: Reason = ""


class Session(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A session by its public id."""

    session: Word
    reason: Reason = ""


class NewToken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a program may do, by its token, and for how many days."""

    name: Name
    actions: Annotated[list[Word], msgspec.Meta(min_length=1, max_length=64)]
    days: Annotated[int, msgspec.Meta(ge=1, le=366)]
    reason: Reason = ""


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token by its id."""

    id: Word
    reason: Reason = ""


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether people may approve what they asked for themselves; it is marked wherever it shows."""

    self_approval: bool
    reason: Reason = ""


class Changed(msgspec.Struct, frozen=True):
    """The entry that records the change (none while it is not recorded), and what is shown this once: a password or a token."""

    seq: int | None
    told: dict[str, str]


class PeoplePages:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        api = "/api/v1/people"
        return [
            RouteRow("GET", "/people", "view.accounts", self.page, doc="page.people", is_page=True),
            RouteRow("POST", api, "account.create", self.create, takes=Roles, gives=Changed, doc="api.people.create"),
            RouteRow("POST", f"{api}/roles", "account.roles", self.roles, takes=Roles, gives=Changed, doc="api.people.roles"),
            RouteRow("POST", f"{api}/disable", "account.disable", self.disable, takes=Person, gives=Changed, doc="api.people.disable"),
            RouteRow("POST", f"{api}/enable", "account.enable", self.enable, takes=Person, gives=Changed, doc="api.people.enable"),
            RouteRow("POST", f"{api}/release", "account.release", self.release, takes=Person, gives=Changed, doc="api.people.release"),
            RouteRow("POST", f"{api}/password", "account.create", self.password, takes=Person, gives=Changed, doc="api.people.password"),
            RouteRow("POST", "/api/v1/sessions/end", "session.end", self.end, takes=Session, gives=Changed, doc="api.sessions.end"),
            RouteRow("POST", "/api/v1/tokens", "token.create", self.make_token, takes=NewToken, gives=Changed, doc="api.tokens.create"),
            RouteRow("POST", "/api/v1/tokens/revoke", "token.revoke", self.revoke, takes=Token, gives=Changed, doc="api.tokens.revoke"),
            RouteRow("POST", "/api/v1/policy", "policy.set", self.policy, takes=Policy, gives=Changed, doc="api.policy"),
        ]

    async def page(self, request: Request) -> Response:
        """Show everybody, who is signed in, and which programs have a token."""
        told: Mapping[str, Any] | None = None
        fault = None
        try:
            told = await self._face.ask("account.list", {}, request)
        except RequestRefusedError as refused:
            fault = refused
        return self._face.render(
            request, "people.html", told=told, fault=fault, roles=ROLES, grantable=sorted(TOKENS_MAY), here="people"
        )  # fmt: skip

    async def create(self, request: Request) -> Changed:
        """Give somebody an account, with a password that is good for one login."""
        given: Roles = request.state.body
        return await self._change(request, "account.create", given.name, {"roles": " ".join(given.roles)}, given.reason)

    async def roles(self, request: Request) -> Changed:
        """Give somebody exactly these roles."""
        given: Roles = request.state.body
        return await self._change(request, "account.roles", given.name, {"roles": " ".join(given.roles)}, given.reason)

    async def disable(self, request: Request) -> Changed:
        """Keep somebody out; nothing of what they did is touched."""
        given: Person = request.state.body
        return await self._change(request, "account.disable", given.name, {}, given.reason)

    async def enable(self, request: Request) -> Changed:
        """Let somebody in again."""
        given: Person = request.state.body
        return await self._change(request, "account.enable", given.name, {}, given.reason)

    async def release(self, request: Request) -> Changed:
        """Let a name that came from a directory stand for another person there."""
        given: Person = request.state.body
        return await self._change(request, "account.release", given.name, {}, given.reason)

    async def password(self, request: Request) -> Changed:
        """Give somebody a password that is good for one login."""
        given: Person = request.state.body
        return await self._change(request, "account.password", given.name, {}, given.reason)

    async def end(self, request: Request) -> Changed:
        """End a session at once."""
        given: Session = request.state.body
        return await self._change(request, "session.end", given.session, {}, given.reason)

    async def make_token(self, request: Request) -> Changed:
        """Make a token for a program; it is shown this once."""
        given: NewToken = request.state.body
        params = {"actions": " ".join(given.actions), "days": given.days}
        return await self._change(request, "token.create", given.name, params, given.reason)

    async def revoke(self, request: Request) -> Changed:
        """Take a token back at once."""
        given: Token = request.state.body
        return await self._change(request, "token.revoke", given.id, {}, given.reason)

    async def policy(self, request: Request) -> Changed:
        """Say whether people may approve their own."""
        given: Policy = request.state.body
        return await self._change(request, "policy.set", "self_approval", {"value": given.self_approval}, given.reason)

    async def _change(self, request: Request, action: str, target: str, params: Mapping[str, Any], reason: str) -> Changed:
        outcome = await self._face.act(request, action, target, params, reason)
        if outcome["code"] != "done":
            raise RequestRefusedError(outcome["code"], **outcome["params"])
        self._face.sessions.forget()
        return Changed(outcome["seq"], {str(name): str(value) for name, value in (outcome.get("told") or {}).items()})
