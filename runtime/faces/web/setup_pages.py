"""The pages of machine setup and the configuration: add device, register bench, tags, configuration with its revisions.

Room: hall, face. `app` puts their rows into the table. Each is a frame around an island that asks the API (`bench_api`, `config_api`,
`tags_api`); what may not be put in force by whoever looks is shown as a draft to hand over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from runtime.faces.web.bench_api import BenchApi
from runtime.faces.web.config_api import ConfigApi
from runtime.faces.web.config_waiting_api import ConfigWaitingApi
from runtime.faces.web.face import Face
from runtime.faces.web.rows import Part, RouteRow
from runtime.faces.web.tags_api import TagsApi

PAGES: Final = (
    ("add", "/setup/add", "device.look", "page.add"),
    ("bench", "/setup/bench", "device.look", "page.bench"),
    ("tags", "/setup/tags", "view.config", "page.tags"),
    ("config", "/config", "view.config", "page.config"),
)
"""Name of the island and its element, path, action, what it is."""
SCRIPTS: Final = {"add": "add.js", "bench": "bench.js", "tags": "tags_page.js", "config": "config.js"}


def setup_parts(face: Face) -> list[Part]:
    """Return the pages and what they ask."""
    return [SetupPages(face), BenchApi(face), ConfigApi(face), ConfigWaitingApi(face), TagsApi(face)]


class SetupPages:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        return [RouteRow("GET", path, action, self._page(name), doc=doc, is_page=True) for name, path, action, doc in PAGES]

    def _page(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        async def page(request: Request) -> Response:
            return self._face.render(request, "setup.html", here=name, island=name, script=SCRIPTS[name])

        return page
