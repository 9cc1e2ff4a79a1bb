"""What a directory is to us: who it is, what it says of a person, and why it said nothing. Pure: no network, no file, no clock.

Room: hall, accounts. Both sides use it: the core, which decides, and the child process that asks (`directory_child`). A directory says who
somebody is and in which groups; what they may do here is the configuration's and `permissions`' business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

LDAP: Final = "ldap"
OIDC: Final = "oidc"
DIRECTORIES: Final = (LDAP, OIDC)
SUBJECT_MAX: Final = 255
REASON_MAX: Final = 200
REFUSED: Final = "directory_refused"
"""The name or the password is not right: all that a person at the login page is told."""
AWAY: Final = "directory_away"
"""It did not answer, or not as it should; `reason` says how, for whoever looks after the gateway."""
FAULTS: Final = frozenset({REFUSED, AWAY})


class DirectoryError(Exception):
    """A directory did not vouch for somebody. `code` is of FAULTS; `reason` is for the log and for admins, and holds no secret."""

    def __init__(self, code: str, reason: str = "") -> None:
        self.code, self.reason = code, shown(reason)
        super().__init__(f"{code}: {self.reason}")


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whom a directory vouches for. `subject` is what it knows them by for ever, `groups` those of the configured ones that they are in."""

    directory: str
    name: str
    subject: str
    groups: tuple[str, ...]
    auth_s: int | None = None
    """When they last proved who they are, where it says so (seconds since 1970)."""

    def plain(self) -> dict[str, Any]:
        """Return it for the pipe between child and core."""
        return {"name": self.name, "subject": self.subject, "groups": list(self.groups), "auth_s": self.auth_s}


@dataclass(frozen=True, slots=True)
class LdapServer:
    """How an LDAP server is asked; see [ldap] in docs/config.md. `groups` are those that mean something here."""

    url: str
    start_tls: bool
    ca_file: str
    bind_dn: str
    bind_password_file: str
    base: str
    user_filter: str
    user_dn: str
    name_attribute: str
    id_attribute: str
    group_attribute: str
    group_base: str
    group_filter: str
    timeout_s: float
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Provider:
    """How an OpenID provider is asked; see [oidc] in docs/config.md."""

    issuer: str
    client_id: str
    client_secret_file: str
    redirect_uri: str
    ca_file: str
    name_claim: str
    roles_claim: str
    skew_s: int
    timeout_s: float
    method: str
    groups: tuple[str, ...]


def read_vouched(directory: str, said: object) -> Vouched:
    """Return what a child says. Raises DirectoryError for anything of another shape."""
    match said:
        case {"name": str(name), "subject": str(subject), "groups": list(groups), "auth_s": None | int() as auth_s} if (
            0 < len(subject) <= SUBJECT_MAX and all(isinstance(each, str) for each in groups) and not isinstance(auth_s, bool)
        ):
            return Vouched(directory, name, subject, tuple(groups), auth_s)
    raise DirectoryError(AWAY, "an answer that is none")


def roles_of(groups: Iterable[str], wanted: Mapping[str, tuple[str, ...]]) -> frozenset[str]:
    """Return the roles of somebody in these groups, by the configuration's groups of each role."""
    held = set(groups)
    return frozenset(role for role, names in wanted.items() if not held.isdisjoint(names))


def shown(text: str) -> str:
    """Return what a stranger's server said as it may stand in a log: one line, short, printable."""
    return "".join(char if char.isprintable() else " " for char in text[:REASON_MAX])
