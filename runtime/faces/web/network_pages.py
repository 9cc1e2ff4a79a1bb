"""Clock and network: what they are, and a change of the network that undoes itself unless it is confirmed from the new address.

Room: hall, face. `app` puts its rows into the table. It shows what the core found and asks the door for each step; rules, timer and
undoing are the core's. The address over which a request came in is read off its socket here, never taken from the request.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from runtime.faces.feed import RequestRefusedError
from runtime.faces.web.face import Face
from runtime.faces.web.people_pages import Changed
from runtime.faces.web.rows import RouteRow
from runtime.faces.web.texts import Reason

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=15)]
Line = Annotated[str, msgspec.Meta(max_length=200)]
PLAN_S = 50.0


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an interface is to have. `address` with its prefix; `dns` several, apart by blanks."""

    interface: Name
    method: Line
    address: Line = ""
    gateway: Line = ""
    dns: Line = ""
    reason: Reason = ""


class Why(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which interface, and why."""

    interface: Name
    reason: Reason = ""


class SiteZone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """In which zone pages and files write times; empty: each reader's own."""

    zone: Annotated[str, msgspec.Meta(max_length=64)]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class NetworkAnswer(msgspec.Struct, frozen=True):
    """What the network is, how it can be changed, what waits; `via` is the address over which this request came."""

    told: dict[str, Any]
    via: str


class PlanAnswer(msgspec.Struct, frozen=True):
    """What a change would do: the difference, warnings, and where it must be confirmed."""

    plan: dict[str, Any]


class NetworkPages:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        api = "/api/v1/network"
        return [
            RouteRow("GET", "/network", "view.config", self.page, doc="page.network", is_page=True),
            RouteRow("GET", api, "view.config", self.shown, gives=NetworkAnswer, doc="api.network"),
            RouteRow("POST", f"{api}/plan", "net.edit", self.plan, takes=Wish, gives=PlanAnswer, doc="api.network.plan"),
            RouteRow("POST", api, "net.edit", self.apply, takes=Wish, gives=Changed, doc="api.network.apply"),
            RouteRow("POST", f"{api}/confirm", "net.confirm", self.confirm, takes=Why, gives=Changed, doc="api.network.confirm"),
            RouteRow("POST", "/api/v1/site", "config.edit", self.site, takes=SiteZone, gives=Changed, doc="api.site"),
            RouteRow("POST", f"{api}/undo", "net.undo", self.undo, takes=Why, gives=Changed, doc="api.network.undo"),
        ]

    async def page(self, request: Request) -> Response:
        """Show clock and network; the form stands where one may change it."""
        told, clock, faults = None, None, []
        for method in ("clock", "network"):
            try:
                found = await self._face.ask(method, {}, request)
            except RequestRefusedError as refused:
                faults.append(refused)
                continue
            told, clock = (found, clock) if method == "network" else (told, found)
        return self._face.render(request, "network.html", here="network", told=told, clock=clock, faults=faults, via=own_address(request))

    async def shown(self, request: Request) -> NetworkAnswer:
        """What the network is."""
        return NetworkAnswer(await self._face.ask("network", {}, request), own_address(request))

    async def plan(self, request: Request) -> PlanAnswer:
        """What a change would do; nothing is changed."""
        given: Wish = request.state.body
        return PlanAnswer(
            await self._face.ask("network.plan", self._wish(request, given) | {"interface": given.interface}, request, PLAN_S)
        )

    async def apply(self, request: Request) -> Changed:
        """Change it; it is undone unless it is confirmed in time."""
        given: Wish = request.state.body
        return await self._act(request, "net.edit", given.interface, self._wish(request, given), given.reason)

    async def confirm(self, request: Request) -> Changed:
        """Keep the change: only from where it must be reached now."""
        given: Why = request.state.body
        return await self._act(request, "net.confirm", given.interface, {"via": own_address(request)}, given.reason)

    async def undo(self, request: Request) -> Changed:
        """Take the change back at once."""
        given: Why = request.state.body
        return await self._act(request, "net.undo", given.interface, {}, given.reason)

    async def site(self, request: Request) -> Changed:
        """Set the zone of the site: an edit of the configuration like any other."""
        given: SiteZone = request.state.body
        revision = (await self._face.ask("status", {}, request))["gateway"]["revision"]
        params = {"gateway.zone": given.zone}
        outcome = await self._face.act(request, "config.edit", "", params, given.reason, expected_revision=revision)
        if outcome["code"] != "done":
            raise RequestRefusedError(outcome["code"], **outcome["params"])
        return Changed(outcome["seq"], {})

    def _wish(self, request: Request, given: Wish) -> dict[str, str]:
        return {
            "method": given.method, "address": given.address, "gateway": given.gateway, "dns": given.dns, "via": own_address(request),
        }  # fmt: skip

    async def _act(self, request: Request, action: str, target: str, params: dict[str, str], reason: str) -> Changed:
        outcome = await self._face.act(request, action, target, params, reason)
        if outcome["code"] != "done":
            raise RequestRefusedError(outcome["code"], **outcome["params"])
        return Changed(outcome["seq"], {})


def own_address(request: Request) -> str:
    """Return the address of this machine at which the request's connection ended, as the socket says; empty where it does not say."""
    server = request.scope.get("server")
    try:
        address = ipaddress.ip_address(str(server[0]).partition("%")[0]) if server else None
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address or "")
