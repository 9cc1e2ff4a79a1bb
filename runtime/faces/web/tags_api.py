"""A device's tags as a table over the API: shown, judged as edited or as a file, put in force, taken along as a file.

Room: hall, face. `app` puts its rows into the table. What a table makes of the configuration is worked out by the core; a fault
names row and column, and while there is one nothing is put in force.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.answers import NO_STORE
from runtime.faces.web.bench_api import passed_on
from runtime.faces.web.config_api import EDIT, VIEW, ConfigDone, Reason, put_in_force
from runtime.faces.web.face import Face
from runtime.faces.web.rows import RouteRow

TABLE_S: Final = 30.0
Answer = dict[str, Any]
Cell = str | int | float | bool | None


class TagTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of the page, or a `file` in base64 with its `encoding` (empty: found out). `remove`: tags without a row go."""

    columns: Annotated[list[Annotated[str, msgspec.Meta(max_length=100)]], msgspec.Meta(max_length=200)] = []
    rows: list[list[Cell]] = []
    file: str = ""
    encoding: Annotated[str, msgspec.Meta(max_length=20)] = ""
    remove: bool = False


class TagEdit(TagTable, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table to put in force, the revision that its writer saw, and why."""

    expected_revision: int
    reason: Reason


class TagQuery(msgspec.Struct, frozen=True):
    """`every=1`: all columns that there may be, not only those in use; `semicolons=1`: for spreadsheets that write 0,1."""

    every: int = 0
    semicolons: int = 0


class TagsApi:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        api = "/api/v1/tags/{device}"
        return [
            RouteRow("GET", api, VIEW, self.table, query=TagQuery, gives=Answer, doc="api.tags.table"),
            RouteRow("POST", api, EDIT, self.edit, takes=TagEdit, gives=ConfigDone, doc="api.tags.edit"),
            RouteRow("POST", f"{api}/judge", VIEW, self.judge, takes=TagTable, gives=Answer, doc="api.tags.judge"),
            RouteRow("GET", f"{api}/file", VIEW, self.file, query=TagQuery, doc="api.tags.file", media="text/csv"),
        ]

    async def table(self, request: Request) -> Response:
        """The tags, a row each."""
        every = bool(request.state.query.every)
        return await passed_on(self._face, "tags.table", {"device": _device(request), "every": every}, request, TABLE_S)

    async def judge(self, request: Request) -> Response:
        """What a table would change, or every fault by row and column."""
        return await passed_on(self._face, "tags.judge", _asked(request), request, TABLE_S)

    async def edit(self, request: Request) -> ConfigDone:
        """Put a table in force, all of it or nothing."""
        given: TagEdit = request.state.body
        packed = {"json": msgspec.json.encode(_asked(request))}
        judged = msgspec.json.decode(await self._face.ask("tags.judge", packed, request, TABLE_S))
        if judged["revision"] != given.expected_revision:
            raise RequestRefusedError("revision_conflict", revision=judged["revision"])
        if judged["faults"]:
            first = judged["faults"][0]
            raise RequestRefusedError("tags_table_faults", count=len(judged["faults"]), row=first["row"], column=first["column"] or "-")
        return await put_in_force(self._face, request, judged["text"], given.expected_revision, given.reason)

    async def file(self, request: Request) -> Response:
        """The tags as a file that spreadsheets open."""
        query, device = request.state.query, _device(request)
        asked = {"device": device, "every": bool(query.every), "semicolons": bool(query.semicolons)}
        data = await self._face.ask("tags.sheet", asked, request, TABLE_S)
        name = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "_" for letter in device)
        headers = {**NO_STORE, "content-disposition": f'attachment; filename="{name}-tags.csv"'}
        return Response(data, media_type="text/csv; charset=utf-8", headers=headers)


def _asked(request: Request) -> dict[str, Any]:
    given: TagTable = request.state.body
    table = {"file": given.file} if given.file else {"columns": given.columns, "rows": given.rows}
    return {"device": _device(request), "remove": given.remove, "encoding": given.encoding, **table}


def _device(request: Request) -> str:
    return str(request.path_params["device"])
