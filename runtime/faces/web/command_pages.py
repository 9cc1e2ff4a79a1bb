"""Commands on the page and over the API: what may be written, a command shown before it is confirmed, approvals, the read-only switch.

Room: hall, face. `app` puts its rows into the table. It words what the core's desk says and decides nothing: tickets, limits, interlocks
and who may do what are the core's.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from runtime.faces.web.answers import language
from runtime.faces.web.face import Face
from runtime.faces.web.problems import said
from runtime.faces.web.rows import RouteRow
from runtime.messages.catalogue import word
from runtime.messages.command_words import act_text, condition_text, headline, outcome_text, refusal_text

PREPARE_S = 15.0
Target = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=500, description="Why; recorded with who. Not blank.")]
Text = Annotated[str, msgspec.Meta(max_length=1000)]
ActId = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{32})?$")]
"""Of the act, where a person's key signed it or where it may be asked for again; empty: the page's server makes one."""
Number = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Value = bool | Number | float | Text | None


class Prepare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to write where; of a method (`device/name()`) `arguments` instead of `value`, each as `type:value`."""

    target: Target
    value: Value = None
    arguments: Annotated[list[Text], msgspec.Meta(max_length=20)] = []


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person's own key signed about an act: see docs/accounts.md."""

    meaning: Target
    time_ms: Number
    signature: Target


class Confirm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A prepared command as it was shown, and why."""

    nonce: Target
    target: Target
    value: Value
    old: Value
    reason: Reason
    act: ActId = ""
    approval: Signed | None = None


class Approve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command that waits, as it was shown, and why."""

    proposal: Target
    target: Target
    value: Value
    old: Value
    reason: Reason
    act: ActId = ""
    approval: Signed | None = None


class Switch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The read-only switch of a device, or of the gateway (`device` empty)."""

    on: bool
    reason: Reason
    device: Text = ""


class Commands(msgspec.Struct, frozen=True):
    """What may be commanded and how it stands; see docs/commands.md."""

    now_ms: int
    writes: dict[str, Any]
    points: list[dict[str, Any]]
    waiting: list[dict[str, Any]]
    unsure: list[str]
    self_approval: bool


class Acts(msgspec.Struct, frozen=True):
    """The newest acts that reach a device, newest first."""

    acts: list[dict[str, Any]]


class Shown(msgspec.Struct, frozen=True):
    """A command as a person must see it; `nonce` confirms it once, within `left_ms`, and is null where `refusal` says why not.

    `value` is what is really sent, and what confirming takes; `asked` what was asked for where that was rounded, else null.
    """

    nonce: str | None
    left_ms: int
    target: str
    value: Any
    asked: Any
    old: Any
    revision: int
    unit: str
    type: str
    exponent: int | None
    risk: str
    second_person: bool
    conditions: list[dict[str, Any]]
    refusal: dict[str, Any] | None
    text: str


class Done(msgspec.Struct, frozen=True):
    """What became of an act: `code`, its words, and the entry that says so (null while it is not recorded)."""

    code: str
    text: str
    params: dict[str, Any]
    seq: int | None


class CommandPages:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face
        face.on_every_page.append(self._read_only)

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        api = "/api/v1/commands"
        return [
            RouteRow("GET", "/commands", "command.prepare", self.page, doc="page.commands", is_page=True),
            RouteRow("GET", api, "view.values", self.state, gives=Commands, doc="api.commands"),
            RouteRow("GET", f"{api}/history", "view.values", self.history, gives=Acts, doc="api.commands.history"),
            RouteRow("POST", f"{api}/prepare", "command.prepare", self.prepare, takes=Prepare, gives=Shown, doc="api.commands.prepare"),
            RouteRow("POST", f"{api}/confirm", "command.confirm", self.confirm, takes=Confirm, gives=Done, doc="api.commands.confirm"),
            RouteRow("POST", f"{api}/approve", "command.approve", self.approve, takes=Approve, gives=Done, doc="api.commands.approve"),
            RouteRow("POST", "/api/v1/read-only", "gateway.read_only", self.switch, takes=Switch, gives=Done, doc="api.read_only"),
        ]

    def _read_only(self, request: Request) -> dict[str, Any]:
        """What every page says while something is switched to read-only."""
        found = self._face.feed.health.get("writes", {}).get("read_only", [])
        if not found or not request.state.may("view.values"):
            return {"read_only": ""}
        lang = language(request)
        names = [each["device"] for each in found]
        what = word("web.read_only.all", None, lang) if "" in names else ", ".join(names)
        return {"read_only": word("web.read_only", {"what": what}, lang)}

    async def page(self, request: Request) -> Response:
        """The page; its module fills it."""
        return self._face.render(request, "commands.html", here="commands")

    async def state(self, request: Request) -> Commands:
        """What may be commanded now."""
        found, lang = await self._face.ask("commands", {}, request), said(request)
        cause = found["writes"]["cause"]
        writes = {**found["writes"], "text": word(cause, found["writes"]["params"], lang) if cause else ""}
        waiting = [{**each, "text": headline(each, lang)} for each in found["waiting"]]
        points = [{**each, "conditions": _worded(each["conditions"], lang)} for each in found["points"]]
        return Commands(found["now_ms"], writes, points, waiting, found["unsure"], found["self_approval"])

    async def history(self, request: Request) -> Acts:
        """What became of the newest ones."""
        found, lang = await self._face.ask("command.history", {}, request), said(request)
        return Acts([{**each, "text": act_text(each, lang), "outcome": outcome_text(each, lang)} for each in found["acts"]])

    async def prepare(self, request: Request) -> Shown:
        """Say what would be done, and whether it may be."""
        given: Prepare = request.state.body
        value = list(given.arguments) if given.target.endswith("()") else given.value
        seen = await self._face.ask("command.prepare", {"target": given.target, "value": value}, request, PREPARE_S)
        lang, refusal = said(request), seen["refusal"]
        if refusal is not None:
            refusal = {**refusal, "text": refusal_text(refusal["code"], refusal["params"], lang)}
        return Shown(**{**seen, "conditions": _worded(seen["conditions"], lang), "refusal": refusal, "text": headline(seen, lang)})

    async def confirm(self, request: Request) -> Done:
        """Do what was shown."""
        given: Confirm = request.state.body
        params = {"nonce": given.nonce, "value": given.value, "old": given.old}
        return self._told(request, await self._act(request, "command.confirm", given, params))

    async def approve(self, request: Request) -> Done:
        """Let happen what somebody else asked for."""
        given: Approve = request.state.body
        params = {"proposal": given.proposal, "value": given.value, "old": given.old}
        return self._told(request, await self._act(request, "command.approve", given, params))

    async def switch(self, request: Request) -> Done:
        """Turn the read-only switch."""
        given: Switch = request.state.body
        return self._told(request, await self._face.act(request, "gateway.read_only", given.device, {"on": given.on}, given.reason))

    async def _act(self, request: Request, action: str, given: Confirm | Approve, params: dict[str, Any]) -> Any:
        approval = None if given.approval is None else msgspec.to_builtins(given.approval)
        act_id = bytes.fromhex(given.act) or None
        return await self._face.act(request, action, given.target, params, given.reason, act_id=act_id, approval=approval)

    def _told(self, request: Request, outcome: Any) -> Done:
        text = outcome_text({"code": outcome["code"], "told": outcome["params"]}, said(request))
        return Done(outcome["code"], text, dict(outcome["params"]), outcome["seq"])


def _worded(conditions: list[dict[str, Any]], lang: str) -> list[dict[str, Any]]:
    return [{**each, "text": condition_text(each, lang)} for each in conditions]
