"""Who may do what: roles, and the actions each has. Pure; asked by the door for every act and by faces for every page.

Room: hall. Until accounts exist there are two ways in: a web page on loopback (role viewer) and the command line on the
machine itself, whose file access makes it an admin. The door never trusts a face's word for a role.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """Each role may do what the one before it may."""

    VIEWER = "viewer"
    TECHNICIAN = "technician"
    ENGINEER = "engineer"
    ADMIN = "admin"


_ORDER: Final = tuple(Role)
ACTIONS: Final[Mapping[str, Role]] = {
    "view.values": Role.VIEWER,
    "view.ledger": Role.VIEWER,
    "view.trend": Role.VIEWER,
    "view.proof": Role.VIEWER,
    "view.config": Role.TECHNICIAN,
    "device.look": Role.TECHNICIAN,
    "device.frames": Role.TECHNICIAN,
    "manual.enter": Role.TECHNICIAN,
    "model.learn": Role.TECHNICIAN,
    "model.check": Role.TECHNICIAN,
    "model.shadow": Role.TECHNICIAN,
    "model.label": Role.TECHNICIAN,
    "model.arm": Role.ENGINEER,
    "model.disarm": Role.ENGINEER,
    "model.import": Role.ENGINEER,
    "device.write": Role.ENGINEER,
    "device.call": Role.ENGINEER,
    "config.edit": Role.ENGINEER,
    "learned.forget": Role.ENGINEER,
    "epoch.open": Role.ADMIN,
}


def allowed(role: str, action: str) -> bool:
    """Tell whether a role may do an action; an unknown role or action never may."""
    least = ACTIONS.get(action)
    return least is not None and role in _ORDER and _ORDER.index(Role(role)) >= _ORDER.index(least)


def role_of(face: str, uid: int, *, own_uid: int) -> Role:
    """Return the role of a session: the command line of the gateway's own user (or root) is an admin, all else a viewer.

    `uid` is what the kernel vouches for; `face` is a name that a process of that user gives itself.
    """
    return Role.ADMIN if face == "cli" and uid in (0, own_uid) else Role.VIEWER
