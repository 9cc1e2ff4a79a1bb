"""The configuration over the API: the text in force, what another text would mean, drafts, putting one in force, earlier revisions.

Room: hall, face. `app` puts its rows into the table. Judging and drafting change nothing; `POST /api/v1/config` is the act
`config.edit` through the door, with the revision that its writer saw and a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ledger_client.kinds import Kind
from runtime.faces.feed import CONFIG_TEXT_MAX, RequestRefusedError
from runtime.faces.web.bench_api import passed_on
from runtime.faces.web.face import Face
from runtime.faces.web.rows import RouteRow

VIEW: Final = "view.config"
EDIT: Final = "config.edit"
JUDGE_S: Final = 30.0
REVISIONS_SHOWN: Final = 100
DONE: Final = "done"
WAITS: Final = "config_waits"
Answer = dict[str, Any]
Text = Annotated[str, msgspec.Meta(max_length=CONFIG_TEXT_MAX)]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Name = Annotated[str, msgspec.Meta(max_length=200)]


class ConfigText(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A text to judge; `against` another one than that in force."""

    text: Text
    against: Text | None = None


class ConfigDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One change of the text in force, or of `text`: see `runtime/commissioning/config_requests.py` for what goes with each kind."""

    kind: Name
    text: Text | None = None
    device: Name | None = None
    raw: dict[str, Any] | None = None
    comments: list[Name] | None = None
    template: Name | None = None
    options: dict[str, Any] | None = None
    name: Name | None = None
    changes: dict[str, Any] | None = None
    group: Name | None = None
    period_ms: int | None = None
    tag: dict[str, Any] | None = None
    table: Name | None = None
    key: Name | None = None
    value: bool | int | float | str | None = None
    values: dict[str, Any] | None = None


class ConfigEdit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole text, the revision that its writer saw, and why."""

    text: Text
    expected_revision: int
    reason: Reason


class ConfigNow(msgspec.Struct, frozen=True):
    """The text in force and its number."""

    text: str
    revision: int


class ConfigDone(msgspec.Struct, frozen=True):
    """What became of an edit: the new revision, whether some of it waits for a restart, and the entry that says so.

    `proposal` is not empty where nothing changed yet: it waits for a second engineer, who sees it under that number; `what` says why.
    `kept` is the copy of what somebody had written into the file by hand, which this edit overtook; `waits` the file itself where it could
    not be written, so that what stands in it is looked at at the next start.
    """

    revision: int
    restart_needed: bool
    advice: str
    seq: int | None
    proposal: str = ""
    what: str = ""
    kept: str = ""
    waits: str = ""


class ConfigApi:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        api = "/api/v1/config"
        return [
            RouteRow("GET", api, VIEW, self.now, gives=ConfigNow, doc="api.config.now"),
            RouteRow("POST", api, EDIT, self.edit, takes=ConfigEdit, gives=ConfigDone, doc="api.config.edit"),
            RouteRow("POST", f"{api}/judge", VIEW, self.judge, takes=ConfigText, gives=Answer, doc="api.config.judge"),
            RouteRow("POST", f"{api}/draft", VIEW, self.draft, takes=ConfigDraft, gives=Answer, doc="api.config.draft"),
            RouteRow("GET", f"{api}/revisions", VIEW, self.revisions, gives=Answer, doc="api.config.revisions"),
            RouteRow("GET", f"{api}/revisions/{{number:int}}", VIEW, self.revision, gives=Answer, doc="api.config.revision"),
        ]

    async def now(self, request: Request) -> ConfigNow:
        """The text in force."""
        found = await self._face.ask("config", {}, request)
        return ConfigNow(found["text"], found["revision"])

    async def judge(self, request: Request) -> Response:
        """Every fault with its line, the lines' time, advice, and what would change."""
        return await passed_on(self._face, "config.judge", request.state.body, request, JUDGE_S)

    async def draft(self, request: Request) -> Response:
        """A text with one thing changed, judged."""
        return await passed_on(self._face, "draft", request.state.body, request, JUDGE_S)

    async def edit(self, request: Request) -> ConfigDone:
        """Put a text in force. Raises RequestRefusedError with the outcome's code where the door could not."""
        given: ConfigEdit = request.state.body
        return await put_in_force(self._face, request, given.text, given.expected_revision, given.reason)

    async def revisions(self, request: Request) -> Answer:
        """The newest revisions as the ledger tells of them, newest first: number, parent, SHA-256, who, why, when, entry.

        `until_ms`: until then not all are in the index any more, only in the ledger; null: all are, or there are more than are told.
        """
        query = {"before": None, "limit": REVISIONS_SHOWN, "kind": int(Kind.CONFIG)}
        rows = await self._face.ask_history("entries", query)
        found = []
        for seq, wall_ms, _kind, detail, *_ in rows:
            number, parent, digest, actor, reason = detail
            found.append(
                {"number": number, "parent": parent, "sha256": digest.hex(), "actor": actor, "reason": reason, "at_ms": wall_ms, "seq": seq}
            )
        until_ms = await self._face.ask_history("entries_until", {}) if len(rows) < REVISIONS_SHOWN else None
        return {"revisions": found, "until_ms": until_ms}

    async def revision(self, request: Request) -> Any:
        """The text of an earlier revision, and what putting it in force again would change."""
        number = int(request.path_params["number"])
        found = await self._face.ask("config.revision", {"number": number}, request)
        packed = {"json": msgspec.json.encode({"text": found["text"]})}
        judged = msgspec.json.decode(await self._face.ask("config.judge", packed, request, JUDGE_S))
        return {"number": number, "text": found["text"], "undo": judged}


async def put_in_force(face: Face, request: Request, text: str, expected_revision: int, reason: str) -> ConfigDone:
    """Ask the door for `config.edit`; it may wait for a second engineer.

    Raises RequestRefusedError, with the outcome's code where it was recorded and not done.
    """
    outcome = await face.act(request, EDIT, "", {"text": text}, reason, expected_revision=expected_revision)
    if outcome["code"] == WAITS:
        told = outcome["params"]
        return ConfigDone(expected_revision, False, "", outcome.get("seq"), str(told["proposal"]), str(told["what"]))
    return done_of(outcome)


def done_of(outcome: Mapping[str, Any]) -> ConfigDone:
    """Return what an outcome says. Raises RequestRefusedError with its code where nothing was put in force."""
    if outcome["code"] != DONE:
        raise RequestRefusedError(str(outcome["code"]), **outcome["params"])
    params, seq = outcome["params"], outcome.get("seq")
    restart, (advice, kept, waits) = bool(params.get("restart_needed")), (str(params.get(name, "")) for name in ("advice", "kept", "waits"))
    return ConfigDone(int(params["revision"]), restart, advice, seq, kept=kept, waits=waits)
