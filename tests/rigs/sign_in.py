"""A gateway whose people may sign in by a directory: what its configuration says of one, and asking it as the web face does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runtime.faces.feed import RequestRefusedError
from tests.rigs import asking
from tests.rigs.web_site import PASSWORD, Site


def section(name: str, options: Mapping[str, Any]) -> str:
    """Return a section of the config file, its roles included."""
    plain = {key: value for key, value in options.items() if key != "roles"}
    lines = [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in plain.items())]
    roles = [f"{role} = {json.dumps(groups)}" for role, groups in options["roles"].items()]
    return "\n".join([*lines, f"[{name}.roles]", *roles, ""])


async def ask(site: Site, method: str, **params: Any) -> dict[str, Any]:
    """Ask the core; a refusal is {"refused": code, …}."""
    try:
        answer: dict[str, Any] = await site.ask(method, params)
    except RequestRefusedError as refused:
        return {"refused": refused.code, **refused.params}
    return answer


async def by_ldap(site: Site, name: str, password: str, source: str = "10.0.0.9") -> dict[str, Any]:
    return await ask(site, "account.login", name=name, password=password, source=source, via="ldap")


async def locally(site: Site, name: str, password: str = PASSWORD, source: str = "10.0.0.9") -> dict[str, Any]:
    return await ask(site, "account.login", name=name, password=password, source=source)


async def act(site: Site, token: str, action: str, target: str, revision: int | None = None, **params: Any) -> dict[str, Any]:
    return await ask(site, "act", **asking.act(token, action, target, revision=revision, **params))
