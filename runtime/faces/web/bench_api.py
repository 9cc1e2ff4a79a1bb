"""The register bench and adding devices, for programs and for the pages' islands: looks at devices, scans, browsing, templates.

Room: hall, face. `app` puts its rows into the table. Each is one bounded request to the core (`runtime/commissioning/desk.py`), which
asks for the permission again; nothing here is written to a device.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from runtime.faces.web.answers import NO_STORE
from runtime.faces.web.face import Face
from runtime.faces.web.rows import RouteRow

LOOK: Final = "device.look"
LOOK_S: Final = 25.0
Short = Annotated[str, msgspec.Meta(max_length=200)]
Answer = dict[str, Any]


class BenchRead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A range of registers of `where`: {device} or the options of a Modbus unit; `address` in any notation of docs/config.md."""

    where: dict[str, Any]
    address: Short
    count: Annotated[int, msgspec.Meta(ge=1, le=125)] = 16


class BenchDetect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One look of the detective: addresses of the manual, what the display shows at each, and the case of the looks before."""

    where: dict[str, Any]
    near: Annotated[list[Short], msgspec.Meta(min_length=1, max_length=8)]
    shows: Annotated[list[Short], msgspec.Meta(min_length=1, max_length=8)]
    case: dict[str, Any] | None = None


class BenchWays(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to four registers from an address on; null for one that could not be read."""

    address: Short
    words: Annotated[list[Annotated[int, msgspec.Meta(ge=0, le=65535)] | None], msgspec.Meta(min_length=1, max_length=4)]


class BenchPoints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two points, or three: raw number and what the display showed."""

    points: Annotated[list[tuple[float, float]], msgspec.Meta(min_length=2, max_length=3)]


class BenchScan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to ask: units of hosts, of a polled device's line, or of a serial port. `only_plan`: say what it takes, and begin nothing.

    `port` is of the hosts, 1 to 65535; a page sends it as it was typed.
    """

    units: Short = "1"
    hosts: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    port: int | Short = 502
    transport: Short = "tcp"
    device: Short = ""
    serial_port: Short = ""
    only_plan: bool = False


class BenchEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The address of an OPC UA server."""

    endpoint: Short


class BenchBrowse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One level below `start` of a configured device, or of a server at `endpoint`, secured when the others say how."""

    device: Short = ""
    endpoint: Short = ""
    security: Short = ""
    security_mode: Short = ""
    server_fingerprint: Short = ""
    start: Annotated[str, msgspec.Meta(max_length=500)] = ""


class BenchFrames(msgspec.Struct, frozen=True):
    """The line whose frames are wanted; none: a list of lines."""

    line: Short = ""


async def passed_on(face: Face, method: str, body: Any, request: Request, timeout_s: float) -> Response:
    """Ask the core's desk in JSON and hand on its answer as it is: neither process spends its loop on thousands of cells."""
    answer = await face.ask(method, {"json": msgspec.json.encode(body)}, request, timeout_s)
    return Response(answer, 200, NO_STORE, "application/json")


class BenchApi:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        api = "/api/v1/bench"
        return [
            RouteRow("POST", f"{api}/read", LOOK, self.read, takes=BenchRead, gives=Answer, doc="api.bench.read"),
            RouteRow("POST", f"{api}/ways", LOOK, self.ways, takes=BenchWays, gives=Answer, doc="api.bench.ways"),
            RouteRow("POST", f"{api}/detect", LOOK, self.detect, takes=BenchDetect, gives=Answer, doc="api.bench.detect"),
            RouteRow("POST", f"{api}/scaling", LOOK, self.scaling, takes=BenchPoints, gives=Answer, doc="api.bench.scaling"),
            RouteRow("GET", f"{api}/scan", LOOK, self.scan_state, gives=Answer, doc="api.bench.scan_state"),
            RouteRow("POST", f"{api}/scan", LOOK, self.scan, takes=BenchScan, gives=Answer, doc="api.bench.scan"),
            RouteRow("DELETE", f"{api}/scan", LOOK, self.scan_cancel, gives=Answer, doc="api.bench.scan_cancel"),
            RouteRow("POST", f"{api}/offers", LOOK, self.offers, takes=BenchEndpoint, gives=Answer, doc="api.bench.offers"),
            RouteRow("POST", f"{api}/browse", LOOK, self.browse, takes=BenchBrowse, gives=Answer, doc="api.bench.browse"),
            RouteRow("GET", f"{api}/templates", LOOK, self.templates, gives=Answer, doc="api.bench.templates"),
            RouteRow("GET", f"{api}/places", LOOK, self.places, gives=Answer, doc="api.bench.places"),
            RouteRow("GET", f"{api}/frames", "device.frames", self.frames, query=BenchFrames, gives=Answer, doc="api.bench.frames"),
        ]

    async def read(self, request: Request) -> Response:
        """Raw registers under every type and order."""
        return await passed_on(self._face, "bench.read", request.state.body, request, LOOK_S)

    async def ways(self, request: Request) -> Response:
        """The same for one address, of registers that were read."""
        return await passed_on(self._face, "bench.ways", request.state.body, request, LOOK_S)

    async def detect(self, request: Request) -> Response:
        """What the detective says after one look more."""
        return await passed_on(self._face, "bench.detect", request.state.body, request, LOOK_S)

    async def scaling(self, request: Request) -> Any:
        """Scale and offset through two points."""
        points = [list(point) for point in request.state.body.points]
        return await self._face.ask("bench.scaling", {"points": points}, request)

    async def scan(self, request: Request) -> Any:
        """Begin a scan, or say what it takes."""
        given = {name: value for name, value in msgspec.to_builtins(request.state.body).items() if value != ""}
        return await self._face.ask("bench.scan", given, request)

    async def scan_state(self, request: Request) -> Any:
        """How far the scan is, and whom it found."""
        return await self._face.ask("bench.scan_state", {}, request)

    async def scan_cancel(self, request: Request) -> Any:
        """End the scan."""
        return await self._face.ask("bench.scan_cancel", {}, request)

    async def offers(self, request: Request) -> Any:
        """How a server may be reached, and the fingerprint of the certificate that it shows."""
        return await self._look("bench.offers", request, {"endpoint": request.state.body.endpoint})

    async def browse(self, request: Request) -> Response:
        """What a server has, one level."""
        given = {name: value for name, value in msgspec.to_builtins(request.state.body).items() if value != ""}
        return await passed_on(self._face, "bench.browse", given, request, LOOK_S)

    async def templates(self, request: Request) -> Response:
        """The library of templates."""
        return await passed_on(self._face, "bench.templates", {}, request, LOOK_S)

    async def places(self, request: Request) -> Any:
        """Devices, whether commissioning is on, the revision in force."""
        return await self._face.ask("bench.places", {}, request)

    async def frames(self, request: Request) -> Any:
        """The newest frames of a line, in hexadecimal digits with what they mean; without a line, which lines there are."""
        line = request.state.query.line
        if not line:
            return {"lines": await self._face.ask("frames", {}, request)}
        shown = await self._face.ask("frames", {"line": line}, request)
        return {**shown, "frames": _hex(shown["frames"]), "faults": [{**each, "frames": _hex(each["frames"])} for each in shown["faults"]]}

    async def _look(self, method: str, request: Request, params: dict[str, Any]) -> Any:
        return await self._face.ask(method, params, request, LOOK_S)


def _hex(rows: list[list[Any]]) -> list[list[Any]]:
    return [[wall_ms, connection, sent, data.hex(" "), meaning] for wall_ms, connection, sent, data, meaning in rows]
