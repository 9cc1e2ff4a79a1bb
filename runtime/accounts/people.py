"""People, API tokens, and the rules for names, passwords and roles. Pure: no file, no clock, no hash.

Room: hall, accounts. `tenants` and `desk` ask it before anything is stored. Names come from strangers: what could hide or pretend in a
page, a log or a ledger is refused here, once.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from runtime.faces.feed import RequestRefusedError
from runtime.permissions import TOKENS_MAY, Role

NAME_MAX: Final = 64
PASSWORD_MIN: Final = 12
PASSWORD_MAX: Final = 256
PEOPLE_MAX: Final = 500
TOKENS_MAX: Final = 100
LANGUAGES: Final = frozenset({"", "en", "zh"})
ZONE_MAX: Final = 64
SIGNS: Final = frozenset(" .-_'@+·")
SCRIPTS: Final = ("LATIN", "CYRILLIC", "GREEK")
"""Alphabets whose letters look alike: a name keeps to one of them."""
RESERVED: Final = frozenset({"cli", "nobody", "anonymous", "system", "gateway", "witnessmark"})
SUFFIXES: Final = {"ldap": "@ldap", "oidc": "@oidc"}
"""How the names of people end whom a directory vouches for; no account of the gateway's own ends so."""
_ALIKE: Final = str.maketrans("i1|0", "lllo")
COMMON: Final = frozenset(
    {
        "password", "passwort", "passw0rd", "qwertyuiop", "1234567890", "letmein", "changeme", "administrator", "welcome", "iloveyou",
        "witnessmark", "factory", "technician", "engineer", "operator", "default", "secret", "abcdefgh", "asdfghjkl", "zxcvbnm",
        "qazwsxedc", "1q2w3e4r5t", "woaini", "mima", "admin", "sunshine", "football", "dragon", "monkey", "machine", "gateway",
    }
)  # fmt: skip
"""Words that a password must not be made of (repeated, or with digits and signs around them)."""


@dataclass(frozen=True, slots=True)
class Person:
    """One account. `key` is the public key that their approvals are signed with, in hex, None before one is enrolled."""

    name: str
    roles: frozenset[Role]
    password: str
    enabled: bool = True
    must_change: bool = False
    lang: str = ""
    zone: str = ""
    key: str | None = None
    made_ms: int = 0
    login_ms: int | None = None
    directory: str = ""
    """Who vouches for them (`ldap`, `oidc`); empty: they have an account of this gateway's own."""
    subject: str = ""
    """What that directory knows them by for ever; a name may go to another person there."""

    def is_acting_admin(self) -> bool:
        """Whether they can let others in, whatever becomes of a directory."""
        return self.enabled and Role.ADMIN in self.roles and not self.directory

    def plain(self) -> dict[str, object]:
        """Return them for a page; nothing of the password."""
        return {
            "name": self.name, "roles": sorted(self.roles), "enabled": self.enabled, "must_change": self.must_change, "lang": self.lang,
            "zone": self.zone, "key": self.key, "made_ms": self.made_ms, "login_ms": self.login_ms, "directory": self.directory,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What an integrator's program shows instead of a password. `digest` is SHA-256 of the token itself, which nobody keeps."""

    id: str
    name: str
    digest: bytes
    actions: frozenset[str]
    made_by: str
    made_ms: int
    expires_ms: int

    def plain(self) -> dict[str, object]:
        """Return it for a page."""
        return {
            "id": self.id, "name": self.name, "actions": sorted(self.actions), "made_by": self.made_by, "made_ms": self.made_ms,
            "expires_ms": self.expires_ms,
        }  # fmt: skip


def checked_name(raw: object) -> str:
    """Return a name as it is kept: NFC, 1 to 64 letters, digits and a few signs, of one alphabet. Raises RequestRefusedError."""
    if not isinstance(raw, str) or not 0 < len(raw) <= NAME_MAX:
        raise RequestRefusedError("account_name_length", most=NAME_MAX)
    name = unicodedata.normalize("NFC", raw)
    for char in name:
        if char not in SIGNS and unicodedata.category(char)[0] not in "LN" and unicodedata.category(char) not in {"Mn", "Mc"}:
            raise RequestRefusedError("account_name_char", char=f"U+{ord(char):04X}")
    if name != " ".join(name.split()) or unicodedata.category(name[0])[0] not in "LN" or len(name) > NAME_MAX:
        raise RequestRefusedError("account_name_shape")
    if len({script for char in name for script in SCRIPTS if unicodedata.name(char, "").startswith(script)}) > 1:
        raise RequestRefusedError("account_name_mixed")
    if folded(name) in RESERVED or _looks_vouched(name):
        raise RequestRefusedError("account_name_reserved", name=name)
    return name


def folded(name: str) -> str:
    """Return what two names must not share: case and width make no other person."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def directory_of(name: str) -> str:
    """Return which directory a name says that it comes from, empty for none."""
    return next((directory for directory, suffix in SUFFIXES.items() if folded(name).endswith(suffix)), "")


def _looks_vouched(name: str) -> bool:
    """Whether a name ends as those of a directory do, or so that one would read it as such: `@Idap`, `@0idc`."""
    tail = folded(name).translate(_ALIKE).replace(" ", "")
    return any(tail.endswith(suffix.translate(_ALIKE)) for suffix in SUFFIXES.values())


def checked_password(raw: object, name: str) -> str:
    """Return a new password, NFC: 12 characters or more, not the name, no common word. Raises RequestRefusedError; says nothing of it."""
    if not isinstance(raw, str) or len(raw) < PASSWORD_MIN:
        raise RequestRefusedError("password_too_short", least=PASSWORD_MIN)
    if len(raw) > PASSWORD_MAX:
        raise RequestRefusedError("password_too_long", most=PASSWORD_MAX)
    password = normal_password(raw)
    core = folded(password).strip("0123456789 !?.,-_*#@$%&+=/\\()[]{}<>:;'\"~^|")
    said = folded(name)
    pieces = {core[:size] for size in range(1, len(core) // 2 + 1) if len(core) % size == 0 and core[:size] * (len(core) // size) == core}
    if not pieces.isdisjoint(COMMON) or core in COMMON or len(set(password)) < 5 or _is_run(password):
        raise RequestRefusedError("password_common")
    if said in folded(password) and len(password) - len(name) < PASSWORD_MIN - 4:
        raise RequestRefusedError("password_like_name")
    return password


def normal_password(raw: str) -> str:
    """Return a password so that every keyboard's way to write a letter is the same."""
    return unicodedata.normalize("NFC", raw)


def checked_roles(raw: object) -> frozenset[Role]:
    """Return roles from `viewer technician`; at least one. Raises RequestRefusedError."""
    words = raw.replace(",", " ").split() if isinstance(raw, str) else []
    unknown = [word for word in words if word not in set(Role)]
    if unknown or not words:
        raise RequestRefusedError("account_roles_unknown", found=" ".join(unknown)[:80] or "-", known=" ".join(Role))
    return frozenset(Role(word) for word in words)


def checked_scope(raw: object) -> frozenset[str]:
    """Return the actions of an API token from `view.values view.trend`. Raises RequestRefusedError."""
    words = raw.replace(",", " ").split() if isinstance(raw, str) else []
    unknown = [word for word in words if word not in TOKENS_MAY]
    if unknown or not words:
        raise RequestRefusedError("token_scope", found=" ".join(unknown)[:80] or "-", known=" ".join(sorted(TOKENS_MAY)))
    return frozenset(words)


def checked_language(lang: object, zone: object) -> tuple[str, str]:
    """Return language and zone of a person; both may be empty, which is the site's. Raises RequestRefusedError."""
    good = isinstance(zone, str) and len(zone) <= ZONE_MAX and all(char.isascii() and (char.isalnum() or char in "/_+-") for char in zone)
    if not good or lang not in LANGUAGES:
        raise RequestRefusedError("account_language")
    return str(lang), str(zone)


def keeps_an_admin(people: Collection[Person], changed: Person) -> bool:
    """Tell whether a change leaves somebody who can let others in, where there was somebody before it."""
    others = any(each.is_acting_admin() for each in people if folded(each.name) != folded(changed.name))
    return changed.is_acting_admin() or others or not any(each.is_acting_admin() for each in people)


def find(people: Mapping[str, Person], name: object) -> Person:
    """Return a person by name, however it is written. Raises RequestRefusedError `account_unknown`."""
    found = people.get(folded(name)) if isinstance(name, str) and len(name) <= NAME_MAX else None
    if found is None:
        raise RequestRefusedError("account_unknown")
    return found


def _is_run(password: str) -> bool:
    """Whether each character is the next (or the one before) of the last: 123456789012, abcdefghijkl."""
    steps = {ord(b) - ord(a) for a, b in itertools.pairwise(password)}
    return steps <= {1, -9} or steps <= {-1, 9}
