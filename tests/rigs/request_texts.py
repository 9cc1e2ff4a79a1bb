"""Every text that a request may carry, found by the structs that decode it, and of each kind a request that the test's gateway accepts.

Room: tests. `test_stored_names` sends each request with markup in each of its texts. A field that somebody adds is covered by itself; a
route that somebody adds needs an example here, or a reason why there can be none.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import inspect

from runtime.faces.web.rows import RouteRow
from tests.rigs import asking
from tests.rigs.web_site import PASSWORD, Site

Way = tuple[str, ...]
"""From a body to a text in it, by names of fields; within a list its last one is meant, TABLE is a key and its value."""
TABLE: Final = "{}"
Example = Mapping[str, Any] | Callable[[Site], Awaitable[Mapping[str, Any]]]
NEVER_SHOWN: Final = frozenset({"password", "old", "new", "again", "code"})
"""Secrets: of them it is shown that they are nowhere (test_canaries)."""
PLACES: Final = {"name": "filling", "device": "press", "id": "0" * 16, "number": "1"}
"""What stands in the path."""
ALARM: Final = {"names": "r1_high", "reason": "test", "minutes": "60", "seen_ms": "", "back": "/alarms"}
NAMED: Final = {"names": ["r1_high"], "reason": "test"}
SIGNED: Final = {"meaning": "approved", "time_ms": 1, "signature": "00"}
MODEL: Final = {"model": "filling", "reason": "test"}
NO_MODEL: Final = "nothing was learned here; test_model_acts and test_judgement_pages have models"
NO_LATCH: Final = "no alarm has latched and ended; test_alarm_screens"
NO_CHANGE: Final = "no address of the machine under test is changed; test_network does in a namespace"


async def revised(at: Site) -> Mapping[str, Any]:
    """An edit of the configuration in force that changes nothing but a comment."""
    now = await at.ask("config", {"token": at.tokens["all"]})
    return {"text": f"{now['text']}\n# again\n", "expected_revision": now["revision"], "reason": "test"}


async def table(at: Site) -> Mapping[str, Any]:
    """A table of tags, the unit last, that changes a unit."""
    asked = msgspec.json.encode({"device": "press", "every": False})
    shown = msgspec.json.decode(await at.ask("tags.table", {"json": asked, "token": at.tokens["all"]}))
    kept = [at for at, name in enumerate(shown["columns"]) if name != "unit"]
    rows = [[*(row[at] for at in kept), os.urandom(3).hex()] for row in shown["rows"]]
    columns = [*(shown["columns"][at] for at in kept), "unit"]
    return {"columns": columns, "rows": rows, "expected_revision": shown["revision"], "reason": "test"}


async def looked_at(at: Site) -> Mapping[str, Any]:
    """The same, only to be judged."""
    return {name: value for name, value in (await table(at)).items() if name in {"columns", "rows"}}


async def session(at: Site) -> Mapping[str, Any]:
    """A session to be ended."""
    token = (await at.ask("account.login", {"name": "Vic", "password": PASSWORD, "source": "test"}))["token"]
    return {"session": (await at.ask("account.who", {"token": token}))["session"], "reason": "test"}


async def token(at: Site) -> Mapping[str, Any]:
    """A token to be revoked."""
    await at.ask("act", asking.act(at.tokens["all"], "token.create", "old", actions="view.values", days=1))
    found = (await at.ask("account.list", {"token": at.tokens["all"]}))["tokens"]
    return {"id": next(each["id"] for each in found if each["name"] == "old"), "reason": "test"}


async def bundle(at: Site) -> Mapping[str, Any]:
    """A bundle to be made."""
    seen = await at.ask("diag.preview", {"token": at.tokens["all"]})
    return {"id": seen["id"], "reason": "test", "leave_out": ["packages.json"]}


async def person(at: Site) -> Mapping[str, Any]:
    """Somebody who is not there yet."""
    return {"name": f"Bea {os.urandom(3).hex()}", "roles": ["viewer"], "reason": "test"}


async def edit(at: Site) -> Mapping[str, Any]:
    """A text to judge."""
    text = (await at.ask("config", {"token": at.tokens["all"]}))["text"]
    return {"text": text, "against": text}


EXAMPLES: Final[Mapping[str, Example]] = {
    "/login": {"name": "Vic", "password": PASSWORD, "next": "/", "via": ""},
    "/api/v1/people": person,
    "/api/v1/account/key": {"key": "", "proof": ""},
    **{f"/api/v1/people/{what}": {"name": "Zoe", "reason": "test"} for what in ("disable", "enable", "password")},
    "/api/v1/people/roles": {"name": "Zoe", "roles": ["viewer"], "reason": "test"},
    "/api/v1/sessions/end": session,
    "/api/v1/tokens": {"name": "mes", "actions": ["view.values"], "days": 1, "reason": "test"},
    "/api/v1/tokens/revoke": token,
    "/api/v1/policy": {"self_approval": True, "reason": "test"},
    "/api/v1/site": {"zone": "Europe/Berlin", "reason": "test"},
    **{f"/alarms/{act}": ALARM for act in ("ack", "shelve", "unshelve", "out_of_service", "in_service")},
    "/api/v1/alarms/ack": {"names": ["pump_away"], "reason": "test"},
    **{f"/api/v1/alarms/{act}": NAMED for act in ("unshelve", "out_of_service", "in_service")},
    "/api/v1/alarms/shelve": {"names": ["r1_high"], "minutes": 60, "reason": "test"},
    "/api/v1/config": revised,
    "/api/v1/config/judge": edit,
    "/api/v1/config/draft": {"kind": "setting", "table": "web", "key": "port", "value": 8480},
    "/api/v1/tags/{device}": table,
    "/api/v1/tags/{device}/judge": looked_at,
    "/api/v1/bench/read": {"where": {"device": "press"}, "address": "holding:0", "count": 2},
    "/api/v1/bench/ways": {"address": "holding:0", "words": [1, 2]},
    "/api/v1/bench/detect": {"where": {"device": "press"}, "near": ["holding:0"], "shows": ["5"]},
    "/api/v1/bench/scan": {"units": "1", "hosts": "127.0.0.1", "only_plan": True},
    "/stations": {"target": "desk/note", "value": "good", "reason": "test"},
    "/api/v1/stations/enter": {"target": "desk/note", "value": "good", "reason": "test"},
    "/api/v1/commands/prepare": {"target": "pump/speed", "value": 5},
    "/api/v1/read-only": {"on": True, "device": "pump", "reason": "test"},
    "/api/v1/certificate/request": {"reason": "test"},
    "/api/v1/audit/review": {"first": 0, "last": 1, "reason": "test"},
    "/api/v1/diagnostics/bundles": bundle,
    "/api/v1/diagnostics/probe": {"kind": "name", "host": "127.0.0.1"},
}  # fmt: skip
"""Path -> a body that is accepted there, or what makes one."""
NOT_HERE: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "/claim": ("the gateway has an owner; `claims_with_markup` asks before", {}),
    "/api/v1/people/release": ("nobody came by a directory; test_sign_in", {"name": "Zoe"}),
    "/api/v1/certificate/renew": ("there is none of its own; test_admin_pages", {}),
    "/api/v1/certificate": ("no CA signed it; test_admin_pages", {"pem": "none"}),
    "/api/v1/config/waiting/{id}/approve": ("nothing waits; test_config_waiting", {"sha256": "0" * 64}),
    "/api/v1/commands/confirm": ("nothing was prepared; test_commands", {"nonce": "n", "target": "pump/speed", "value": 5, "old": 4}),
    "/api/v1/commands/approve": ("nothing waits; test_commands", {"proposal": "p", "target": "pump/speed", "value": 5, "old": 4}),
    "/api/v1/bench/offers": ("no OPC UA server; test_setup_screens", {"endpoint": "opc.tcp://127.0.0.1:9"}),
    "/api/v1/bench/browse": ("no OPC UA server; test_setup_screens", {"endpoint": "opc.tcp://127.0.0.1:9"}),
    "/alarms/reset": (NO_LATCH, ALARM),
    "/api/v1/alarms/reset": (NO_LATCH, NAMED),
    "/alarms/test": ("its target cannot be reached; test_notify", {"target": "desk"}),
    "/api/v1/alarms/test": ("its target cannot be reached; test_notify", {"target": "desk"}),
    **{f"/api/v1/network{what}": (NO_CHANGE, {"interface": "none", "method": "dhcp"}) for what in ("", "/plan")},
    **{f"/api/v1/network/{what}": (NO_CHANGE, {"interface": "none"}) for what in ("confirm", "undo")},
    **{f"/api/v1/models/{{name}}/{act}": (NO_MODEL, {"reason": "test"}) for act in ("learn", "check", "shadow", "arm", "disarm")},
    "/api/v1/models/{name}/label": (NO_MODEL, {"label": "normal", "reason": "test"}),
    **{f"/learn/{act}": (NO_MODEL, MODEL) for act in ("learn", "check", "shadow", "arm", "disarm")},
    "/anomalies/label": (NO_MODEL, {**MODEL, "label": "normal"}),
}  # fmt: skip
"""Path -> why nothing is accepted there, and a body that is at least well formed."""


def texts_of(struct: type[msgspec.Struct]) -> list[Way]:
    """Return the way to each text that a struct takes, those in lists and in structs of its own as well; secrets left out."""
    found: dict[Way, None] = {}

    def walk(kind: inspect.Type, way: Way) -> None:
        if isinstance(kind, inspect.StrType):
            found[way] = None
        for each in getattr(kind, "types", ()):
            walk(each, way)
        if isinstance(kind, inspect.Metadata):
            walk(kind.type, way)
        if isinstance(kind, inspect.ListType | inspect.VarTupleType):
            walk(kind.item_type, way)
        if isinstance(kind, inspect.DictType):
            found[(*way, TABLE)] = None
        for each in kind.fields if isinstance(kind, inspect.StructType) else ():
            if each.encode_name not in NEVER_SHOWN:
                walk(each.type, (*way, each.encode_name))

    walk(inspect.type_info(struct), ())
    return list(found)


def with_text(body: Mapping[str, Any], way: Way, text: str) -> dict[str, Any]:
    """Return a body with a text there: a list keeps all but its last, a table that is not given is made of the text alone."""
    name, *rest = way
    now = body.get(name)
    if rest == [TABLE]:
        return {**body, name: {**(now or {}), text: text}}
    if rest:
        return {**body, name: with_text(now or SIGNED, tuple(rest), text)}
    return {**body, name: _replaced(now, text)}


def _replaced(now: Any, text: str) -> Any:
    return [*now[:-1], _replaced(now[-1], text) if now else text] if isinstance(now, list) else text


async def body_for(at: Site, row: RouteRow) -> dict[str, Any]:
    """Return a body for a route. Raises KeyError for one that has no example."""
    if row.path in NOT_HERE:
        return dict(NOT_HERE[row.path][1])
    example = EXAMPLES[row.path]
    return dict(example if isinstance(example, Mapping) else await example(at))
