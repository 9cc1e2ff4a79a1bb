"""OpenAPI 3.1 from the table of routes: nothing is described that is not served, and nothing served is left out. Pure.

Room: hall, face. `app` serves it at /api/v1/openapi.json; schemathesis and integrators read it. Schemas come from the msgspec structs that
decode and encode the very requests.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from runtime.faces.web.problems import Problem
from runtime.faces.web.rows import ANYONE, SIGNED_IN, RouteRow
from runtime.messages.catalogue import word
from runtime.permissions import who_may

PLACE: Final = re.compile(r"\{(\w+)(?::(\w+))?\}")
PROBLEM: Final = "application/problem+json"
Json = dict[str, Any]


def describe(rows: Sequence[RouteRow], *, version: str, lang: str = "en") -> Json:
    """Return the document."""
    types = [each for row in rows for each in (row.takes, row.gives, row.query) if each is not None]
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template="#/components/schemas/{name}")
    schema_of = {id(each): schema for each, schema in zip([*types, Problem], schemas, strict=True)}
    paths: dict[str, Json] = {}
    for row in rows:
        path = PLACE.sub(r"{\1}", row.path)
        paths.setdefault(path, {})[row.method.lower()] = _operation(row, schema_of, components, lang)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Witnessmark", "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "cookie": {"type": "apiKey", "in": "cookie", "name": "witnessmark"},
            },
        },
    }


def _operation(row: RouteRow, schema_of: dict[int, Any], components: Json, lang: str) -> Json:
    operation: Json = {
        "operationId": re.sub(r"\W+", "_", f"{row.method.lower()} {row.path}").strip("_"),
        "summary": word(row.doc, None, lang),
        "x-action": row.action,
        "responses": _answers(row, schema_of, lang),
        "security": [] if row.action == ANYONE else [*_open(row), {"bearer": []}, {"cookie": []}],
    }
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer"} if kind == "int" else {"type": "string", "minLength": 1},
        }
        for name, kind in PLACE.findall(row.path)
    ]
    if row.query is not None:
        parameters += _query(row.query, components)
    if parameters:
        operation["parameters"] = parameters
    if row.takes is not None:
        media = "application/x-www-form-urlencoded" if row.form else "application/json"
        operation["requestBody"] = {"required": True, "content": {media: {"schema": schema_of[id(row.takes)]}}}
    return operation


def _open(row: RouteRow) -> list[Json]:
    """Return that nobody has to sign in where `[web] open_view` may let whoever reaches the page look."""
    return [{}] if who_may(None, row.action, open_view=True) else []


def _answers(row: RouteRow, schema_of: dict[int, Any], lang: str) -> Json:
    """Return what may come back; of refusals those by name that depend on who asks, the others as `default`."""
    media, refused = ("text/html", {"text/html": {}}) if row.is_page else (row.media, {PROBLEM: {"schema": schema_of[id(Problem)]}})
    content = {media: {"schema": schema_of[id(row.gives)]} if row.gives is not None else {}}
    found: Json = {"200": {"description": word(row.doc, None, lang), "content": content}}
    if row.is_page:
        found["303"] = {"description": "See other"}
    elif row.action != ANYONE:
        found["401"] = {"description": word("web.status.401", None, lang), "content": refused}
    if row.action not in {ANYONE, SIGNED_IN} or row.method != "GET":
        found["403"] = {"description": word("web.status.403", None, lang), "content": refused}
    return {**found, "default": {"description": "HTML" if row.is_page else "RFC 9457", "content": refused}}


def _query(query: type[msgspec.Struct], components: Json) -> list[Json]:
    schema = components[query.__name__]
    needed = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in needed, "schema": each} for name, each in schema.get("properties", {}).items()
    ]
