"""People of a gateway that runs as processes of its own: who claims it, and whom an admin lets in.

Room: tests. What asks the core is given: rigs reach its feed in different ways. People of a core on virtual time: `people`.
"""

from __future__ import annotations

from typing import Any

from tests.rigs.asking import Ask, act


async def claim(ask: Ask, code: str, name: str, password: str, *, roles: str = "admin", lang: str = "", zone: str = "") -> dict[str, Any]:
    """Become the first admin, who has these roles too; return what whoever signs in is told: the session's token, and who they are."""
    said = {"code": code, "name": name, "password": password, "roles": roles, "lang": lang, "zone": zone}
    return dict(await ask("account.claim", **said, source="test"))


async def let_in(ask: Ask, admin: str, name: str, roles: str, password: str) -> dict[str, Any]:
    """Have the admin make a person, who chooses this password at the first login; return what they are told when they sign in by it."""
    made = await ask("act", **act(admin, "account.create", name, roles=roles))
    assert made["code"] == "done", made
    given = made["told"]["password"]
    first = (await ask("account.login", name=name, password=given, source="test"))["token"]
    changed = await ask("act", **act(first, "account.password", name, old_password=given, password=password))
    assert changed["code"] == "done", changed
    return dict(await ask("account.login", name=name, password=password, source="test"))
