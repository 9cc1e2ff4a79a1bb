"""Asking an LDAP server whether somebody is who they say: find them, bind as them, read their groups. Blocking; the only file with ldap3.

Room: hall, accounts. `directory_child` calls it in a process of its own, which has the deadline: ldap3 waits for each answer with a timeout
and for a server that trickles without one. Nothing is written, no referral followed, no password kept. RFC 4511, 4513, 4515, 4514.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException, LDAPInvalidDnError, LDAPStartTLSError
from ldap3.utils.conv import escape_filter_chars
from ldap3.utils.dn import escape_rdn, parse_dn

from runtime.accounts.directory import AWAY, LDAP, REFUSED, SUBJECT_MAX, DirectoryError, LdapServer, Vouched

WRONG: Final = frozenset({"invalidCredentials", "constraintViolation", "unwillingToPerform", "inappropriateAuthentication", "noSuchObject"})
"""Results of a bind that mean: not with this password, or not any more."""
GROUPS_MAX: Final = 1_000
SECRET_BYTES_MAX: Final = 4_096
PORTS: Final = {"ldap": 389, "ldaps": 636}
Dn = tuple[tuple[str, str, str], ...]


class _Checked(ldap3.Tls):  # type: ignore[misc]
    """TLS as the standard library does it: certificate and name are checked in the handshake, or there is no connection."""

    def __init__(self, ca_file: str, host: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        try:
            self.context = ssl.create_default_context(cafile=ca_file or None)
        except OSError as error:
            raise DirectoryError(AWAY, f"ca_file cannot be read: {ca_file}") from error
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.host, self.fault = host, ""

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """See ldap3: the handshake is always made here."""
        try:
            connection.socket = self.context.wrap_socket(connection.socket, server_hostname=self.host)
        except (ssl.SSLError, OSError) as error:
            self.fault = str(getattr(error, "verify_message", "") or error)
            raise


def ask(server: LdapServer, name: str, password: str) -> Vouched:
    """Return whom the server vouches for. Raises DirectoryError: REFUSED, or AWAY with what went wrong."""
    if not name or not password:  # a bind without a password is an anonymous one, which succeeds for everybody
        raise DirectoryError(REFUSED)
    parts = urlsplit(server.url)
    host = parts.hostname or ""
    tls = _Checked(server.ca_file, host)
    place = ldap3.Server(
        host, port=parts.port or PORTS[parts.scheme], use_ssl=parts.scheme == "ldaps", tls=tls, get_info=ldap3.NONE,
        connect_timeout=server.timeout_s,
    )  # fmt: skip
    try:
        return _ask(server, place, name, password)
    except LDAPStartTLSError as error:
        raise DirectoryError(AWAY, f"no TLS: {tls.fault or error}") from error
    except (LDAPException, OSError, ValueError) as error:
        raise DirectoryError(AWAY, f"TLS: {tls.fault}" if tls.fault else f"{type(error).__name__}: {error}") from error


def _ask(server: LdapServer, place: Any, name: str, password: str) -> Vouched:
    if server.user_dn:
        dn = server.user_dn.replace("{name}", escape_rdn(name))
        with _connection(server, place) as own:
            _bind(own, dn, password)
            return _vouched(server, own, _entry(own, dn, "(objectClass=*)", server, ldap3.BASE))
    with _connection(server, place) as finder:
        _bind_finder(finder, server)
        wanted = server.user_filter.replace("{name}", escape_filter_chars(name))
        try:
            entry = _entry(finder, server.base, wanted, server, ldap3.SUBTREE)
        except DirectoryError as refused:
            if refused.code == REFUSED:  # nobody of this name: it takes as long to say so
                with _connection(server, place) as nobody:
                    _bind(nobody, f"cn={os.urandom(8).hex()},{server.base}", password)
            raise
        with _connection(server, place) as own:
            _bind(own, entry["dn"], password)
        return _vouched(server, finder, entry)


class _connection:  # noqa: N801  reads as a verb where it is used
    """One connection, with TLS where there is to be any before anything is said on it."""

    def __init__(self, server: LdapServer, place: Any) -> None:
        self._server = server
        self._made = ldap3.Connection(
            place, auto_bind=ldap3.AUTO_BIND_NONE, client_strategy=ldap3.SYNC, auto_referrals=False, raise_exceptions=False,
            receive_timeout=max(1, int(server.timeout_s)), check_names=False, read_only=True, return_empty_attributes=False,
        )  # fmt: skip

    def __enter__(self) -> Any:
        self._made.open(read_server_info=False)
        if self._server.start_tls and not self._made.start_tls(read_server_info=False):
            raise DirectoryError(AWAY, "no TLS")
        return self._made

    def __exit__(self, *_: object) -> None:
        self._made.unbind()


def _bind(connection: Any, dn: str, password: str) -> None:
    """Bind as somebody. Raises DirectoryError."""
    connection.user, connection.password, connection.authentication = dn, password, ldap3.SIMPLE
    if connection.bind(read_server_info=False):
        return
    said = str(connection.result.get("description", ""))
    raise DirectoryError(REFUSED) if said in WRONG else DirectoryError(AWAY, f"bind: {said}")


def _bind_finder(connection: Any, server: LdapServer) -> None:
    """Bind as the account that may look for people; without one as nobody."""
    if not server.bind_dn:
        if not connection.bind(read_server_info=False):
            raise DirectoryError(AWAY, f"anonymous bind: {connection.result.get('description')}")
        return
    try:
        with Path(server.bind_password_file).open("rb") as file:
            password = file.read(SECRET_BYTES_MAX).decode().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DirectoryError(AWAY, f"bind_password_file cannot be read: {server.bind_password_file}") from error
    if not password:
        raise DirectoryError(AWAY, f"bind_password_file is empty: {server.bind_password_file}")
    try:
        _bind(connection, server.bind_dn, password)
    except DirectoryError as refused:
        raise DirectoryError(AWAY, refused.reason or "bind_dn or its password is not right") from refused


def _entry(connection: Any, base: str, wanted: str, server: LdapServer, scope: str) -> dict[str, Any]:
    """Return the one entry. Raises DirectoryError REFUSED when there is none or more than one."""
    attributes = [server.name_attribute, server.id_attribute, server.group_attribute]
    found = _search(connection, base, wanted, scope, attributes, 2)
    if len(found) != 1:
        raise DirectoryError(REFUSED)
    return found[0]


def _search(connection: Any, base: str, wanted: str, scope: str, attributes: list[str], most: int) -> list[dict[str, Any]]:
    connection.search(
        base, wanted, search_scope=scope, dereference_aliases=ldap3.DEREF_NEVER, attributes=attributes, size_limit=most,
        time_limit=max(1, int(connection.receive_timeout)),
    )  # fmt: skip
    said = connection.result.get("description")
    if said == "noSuchObject":
        return []
    if said == "sizeLimitExceeded" and most > 2:
        raise DirectoryError(AWAY, f"more than {most} groups of one person")
    if said not in {"success", "sizeLimitExceeded"}:
        raise DirectoryError(AWAY, f"search: {said}")
    found = [row for row in connection.response or [] if row.get("type") == "searchResEntry"]
    return found + found if said == "sizeLimitExceeded" else found  # cut short: there were more than one


def _vouched(server: LdapServer, connection: Any, entry: dict[str, Any]) -> Vouched:
    name, subject = _first(entry, server.name_attribute), _first(entry, server.id_attribute)
    if not name or not 0 < len(subject) <= SUBJECT_MAX:
        missing = server.id_attribute if name else server.name_attribute
        raise DirectoryError(AWAY, f"the entry has no {missing} that can be used")
    held = [raw.decode("utf-8", "replace") for raw in _values(entry, server.group_attribute)]
    if server.group_base:
        wanted = server.group_filter.replace("{dn}", escape_filter_chars(entry["dn"])).replace("{name}", escape_filter_chars(name))
        held += [row["dn"] for row in _search(connection, server.group_base, wanted, ldap3.SUBTREE, ["1.1"], GROUPS_MAX)]
    known = {_folded(each) for each in held} - {None}
    return Vouched(LDAP, name, subject, tuple(each for each in server.groups if _folded(each) in known))


def _values(entry: dict[str, Any], attribute: str) -> list[bytes]:
    """Return an attribute's values, however the server writes its name."""
    raw = entry.get("raw_attributes") or {}
    return [value for key in raw if key.lower() == attribute.lower() for value in raw[key]]


def _first(entry: dict[str, Any], attribute: str) -> str:
    """Return a value as text: hexadecimal digits where it is none (an objectGUID)."""
    value = next(iter(_values(entry, attribute)), b"")
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value.hex()
    return text if text.isprintable() else value.hex()


def _folded(dn: str) -> Dn | None:
    """Return a DN so that two ways to write it are equal; None for one that is none, which equals nothing."""
    try:
        return tuple((kind.lower(), value.casefold(), sign) for kind, value, sign in parse_dn(dn, strip=True))
    except LDAPInvalidDnError:
        return None
