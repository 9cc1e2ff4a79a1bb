"""Who acts, for tests that make acts by themselves."""

from __future__ import annotations

from runtime.permissions import Actor, Role, local_actor

LOCAL = local_actor("cli", 0, own_uid=0)
NOBODY = local_actor("web", 0, own_uid=0)


def person(name: str, *roles: Role, fresh: bool = True) -> Actor:
    """Return somebody who is logged in."""
    return Actor(name, frozenset(roles), "0a1b2c3d", fresh=fresh, kind="person")
