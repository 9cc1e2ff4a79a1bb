"""Signing in at the site's own OpenID provider: sending a browser there, and taking what it brings back to the core.

Room: hall, face. `app` puts its rows into the table. It believes nothing that comes back: a code and a state go to the core, which says who
it is. What it adds is a cookie that ties the two ways to one browser. A browser that comes from another site brings no strict cookie, and
follows a redirect without it too: so the way back ends on a page of ours, which goes on by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.account_pages import LOGIN_S, NextQuery, refused_page, set_session, source_of
from runtime.faces.web.answers import NO_STORE
from runtime.faces.web.face import Face
from runtime.faces.web.guard import local_path
from runtime.faces.web.rows import ANYONE, SIGNED_IN, RouteRow

COOKIE: Final = "witnessmark-sso"
COOKIE_S: Final = 600
TURNS_MAX: Final = 2
"""Fewer than what may wait at the login with a password: a provider that hangs leaves room for it."""
Long = Annotated[str, msgspec.Meta(max_length=4096)]


class BackQuery(msgspec.Struct, frozen=True):
    """What a provider sends a browser back with; more is passed over."""

    state: Long = ""
    code: Long = ""
    iss: Long = ""
    error: Long = ""


class SsoPages:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._turns = asyncio.Semaphore(TURNS_MAX)

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        return [
            RouteRow("GET", "/login/sso", ANYONE, self.begin, query=NextQuery, doc="page.sso", is_page=True),
            RouteRow("GET", "/login/sso/back", ANYONE, self.back, query=BackQuery, doc="page.sso_back", is_page=True),
            RouteRow("GET", "/again/sso", SIGNED_IN, self.again, doc="page.again_sso", is_page=True),
        ]

    async def begin(self, request: Request) -> Response:
        """Send a browser to the provider; whoever is signed in goes on."""
        target = local_path(request.state.query.next)
        if request.state.who is not None:
            return RedirectResponse(target, 303, NO_STORE)
        return await self._away(request, {"next": target})

    async def again(self, request: Request) -> Response:
        """Send whoever is signed in to the provider once more."""
        return await self._away(request, {"token": request.state.token})

    async def back(self, request: Request) -> Response:
        """Take what a browser brings back: a session begins, or is fresh again, or the page says why not."""
        given: BackQuery = request.state.query
        said = {"state": given.state, "code": "" if given.error else given.code, "iss": given.iss}
        try:
            answer = await self._ask("account.sso_back", {**said, "binding": request.cookies.get(_cookie(request), "")}, request)
        except RequestRefusedError as refused:
            return refused_page(self._face.render(request, "sso_back.html", refused=refused, again=False, next="/"), refused)
        again = bool(answer.get("again"))
        page = self._face.render(request, "sso_back.html", refused=None, again=again, next=local_path(str(answer.get("next", "/"))))
        if not again:
            set_session(self._face, request, page, str(answer["token"]))
        page.delete_cookie(_cookie(request), path="/", secure=request.url.scheme == "https", httponly=True, samesite="lax")
        self._face.sessions.forget()
        return page

    async def _away(self, request: Request, asked: Mapping[str, Any]) -> Response:
        """Redirect to the provider. Another site's page cannot begin it: then nobody is signed in whom they did not mean to be."""
        if request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}:
            raise RequestRefusedError("origin_foreign")
        answer = await self._ask("account.sso", asked, request)
        response = RedirectResponse(str(answer["url"]), 303, NO_STORE)
        response.set_cookie(
            _cookie(request), str(answer["binding"]), max_age=COOKIE_S, path="/", secure=request.url.scheme == "https", httponly=True,
            samesite="lax",
        )  # fmt: skip
        return response

    async def _ask(self, method: str, params: Mapping[str, Any], request: Request) -> Mapping[str, Any]:
        if self._turns.locked():
            raise RequestRefusedError("busy")
        async with self._turns:
            answer: Mapping[str, Any] = await self._face.ask(method, {**params, "source": source_of(request)}, timeout_s=LOGIN_S)
            return answer


def _cookie(request: Request) -> str:
    """Return the cookie's name; see `sessions.cookie_name`."""
    return f"__Host-{COOKIE}" if request.url.scheme == "https" else COOKIE
