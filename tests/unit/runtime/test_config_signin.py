"""The sections [ldap] and [oidc]: what would send a password in the clear, let everybody in or nobody, is refused with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.config import parse_config
from runtime.config_faults import ConfigError

HEAD = '[gateway]\nname = "press"\n'
LDAP = {"url": '"ldaps://directory.example"', "base": '"dc=works"', "roles": '{ admin = ["cn=bosses"] }'}
OIDC = {
    "issuer": '"https://login.example/realms/works"', "client_id": '"press"', "redirect_uri": '"https://press.example:8480/login/sso/back"',
    "roles": '{ viewer = ["all"] }',
}  # fmt: skip


def codes(section: str, options: dict[str, str], **changed: Any) -> set[str]:
    lines = [f"{key} = {value}" for key, value in (options | changed).items() if value is not None]
    try:
        parse_config(HEAD + f"[{section}]\n" + "\n".join(lines))
    except ConfigError as error:
        return {fault.code for fault in error.faults}
    return set()


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, None),
        ({"url": '""', "base": '""', "roles": None}, None),
        ({"url": '"ldap://directory.example"', "start_tls": "true"}, None),
        ({"url": '"ldap://127.0.0.1:3890"'}, None),
        ({"url": '"ldap://directory.example"'}, "config_ldap_plain"),
        ({"url": '"ldap://127.0.0.1.evil.example"'}, "config_ldap_plain"),
        ({"url": '"http://directory.example"'}, "config_ldap_url"),
        ({"url": '"ldaps://"'}, "config_ldap_url"),
        ({"url": '"ldaps://me:secret@directory.example"'}, "config_ldap_url"),
        ({"url": '"ldaps://directory.example:99999"'}, "config_ldap_url"),
        ({"start_tls": "true"}, "config_ldap_twice"),
        ({"bind_dn": '"cn=reader"'}, "config_ldap_bind_pair"),
        ({"base": None}, "config_ldap_find"),
        ({"user_dn": '"uid={name},dc=works"'}, "config_ldap_find"),
        ({"user_dn": '"uid=anna,dc=works"', "base": None}, "config_ldap_name"),
        ({"user_filter": '"(uid=anna)"'}, "config_ldap_name"),
        ({"group_base": '"ou=groups"', "group_filter": '"(member=anna)"'}, "config_ldap_group"),
        ({"roles": None}, "config_signin_roles"),
        ({"roles": "{ viewer = [] }"}, "config_signin_roles"),
    ],
)
def test_ldap(changed: dict[str, Any], code: str | None) -> None:
    assert codes("ldap", LDAP, **changed) == ({code} if code else set())


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, None),
        ({"redirect_uri": '"http://127.0.0.1:8480/login/sso/back"'}, None),
        ({"issuer": '""', "client_id": '""', "redirect_uri": '""', "roles": None}, None),
        ({"issuer": '"http://login.example"'}, "config_oidc_issuer"),
        ({"issuer": '"https://login.example?x=1"'}, "config_oidc_issuer"),
        ({"issuer": '"https://login.example/ x"'}, "config_oidc_issuer"),
        ({"client_id": None}, "config_oidc_issuer"),
        ({"redirect_uri": '"http://press.example/login/sso/back"'}, "config_oidc_redirect"),
        ({"redirect_uri": '"https://press.example/elsewhere"'}, "config_oidc_redirect"),
        ({"redirect_uri": None}, "config_oidc_redirect"),
        ({"scopes": '["profile"]'}, "config_oidc_scopes"),
        ({"roles": "{ admin = [] }"}, "config_signin_roles"),
    ],
)  # fmt: skip
def test_oidc(changed: dict[str, Any], code: str | None) -> None:
    assert codes("oidc", OIDC, **changed) == ({code} if code else set())


def test_a_role_that_there_is_not_is_no_role() -> None:
    assert codes("ldap", LDAP, roles='{ root = ["cn=bosses"] }') != set()
