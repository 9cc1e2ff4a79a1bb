"""The API of one tag: what the configuration and the models say of it, for the dialog of the page Live and for programs.

Room: hall, face. `app` puts its row into the table; the core answers (`runtime.tag_asked`). The tag's value comes over the stream.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.face import Face
from runtime.faces.web.rows import RouteRow


class TagAsked(msgspec.Struct, frozen=True):
    """The tag's number, as in `/api/v1/tags`."""

    uid: int


class TagReport(msgspec.Struct, frozen=True):
    """When a reading is recorded: at any change, beyond a deadband (the tag's unit, a share of its value, unit times s), at the latest."""

    on_change: bool
    deadband: float
    deadband_share: float
    deadband_integral: float
    heartbeat_ms: int


class TagRange(msgspec.Struct, frozen=True):
    """Between what a value can lie; `outside` is what one beyond is called: uncertain or bad."""

    low: float | None
    high: float | None
    outside: str


class TagInstrument(msgspec.Struct, frozen=True):
    """What measures the tag. Days are ISO 8601; `overdue_ms` is when the calibration runs out, `text` what every proof says of it."""

    serial: str
    certificate: str
    calibrated: str | None
    due: str | None
    overdue_ms: int | None
    uncertainty: float | None
    uncertainty_percent: float | None
    coverage: float | None
    text: str


class TagLimits(msgspec.Struct, frozen=True):
    """Between what the tag may be commanded."""

    low: float | None
    high: float | None


class TagBand(msgspec.Struct, frozen=True):
    """What a model has learned to be normal for the tag, and the model's state."""

    model: str
    state: str
    low: float
    high: float


class TagDetail(msgspec.Struct, frozen=True):
    """One tag. `write` is null where nobody commands it."""

    uid: int
    tag: str
    group: str
    period_ms: int
    mode: str
    source: str
    report: TagReport
    range: TagRange
    instrument: TagInstrument
    write: TagLimits | None
    bands: list[TagBand]


class TagApi:
    """The endpoint."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        return [RouteRow("GET", "/api/v1/tag", "view.values", self.tag, query=TagAsked, gives=TagDetail, doc="api.tag")]

    async def tag(self, request: Request) -> TagDetail:
        """All that is known of one tag besides its value."""
        asked: TagAsked = request.state.query
        if asked.uid not in self._face.feed.tags:
            raise RequestRefusedError("page_missing")
        told = await self._face.ask("tag", {"uid": asked.uid}, request)
        bands = [TagBand(*band) for band in told["bands"]]
        return msgspec.convert({**told, "bands": bands}, TagDetail)
