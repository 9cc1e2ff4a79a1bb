"""The sections [ldap] and [oidc] of the config file: who else may say that somebody is who they say.

Room: hall. `config_model` puts them into the file's model. It opens nothing: whether a file or a server is there shows when somebody
signs in.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, model_validator

from drivers.option_error import OptionError
from runtime.config_shapes import Strict, Text

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
BACK: Final = "/login/sso/back"
"""Where a provider sends people back to, on our page."""
Group = Annotated[str, Field(min_length=1, max_length=500)]
Groups = Annotated[list[Group], Field(max_length=50)]
Attribute = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9;-]{0,63}$")]


class Roles(Strict):
    """roles = {…} of [ldap] and [oidc]: the groups whose people have a role. Whoever is in none of them does not come in."""

    viewer: Groups = Field(default=[])
    technician: Groups = Field(default=[])
    engineer: Groups = Field(default=[])
    admin: Groups = Field(default=[])

    def groups(self) -> dict[str, tuple[str, ...]]:
        """Return the groups by role."""
        return {name: tuple(getattr(self, name)) for name in type(self).model_fields}

    def all_groups(self) -> tuple[str, ...]:
        """Return the groups that mean something here, each once."""
        return tuple(dict.fromkeys(each for names in self.groups().values() for each in names))


class Ldap(Strict):
    """[ldap]: an LDAP server that people may sign in by. Without a url it is off."""

    url: Text = ""
    label: Annotated[str, Field(min_length=1, max_length=40)] = "LDAP"
    start_tls: bool = False
    ca_file: str = ""
    bind_dn: str = Field(default="", max_length=500)
    bind_password_file: str = ""
    base: str = Field(default="", max_length=500)
    user_filter: str = Field(default="(uid={name})", max_length=500)
    user_dn: str = Field(default="", max_length=500)
    name_attribute: Attribute = "uid"
    id_attribute: Attribute = "entryUUID"
    group_attribute: Attribute = "memberOf"
    group_base: str = Field(default="", max_length=500)
    group_filter: str = Field(default="(member={dn})", max_length=500)
    timeout_s: float = Field(default=8.0, ge=1, le=15)
    roles: Roles = Roles()

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        if not self.url:
            return self
        parts = _address(self.url, ("ldap", "ldaps"), "config_ldap_url")
        if parts.scheme == "ldaps" and self.start_tls:
            raise OptionError("config_ldap_twice")
        if parts.scheme == "ldap" and not self.start_tls and parts.hostname not in LOOPBACK:
            raise OptionError("config_ldap_plain", value=self.url[:80])
        if bool(self.bind_dn) != bool(self.bind_password_file):
            raise OptionError("config_ldap_bind_pair")
        if bool(self.base) == bool(self.user_dn):
            raise OptionError("config_ldap_find")
        if self.base and self.user_filter.count("{name}") == 0:
            raise OptionError("config_ldap_name", key="user_filter")
        if self.user_dn and self.user_dn.count("{name}") != 1:
            raise OptionError("config_ldap_name", key="user_dn")
        if self.group_base and "{dn}" not in self.group_filter:
            raise OptionError("config_ldap_group")
        _has_roles(self.roles)
        return self


class Oidc(Strict):
    """[oidc]: an OpenID provider that people may sign in by. Without an issuer it is off."""

    issuer: Text = ""
    label: Annotated[str, Field(min_length=1, max_length=40)] = "OpenID"
    client_id: Text = ""
    client_secret_file: str = ""
    redirect_uri: Text = ""
    ca_file: str = ""
    scopes: list[Annotated[str, Field(pattern=r"^[!#-\[\]-~]{1,100}$")]] = Field(default=["openid", "profile"], max_length=10)
    name_claim: Annotated[str, Field(min_length=1, max_length=100)] = "preferred_username"
    roles_claim: Annotated[str, Field(min_length=1, max_length=200)] = "groups"
    skew_s: int = Field(default=60, ge=0, le=300)
    timeout_s: float = Field(default=10.0, ge=1, le=15)
    method: Literal["basic", "post"] = "basic"
    roles: Roles = Roles()

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        if not self.issuer:
            return self
        issuer = _address(self.issuer, ("https",), "config_oidc_issuer")
        if issuer.query or not self.client_id:
            raise OptionError("config_oidc_issuer", value=self.issuer[:80])
        back = _address(self.redirect_uri, ("https", "http"), "config_oidc_redirect")
        if back.path != BACK or back.query or (back.scheme == "http" and back.hostname not in LOOPBACK):
            raise OptionError("config_oidc_redirect", value=self.redirect_uri[:80])
        if "openid" not in self.scopes:
            raise OptionError("config_oidc_scopes")
        _has_roles(self.roles)
        return self


def _address(text: str, schemes: tuple[str, ...], code: str) -> SplitResult:
    """Return a url in parts: a scheme of these, a host, no user, no fragment."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in schemes and bool(parts.hostname) and parts.username is None and not parts.fragment and parts.port != 0
    except ValueError:
        good = False
    if not good or not text.isascii() or any(ord(char) <= 32 for char in text):
        raise OptionError(code, value=text[:80])
    return parts


def _has_roles(roles: Roles) -> None:
    if not any(roles.groups().values()):
        raise OptionError("config_signin_roles")
