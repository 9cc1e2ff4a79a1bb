"""What stands before every endpoint: who asks, whether they may, whether the request is their own, and what it carries.

Room: hall, face. `app` wraps each row with it. It fails closed: a row whose action nobody has is refused, a change that does not come from
our own page is refused, and a body is read to the last byte it may have and decoded strictly before anything else sees it.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from runtime import permissions
from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.answers import NO_STORE, THEMES, as_json, language
from runtime.faces.web.problems import answer_headers, is_by_role, problem, status_of
from runtime.faces.web.rows import ANYONE, SIGNED_IN, RouteRow
from runtime.faces.web.sessions import Caller, Who, cookie_name
from runtime.faces.web.texts import as_typed, blank_in
from runtime.messages.catalogue import LANGUAGES

if TYPE_CHECKING:
    from runtime.faces.web.face import Face

BODY_SIZE_MAX: Final = 1 << 20
BODY_S: Final = 20.0
FIELDS_MAX: Final = 200
SAFE: Final = ("GET", "HEAD")
CSRF_HEADER: Final = "x-witnessmark-token"
NO_REASON: Final = ("Object missing required field `reason`", "Expected `str`, got `null` - at `$.reason`")
"""How the decoder says that there is no reason: left out, null."""
EMPTY: Final = re.compile(r"Expected `str` of length >= 1 - at `\$\.(\w+)`")
"""How it says that a text is empty."""
LACKING: Final = re.compile(r"Object missing required field `(\w+)`")
"""How it says that a field is not there."""
PREFERENCES: Final[Mapping[str, tuple[str, ...]]] = {"lang": LANGUAGES, "theme": THEMES, "first": ("later",)}
PREFERENCE_AGE_S: Final = 31_536_000
Answering = Callable[[Request], Awaitable[Response]]


def guarded(face: Face, row: RouteRow) -> Answering:
    """Return a row's endpoint behind all checks; refusals become worded answers."""

    async def answer(request: Request) -> Response:
        try:
            response = await _answer(face, row, request)
        except RequestRefusedError as refused:
            response = refusal(face, request, refused, is_page=row.is_page)
        if row.is_page:
            keep_preferences(request, response)
        return response

    return answer


async def _answer(face: Face, row: RouteRow, request: Request) -> Response:
    await admit(face, row, request)
    if row.method not in SAFE:
        check_origin(request)
    request.state.query = None if row.query is None else _converted(dict(request.query_params), row.query, "query_invalid")
    raw = await _body(request) if row.method not in SAFE else b""
    fields = _fields(raw) if _is_form(row, request) else {}
    if row.method not in SAFE:
        check_token(request, row, fields.pop("csrf", None))
    request.state.body = None
    if row.takes is not None:
        request.state.body = _converted(fields, row.takes, "body_unreadable") if _is_form(row, request) else _decoded(raw, row.takes)
        if (blank := blank_in(request.state.body)) is not None:
            raise _missing(blank)
    found = await row.endpoint(request)
    if isinstance(found, Response):
        return found
    return as_json(found)


async def admit(face: Face, row: RouteRow, request: Request) -> None:
    """Find out who asks and put it into `request.state`. Raises RequestRefusedError unless they may do the row's action."""
    caller, state = await face.sessions.caller(request, quiet=not row.is_page), await face.sessions.state()
    request.state.who, request.state.token, request.state.way = caller.who, caller.token, caller.way
    request.state.accounts = state
    request.state.may = lambda action: may(caller.who, action, open_view=bool(state.get("open_view")))
    request.state.lang = language(request)
    if row.action == ANYONE:
        return
    if caller.way == "bearer" and caller.who is None:
        raise caller.fault or RequestRefusedError("sign_in_needed")
    if request.state.may(row.action):
        return
    if caller.who is not None and caller.who.get("must_change"):
        raise RequestRefusedError("password_must_change")
    if caller.who is None:
        raise _stranger(caller, is_unheard=bool(state.get("unheard")))
    raise RequestRefusedError("permission_denied", action=row.action)


def _stranger(caller: Caller, *, is_unheard: bool) -> RequestRefusedError:
    """Return why somebody without a session is refused; a core that is away is no reason to sign in again."""
    if caller.fault is not None and caller.fault.code in {"core_away", "request_timeout"}:
        return caller.fault
    if is_unheard:
        return RequestRefusedError("core_away")
    return RequestRefusedError("sign_in_needed")


def may(who: Who | None, action: str, *, open_view: bool) -> bool:
    """Tell whether somebody may see or ask for something; the core decides once more about every act."""
    if action == ANYONE:
        return True
    if action == SIGNED_IN:
        return who is not None
    return permissions.who_may(who, action, open_view=open_view)


def check_origin(request: Request) -> None:
    """Refuse a change that another site's page sends. A Bearer token is no cookie: nobody else's browser has it."""
    if request.state.way == "bearer":
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    own = f"{request.url.scheme}://{request.headers.get('host', '')}"
    if site is not None and site != "same-origin":
        raise RequestRefusedError("origin_foreign")
    if origin is not None and origin != own:
        raise RequestRefusedError("origin_foreign")
    if site is None and origin is None:
        raise RequestRefusedError("origin_foreign")


def check_token(request: Request, row: RouteRow, field: str | None) -> None:
    """Refuse a change by cookie that does not carry the session's own token; before anybody signed in there is none."""
    if request.state.way == "bearer" or request.state.who is None:
        return
    given = request.headers.get(CSRF_HEADER) or (field if row.form else None) or ""
    if not hmac.compare_digest(given.encode(), str(request.state.who.get("csrf", "")).encode()) or not given:
        raise RequestRefusedError("csrf_missing")


def refusal(face: Face, request: Request, refused: RequestRefusedError, *, is_page: bool) -> Response:
    """Return a refusal: to a program as a problem, to a person as a page, or the way to sign in."""
    if not hasattr(request.state, "lang"):
        request.state.lang = language(request)
    if not is_page:
        return problem(refused, request.state.lang, by_role=is_by_role(request))
    if status_of(refused.code) == 401:
        claimed = getattr(request.state, "accounts", {}).get("claimed", True)
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        response: Response = RedirectResponse(f"/login?next={quote(target)}" if claimed else "/claim", 303, NO_STORE)
        if request.cookies.get(cookie_name(request)):
            response.delete_cookie(cookie_name(request), path="/", secure=request.url.scheme == "https", httponly=True, samesite="strict")
        return response
    if refused.code == "password_must_change" and request.url.path != "/password":
        return RedirectResponse("/password", 303, NO_STORE)
    page = face.render(request, "error.html", here="", refused=refused, status=status_of(refused.code))
    page.status_code = status_of(refused.code)
    page.headers.update(answer_headers(refused))
    return page


def local_path(text: str | None) -> str:
    """Return where to go after signing in: a path of ours, or the first page for anything that might lead elsewhere."""
    wanted = text or "/"
    leads_away = wanted[:1] != "/" or wanted[1:2] == "/" or "\\" in wanted  # to a browser `///host` is another site as well
    return "/" if leads_away or any(ord(char) < 33 for char in wanted) else wanted


def keep_preferences(request: Request, response: Response) -> None:
    """Remember `?lang=`, `?theme=` and `?first=later` of this browser: preferences, no secrets."""
    for name, known in PREFERENCES.items():
        asked = request.query_params.get(name)
        if asked in known and asked != request.cookies.get(name):
            response.set_cookie(name, asked, max_age=PREFERENCE_AGE_S, path="/", secure=request.url.scheme == "https", samesite="lax")


def _is_form(row: RouteRow, request: Request) -> bool:
    return row.form and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


async def _body(request: Request) -> bytes:
    """Return the whole body. Raises RequestRefusedError `body_too_large`, or `request_timeout` for one that trickles."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                size += len(part)
                if size > BODY_SIZE_MAX:
                    raise RequestRefusedError("body_too_large", size_max=BODY_SIZE_MAX)
                parts.append(part)
    except TimeoutError as error:
        raise RequestRefusedError("request_timeout", method="body", timeout_s=BODY_S) from error
    except ClientDisconnect as error:
        raise RequestRefusedError("body_unreadable", detail="the request ended early") from error
    return b"".join(parts)


def _fields(raw: bytes) -> dict[str, Any]:
    try:
        return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError as error:
        raise RequestRefusedError("body_unreadable", detail=str(error)[:200]) from error


def _decoded(raw: bytes, kind: type[msgspec.Struct]) -> Any:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(error, "body_unreadable", kind) from error


def _converted(fields: dict[str, Any], kind: type[msgspec.Struct], code: str) -> Any:
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.MsgspecError as error:
        raise _unreadable(error, code, kind) from error


def _unreadable(error: Exception, code: str, kind: type[msgspec.Struct]) -> RequestRefusedError:
    """Return the refusal of what does not decode; where nothing but a text, or a part of the address, is missing it names it, in words."""
    text = str(error)
    empty = EMPTY.fullmatch(text)
    if empty is not None and empty[1] in as_typed(kind):
        return RequestRefusedError("secret_missing", field=empty[1])
    lacking = LACKING.fullmatch(text) if code == "query_invalid" else None
    if lacking is not None:
        return RequestRefusedError("query_lacks", field=lacking[1])
    if empty is not None or text in NO_REASON:
        return _missing(empty[1] if empty is not None else "reason")
    return RequestRefusedError(code, detail=text[:200])


def _missing(field: str) -> RequestRefusedError:
    """Return the refusal of a text that is empty or has only blanks; of a reason it is the core's own."""
    return RequestRefusedError("reason_missing" if field == "reason" else "text_missing", field=field)
