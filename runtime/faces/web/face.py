"""What all parts of the web face share: the feed, who asks, acts through the door, and a page's frame.

Room: hall, face. `app` makes one; each part is made with it. It holds no account and no secret: a request's own token goes with what the
request asks of the core, and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from ledger_client.errors import FormatError
from ledger_client.policy_text import policy_fingerprint
from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import FeedClient, ask_once
from runtime.faces.web import pages
from runtime.faces.web.alarm_titles import AlarmTitles
from runtime.faces.web.answers import NO_STORE, language, theme
from runtime.faces.web.assets import Assets
from runtime.faces.web.nav import navigation
from runtime.faces.web.problems import is_by_role
from runtime.faces.web.sessions import Sessions
from runtime.faces.web.site_zone import moment_in, offset, zone_name, zone_of
from runtime.faces.web.stream import Fanout
from runtime.messages.page_reader import PageReader, doer
from runtime.messages.refusals import refused_text
from runtime.messages.status_words import device_state
from runtime.messages.units import unit_sign

HISTORY_TIMEOUT_S: Final = 10.0
ASK_S: Final = 10.0
ACT_S: Final = 60.0
ACT_ID_BYTES: Final = 16
POLICY_SIZE_MAX: Final = 64 << 10
More = Callable[[Request], Mapping[str, Any]]
"""What a part adds to the context of every page, such as the alarms of the banner."""


@dataclass(frozen=True, slots=True)
class FaceOptions:
    """What the configuration and the command line say. `verifier` is the address of the site's own verifier page, empty for ours."""

    verifier: str = ""
    policy: Path | None = None
    certificate: Path | None = None
    """The folder of the page's certificate."""


class Face:
    """`render` a page, `act` through the door, `ask` the core, `ask_history` the history process."""

    def __init__(self, feed: FeedClient, fanout: Fanout, history: Path, options: FaceOptions | None = None) -> None:
        self.feed, self.fanout, self.history = feed, fanout, history
        self.options = options or FaceOptions()
        self.assets, self.sessions = Assets(), Sessions(feed)
        self._titles = AlarmTitles(feed)
        fanout.mark = self.assets.mark
        self._brand = Markup(self.assets.text("mark.svg"))  # noqa: S704  our own drawing, in the page so that it costs no request
        self.on_every_page: list[More] = []
        loader = jinja2.PackageLoader("runtime.faces.web", "templates")
        self.templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)

    async def ask(self, method: str, params: Mapping[str, Any], request: Request | None = None, timeout_s: float = ASK_S) -> Any:
        """Ask the core; with `request`, as whoever sent it. Raises RequestRefusedError."""
        token = getattr(request.state, "token", None) if request is not None else None
        return await self.feed.request(method, {**params, **({"token": token} if token else {})}, timeout_s)

    async def act(
        self, request: Request, action: str, target: str = "", params: Mapping[str, Any] | None = None, reason: str = "", *,
        expected_revision: int | None = None, act_id: bytes | None = None, approval: Any = None,
    ) -> Mapping[str, Any]:  # fmt: skip
        """Have the door do something as whoever sent the request; return its outcome {code, params, seq}, `code` "done" when it was.

        Raises RequestRefusedError when nothing was done and nothing recorded. `act_id` (16 bytes) makes asking again the same act.
        Passwords among the params are recorded nowhere; what is shown once comes back as `told`.
        """
        wanted: dict[str, Any] = {
            "id": act_id or os.urandom(ACT_ID_BYTES), "action": action, "target": target, "params": dict(params or {}), "reason": reason,
        }  # fmt: skip
        if expected_revision is not None:
            wanted["expected_revision"] = expected_revision
        if approval is not None:
            wanted["approval"] = approval
        outcome: Mapping[str, Any] = await self.ask("act", wanted, request, ACT_S)
        return outcome

    async def ask_history(self, method: str, params: Mapping[str, Any]) -> Any:
        """Ask the history process. Raises RequestRefusedError, `history_away` when it does not run."""
        try:
            return await ask_once(self.history, "web", method, params, HISTORY_TIMEOUT_S)
        except RequestRefusedError as error:
            raise RequestRefusedError("history_away") if error.code == "core_away" else error from error

    async def reader(self, request: Request) -> PageReader:
        """Return whom the words of this page are for: their zone, units, sentences of alarms, and whether they audit."""
        units = {str(tag[1]): unit_sign(str(tag[3])) for tag in self.feed.tags.values()}
        titles = await self._titles.told() if request.state.may("view.alarms") else {}
        return replace(self.zoned(request), units=units, titles=titles, audits=request.state.may("view.audit"))

    def zoned(self, request: Request) -> PageReader:
        """Return a reader of whom only the zone matters."""
        named = zone_name(self.feed.health, getattr(request.state, "who", None))
        return PageReader(zone_of(named) if named else None)

    def policy(self) -> bytes:
        """Return the policy that this ledger's genesis names. Blocking. Raises OSError when there is none."""
        if self.options.policy is None:
            raise FileNotFoundError
        with self.options.policy.open("rb") as file:
            return file.read(POLICY_SIZE_MAX)

    def policy_fingerprint(self) -> str:
        """Return what two people compare of that policy, as the verifier shows it; empty where there is none to read. Blocking."""
        try:
            return policy_fingerprint(self.policy())
        except (OSError, FormatError):
            return ""

    def render(self, request: Request, template: str, **more: Any) -> HTMLResponse:
        """Return a page: the template with the frame's own context and `more`; `here` names the tab in `nav` that it belongs to."""
        lang = language(request)
        may = getattr(request.state, "may", _may_view)
        abnormal = pages.abnormal_models(self.feed.models, self.feed.health)
        level, text = pages.sentence(
            self.feed.tags,
            self.feed.values,
            self.feed.health,
            link=self.feed.connected,
            lang=lang,
            abnormal=abnormal,
            silent_ms=self.feed.silent_ms(),
        )
        destinations, tabs = navigation(str(more.get("here", "")), may)
        named = zone_name(self.feed.health, getattr(request.state, "who", None))
        zone = zone_of(named)
        context: dict[str, Any] = {
            "lang": lang,
            "theme": theme(request),
            "t": lambda code, /, **params: refused_text(code, params, lang, by_role=is_by_role(request)),
            "static": self.assets.address,
            "mark": self.assets.mark,
            "brand": self._brand,
            "who": getattr(request.state, "who", None),
            "accounts": getattr(request.state, "accounts", {}),
            "may": may,
            "nav": destinations,
            "tabs": tabs,
            "abnormal": abnormal,
            "level": level,
            "sentence": text,
            "is_heard": self.feed.connected,
            "silent_ms": self.feed.silent_ms(),
            "health": self.feed.health if may("view.values") else {},
            "points": self.fanout.points,
            "moment": lambda wall_ms: moment_in(wall_ms, zone),
            "zone_name": named,
            "zone_offset": offset(self.feed.health.get("now_ms"), zone),
            "doer": lambda text: doer(text, lang),
            "show_age": pages.show_age,
            "device_state": device_state,
            "whole": pages.show_count,
            "gaps": pages.show_gaps(self.feed.health, lang, is_heard=self.feed.connected),
            "here": "",
        }
        for part in self.on_every_page:
            context.update(part(request))
        return HTMLResponse(self.templates.get_template(template).render(context | more), headers=NO_STORE)


def _may_view(action: str) -> bool:
    return action.startswith("view.")
