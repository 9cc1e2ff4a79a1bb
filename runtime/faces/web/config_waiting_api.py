"""Edits of the configuration that wait for a second engineer, over the API: which there are, what each changes, and approving one.

Room: hall, face. `setup_pages` puts its rows into the table. It decides nothing: what waits, who may approve and whether it was the text
that was looked at are the core's.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request

from runtime.faces.web.command_pages import ActId, Reason, Signed
from runtime.faces.web.config_api import JUDGE_S, VIEW, Answer, ConfigDone, done_of
from runtime.faces.web.face import Face
from runtime.faces.web.rows import RouteRow

APPROVE: Final = "config.approve"
Key = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class ApproveEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The SHA-256 of the text that was looked at, why, and what the person's own key signed."""

    sha256: Key
    reason: Reason
    act: ActId = ""
    approval: Signed | None = None


class WaitingRow(msgspec.Struct, frozen=True):
    """An edit that waits: who asked, why, what of commanding it changes, how long it waits yet, and whether whoever looks asked for it."""

    id: str
    by: str
    reason: str
    what: str
    parent: int
    sha256: str
    made_ms: int
    left_ms: int
    own: bool


class WaitingRows(msgspec.Struct, frozen=True):
    """All that wait. `self_approval`: whether the site lets people approve what they asked for."""

    waiting: list[WaitingRow]
    self_approval: bool


class ConfigWaitingApi:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        api = "/api/v1/config/waiting"
        return [
            RouteRow("GET", api, VIEW, self.waiting, gives=WaitingRows, doc="api.config.waiting"),
            RouteRow("GET", f"{api}/{{id}}", VIEW, self.one, gives=Answer, doc="api.config.waiting.one"),
            RouteRow("POST", f"{api}/{{id}}/approve", APPROVE, self.approve, takes=ApproveEdit, gives=ConfigDone, doc="api.config.approve"),
        ]

    async def waiting(self, request: Request) -> WaitingRows:
        """What waits, oldest first."""
        found = await self._face.ask("config.waiting", {}, request)
        return WaitingRows([_row(each, request) for each in found["waiting"]], found["self_approval"])

    async def one(self, request: Request) -> Any:
        """One of them, judged: what it would change of the text in force."""
        found = await self._face.ask("config.waiting", {"id": request.path_params["id"]}, request)
        packed = {"json": msgspec.json.encode({"text": found["text"]})}
        judged = msgspec.json.decode(await self._face.ask("config.judge", packed, request, JUDGE_S))
        return {"edit": msgspec.to_builtins(_row(found, request)), "would": judged}

    async def approve(self, request: Request) -> ConfigDone:
        """Put one in force that somebody else asked for. Raises RequestRefusedError with the outcome's code where the door could not."""
        given: ApproveEdit = request.state.body
        approval = None if given.approval is None else msgspec.to_builtins(given.approval)
        params = {"proposal": request.path_params["id"], "sha256": given.sha256}
        act_id = bytes.fromhex(given.act) or None
        return done_of(await self._face.act(request, APPROVE, "", params, given.reason, act_id=act_id, approval=approval))


def _row(found: dict[str, Any], request: Request) -> WaitingRow:
    who = getattr(request.state, "who", None) or {}
    names = ("id", "by", "reason", "what", "parent", "sha256", "made_ms", "left_ms")
    own = who.get("kind") == "person" and who.get("name") == found["name"]
    return WaitingRow(**{name: found[name] for name in names}, own=own)
