"""Diagnostics on the page: processes and queues, the log, probes, and a bundle that is looked at before it is handed out.

Room: hall, face. `admin_parts` takes it into the table. It words what the core says and passes on what the core made; it redacts nothing by
itself and reads no file. A bundle's bytes come from the core as they were previewed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.answers import NO_STORE, language
from runtime.faces.web.face import Face
from runtime.faces.web.log_lines import LEVELS, LogRow, rows_of
from runtime.faces.web.rows import RouteRow

VIEW, BUNDLE, PROBE = "view.diagnostics", "diag.bundle", "diag.probe"
SLOW_S: Final = 30.0
PROBE_S: Final = 12.0
ARCHIVE_BYTES_MAX: Final = 8 << 20
Answer = dict[str, Any]
Host = Annotated[str, msgspec.Meta(min_length=1, max_length=253)]
FileName = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class LogQuery(msgspec.Struct, frozen=True):
    """Lines after this number, of this level or a worse one, in which `find` stands; the newest `limit` of them."""

    after: Annotated[int, msgspec.Meta(ge=0, le=1 << 53)] = 0
    level: str = LEVELS[0]
    find: Annotated[str, msgspec.Meta(max_length=100)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=2000)] = 500


class LogAnswer(msgspec.Struct, frozen=True):
    """Lines, oldest first; `newest` is where to go on; `missed` lines were said after `after` and are not among them."""

    lines: list[LogRow]
    newest: int
    missed: int


class PartRow(msgspec.Struct, frozen=True):
    """One file of a bundle."""

    name: str
    size_bytes: int
    sha256: str


class Preview(msgspec.Struct, frozen=True):
    """A snapshot that waits, for half an hour, to be looked at and handed out."""

    id: str
    made_ms: int
    gateway: str
    files: list[PartRow]


class MakeBundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which snapshot, without which of its files, and why."""

    id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    leave_out: Annotated[list[FileName], msgspec.Meta(max_length=50)] = []


class Made(msgspec.Struct, frozen=True):
    """The archive, and the entry that says who took it."""

    sha256: str
    size_bytes: int
    files: int
    seq: int | None


class Probe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What to try: `name`, `tcp`, `tls` or `modbus`; of the last also a unit, and a register to read instead of asking what it is."""

    kind: Annotated[str, msgspec.Meta(pattern="^(name|tcp|tls|modbus)$")]
    host: Host
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    unit: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    table: Annotated[str, msgspec.Meta(pattern="^(holding|input)$")] = "holding"
    address: Annotated[int, msgspec.Meta(ge=0, le=65535)] | None = None


class DiagnosticsPages:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        api = "/api/v1/diagnostics"
        part, archive = f"{api}/bundles/{{id}}/files/{{name}}", f"{api}/bundles/{{id}}"
        return [
            RouteRow("GET", "/diagnostics", VIEW, self.page, doc="page.diagnostics", is_page=True),
            RouteRow("GET", f"{api}/state", VIEW, self.state, gives=Answer, doc="api.diagnostics.state"),
            RouteRow("GET", f"{api}/log", VIEW, self.log, query=LogQuery, gives=LogAnswer, doc="api.diagnostics.log"),
            RouteRow("POST", f"{api}/preview", BUNDLE, self.preview, gives=Preview, doc="api.diagnostics.preview"),
            RouteRow("GET", part, BUNDLE, self.part, doc="api.diagnostics.part", media="text/plain"),
            RouteRow("POST", f"{api}/bundles", BUNDLE, self.make, takes=MakeBundle, gives=Made, doc="api.diagnostics.make"),
            RouteRow("GET", archive, BUNDLE, self.archive, doc="api.diagnostics.archive", media="application/zip"),
            RouteRow("GET", f"{api}/targets", PROBE, self.targets, gives=Answer, doc="api.diagnostics.targets"),
            RouteRow("POST", f"{api}/probe", PROBE, self.probe, takes=Probe, gives=Answer, doc="api.diagnostics.probe"),
        ]

    async def page(self, request: Request) -> Response:
        """The frame; the rest comes over the API."""
        return self._face.render(request, "diagnostics.html", here="diagnostics")

    async def state(self, request: Request) -> Answer:
        """Processes, event loop, queues, memory, disk."""
        found: Answer = await self._face.ask("diag.state", {"quiet": True}, request)
        return found

    async def log(self, request: Request) -> LogAnswer:
        """The newest lines in words."""
        query: LogQuery = request.state.query
        if query.level not in LEVELS:
            raise RequestRefusedError("query_invalid", detail=f"level: {', '.join(LEVELS)}")
        found = await self._face.ask("diag.log", {"after": query.after, "quiet": True}, request)
        lines = rows_of(found["lines"], language(request), query.level, query.find)
        return LogAnswer(lines[-query.limit :], found["newest"], found["missed"] + max(0, len(lines) - query.limit))

    async def preview(self, request: Request) -> Preview:
        """Take a snapshot and say what is in it."""
        found = await self._face.ask("diag.preview", {}, request, SLOW_S)
        return msgspec.convert(found, Preview)

    async def part(self, request: Request) -> Response:
        """One file of a snapshot, byte for byte as it would be handed out."""
        asked = {"id": request.path_params["id"][:40], "name": request.path_params["name"][:100]}
        found = await self._face.ask("diag.part", asked, request)
        return Response(found["data"], headers=NO_STORE, media_type="text/plain; charset=utf-8")

    async def make(self, request: Request) -> Made:
        """Have the door make the archive and record who takes it."""
        given: MakeBundle = request.state.body
        outcome = await self._face.act(request, BUNDLE, given.id, {"leave_out": ",".join(given.leave_out)}, given.reason)
        if outcome["code"] != "done":
            raise RequestRefusedError(str(outcome["code"]), **outcome["params"])
        told = outcome["params"]
        return Made(str(told["sha256"]), int(told["size_bytes"]), int(told["files"]), outcome.get("seq"))

    async def archive(self, request: Request) -> Response:
        """The archive that was made."""
        asked = {"id": request.path_params["id"][:40]}
        data = b""
        while True:
            found = await self._face.ask("diag.archive", {**asked, "offset": len(data)}, request)
            data += found["data"]
            if len(data) >= min(int(found["size_bytes"]), ARCHIVE_BYTES_MAX) or not found["data"]:
                break
        made = datetime.fromtimestamp(found["made_ms"] / 1000, UTC)
        name = f"witnessmark-diagnostics-{made:%Y%m%dT%H%M%SZ}.zip"
        headers = {**NO_STORE, "content-disposition": f'attachment; filename="{name}"'}
        return Response(data, headers=headers, media_type="application/zip")

    async def targets(self, request: Request) -> Answer:
        """The addresses of the configuration, and whether others may be tried."""
        found: Answer = await self._face.ask("diag.targets", {}, request)
        return found

    async def probe(self, request: Request) -> Answer:
        """Try it once."""
        given: Probe = request.state.body
        asked = {"kind": given.kind, "host": given.host, "port": given.port, "table": given.table}
        more = {name: value for name, value in (("unit", given.unit), ("address", given.address)) if value is not None}
        found: Answer = await self._face.ask("diag.probe", asked | more, request, PROBE_S)
        return found
