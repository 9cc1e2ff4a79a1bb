"""Signing in and out, the first claim of a new gateway, and proving oneself again.

Room: hall, face. `app` puts its rows into the table. Passwords and codes go to the core with the request and are kept nowhere; the token
that comes back lives in a cookie that no script can read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.answers import NO_STORE, as_json
from runtime.faces.web.face import Face
from runtime.faces.web.guard import local_path
from runtime.faces.web.problems import answer_headers, status_of
from runtime.faces.web.rows import ANYONE, SIGNED_IN, RouteRow
from runtime.faces.web.sessions import cookie_name
from runtime.faces.web.texts import AS_TYPED

LOGINS_MAX: Final = 4
"""Attempts that may wait for the core at once; the core hashes one at a time and delays by account and source."""
LOGIN_S: Final = 20.0
Text = Annotated[str, msgspec.Meta(max_length=200)]
Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=1024, extra=AS_TYPED)]


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name and its password; `next` is where the page goes afterwards."""

    name: Text
    password: Secret
    next: Text = "/"
    via: Text = ""
    """`ldap`: the account is of the site's directory; anything else: of this gateway."""


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The claim code, the first admin, and that person's own language and zone."""

    code: Secret
    name: Text
    password: Secret
    lang: Text = "en"
    zone: Text = "UTC"
    setup: Text = ""
    """`yes`: this person sets the machine up too, and is technician and engineer besides."""


class Again(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The password of whoever is signed in."""

    password: Secret


class NewPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One's own password as it was and as it is to be, this one typed twice."""

    old: Secret
    new: Secret
    again: Secret


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A form without fields."""


class WhoAnswer(msgspec.Struct, frozen=True):
    """Whoever is signed in; see the feed's `account.who`."""

    who: dict[str, Any]


class Awake(msgspec.Struct, frozen=True):
    """The session goes on."""

    awake: bool


class NextQuery(msgspec.Struct, frozen=True):
    """Where to go after signing in."""

    next: str = "/"


class AccountPages:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._turns = asyncio.Semaphore(LOGINS_MAX)

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        api = "/api/v1/account"
        return [
            RouteRow("GET", "/login", ANYONE, self.login_page, query=NextQuery, doc="page.login", is_page=True),
            RouteRow("POST", "/login", ANYONE, self.login, takes=Login, doc="page.login", is_page=True, form=True),
            RouteRow("GET", "/claim", ANYONE, self.claim_page, doc="page.claim", is_page=True),
            RouteRow("POST", "/claim", ANYONE, self.claim, takes=Claim, doc="page.claim", is_page=True, form=True),
            RouteRow("POST", "/logout", ANYONE, self.logout, takes=Nothing, doc="page.logout", is_page=True, form=True),
            RouteRow("GET", "/password", SIGNED_IN, self.password_page, doc="page.password", is_page=True),
            RouteRow("POST", "/password", SIGNED_IN, self.password, takes=NewPassword, doc="page.password", is_page=True, form=True),
            RouteRow("POST", f"{api}/awake", SIGNED_IN, self.awake, gives=Awake, doc="api.awake"),
            RouteRow("GET", f"{api}/who", SIGNED_IN, self.who, gives=WhoAnswer, doc="api.who"),
            RouteRow("POST", f"{api}/again", SIGNED_IN, self.again, takes=Again, gives=WhoAnswer, doc="api.again"),
        ]

    async def login_page(self, request: Request) -> Response:
        """Ask for name and password; whoever is signed in goes on, a gateway without an owner asks for its claim code."""
        if request.state.who is not None:
            return RedirectResponse(local_path(request.state.query.next), 303, NO_STORE)
        if not request.state.accounts.get("claimed"):
            return RedirectResponse("/claim", 303, NO_STORE)
        return self._face.render(request, "login.html", name="", via="", next=local_path(request.state.query.next), refused=None)

    async def login(self, request: Request) -> Response:
        """Sign in."""
        given: Login = request.state.body
        asked = {"name": given.name, "password": given.password, "via": given.via, "source": source_of(request)}
        try:
            answer = await self._ask("account.login", asked)
        except RequestRefusedError as refused:
            page = self._face.render(request, "login.html", name=given.name, via=given.via, next=local_path(given.next), refused=refused)
            return refused_page(page, refused)
        return self._begin(request, answer, local_path(given.next))

    async def claim_page(self, request: Request) -> Response:
        """Ask for the claim code and the first admin."""
        if request.state.accounts.get("claimed"):
            return RedirectResponse("/login", 303, NO_STORE)
        return self._face.render(request, "claim.html", given=None, refused=None)

    async def claim(self, request: Request) -> Response:
        """Make the first admin. Works once."""
        given: Claim = request.state.body
        asked = {"code": given.code, "name": given.name, "password": given.password, "lang": given.lang, "zone": given.zone}
        asked["roles"] = "admin engineer technician" if given.setup == "yes" else "admin"
        try:
            answer = await self._ask("account.claim", {**asked, "source": source_of(request)})
        except RequestRefusedError as refused:
            return refused_page(self._face.render(request, "claim.html", given=given, refused=refused), refused)
        return self._begin(request, answer, "/" if self._face.feed.tags else "/first")

    async def logout(self, request: Request) -> Response:
        """End the session; who is not signed in any more is simply shown the way in."""
        if request.state.who is not None:
            try:
                await self._face.ask("account.logout", {}, request)
            finally:
                self._face.sessions.forget(request.state.token)
        response = RedirectResponse("/login", 303, NO_STORE)
        response.delete_cookie(cookie_name(request), path="/", secure=request.url.scheme == "https", httponly=True, samesite="strict")
        return response

    async def password_page(self, request: Request) -> Response:
        """Ask for the old password and a new one."""
        return self._face.render(request, "password.html", refused=None)

    async def password(self, request: Request) -> Response:
        """Change one's own password."""
        given: NewPassword = request.state.body
        try:
            if given.again != given.new:
                raise RequestRefusedError("password_differs")
            params = {"old_password": given.old, "password": given.new}
            outcome = await self._face.act(request, "account.password", request.state.who["name"], params)
            if outcome["code"] != "done":
                raise RequestRefusedError(outcome["code"], **outcome["params"])
        except RequestRefusedError as refused:
            return refused_page(self._face.render(request, "password.html", refused=refused), refused)
        self._face.sessions.forget(request.state.token)
        return RedirectResponse("/", 303, NO_STORE)

    async def awake(self, request: Request) -> Awake:
        """Tell that a person is at the page: what it fetches by itself keeps no session alive."""
        await self._face.ask("account.who", {}, request)
        return Awake(awake=True)

    async def who(self, request: Request) -> WhoAnswer:
        """Whoever is signed in."""
        return WhoAnswer(dict(request.state.who))

    async def again(self, request: Request) -> Response:
        """Prove oneself again, for what asks for it."""
        given: Again = request.state.body
        who = await self._ask("account.again", {"token": request.state.token, "password": given.password})
        self._face.sessions.forget(request.state.token)
        return as_json(WhoAnswer(dict(who)))

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        if self._turns.locked():
            raise RequestRefusedError("busy")
        async with self._turns:
            answer: Mapping[str, Any] = await self._face.ask(method, params, timeout_s=LOGIN_S)
            return answer

    def _begin(self, request: Request, answer: Mapping[str, Any], target: str) -> Response:
        """Set the session's cookie: this browser's until it closes, for our own pages only, for no script."""
        response = RedirectResponse(target, 303, NO_STORE)
        set_session(self._face, request, response, str(answer["token"]))
        return response


def set_session(face: Face, request: Request, response: Response, token: str) -> None:
    """Give a browser the cookie of a session that has begun."""
    face.sessions.forget()
    response.set_cookie(cookie_name(request), token, path="/", secure=request.url.scheme == "https", httponly=True, samesite="strict")


def refused_page(page: Response, refused: RequestRefusedError) -> Response:
    """Return a page that says why not, with the status and headers of that."""
    page.status_code = status_of(refused.code)
    page.headers.update(answer_headers(refused))
    return page


def source_of(request: Request) -> str:
    """Return where a request comes from, as the core records it."""
    return request.client.host if request.client else ""
