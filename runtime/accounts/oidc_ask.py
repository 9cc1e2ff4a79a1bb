"""Asking an OpenID provider who somebody is: where to send them, and whom the code that they bring back stands for. Blocking.

Room: hall, accounts. `directory_child` calls it. It believes nothing but an ID token that it fetched itself over TLS and checked against
the keys of the configured issuer; what a browser brings is a code, good once. Sources: OpenID Connect Core and Discovery 1.0, RFC 6749,
RFC 7636.
"""

from __future__ import annotations

import base64
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus

from runtime.accounts.directory import AWAY, OIDC, SUBJECT_MAX, DirectoryError, Provider, Vouched
from runtime.accounts.oidc_http import fetch
from runtime.accounts.oidc_token import Expected, checked_claims

WELL_KNOWN: Final = "/.well-known/openid-configuration"
ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")
SECRET_BYTES_MAX: Final = 4_096


def discover(provider: Provider) -> dict[str, Any]:
    """Return {authorization_endpoint, token_endpoint, jwks_uri} of the configured issuer, which must call itself so."""
    told = fetch(provider.issuer.rstrip("/") + WELL_KNOWN, provider.ca_file)
    if told.get("issuer") != provider.issuer:
        raise DirectoryError(AWAY, f"discovery: the issuer calls itself {told.get('issuer')}")
    found = {name: told.get(name) for name in ENDPOINTS}
    for name, url in found.items():
        if not isinstance(url, str) or not url.startswith("https://") or len(url) > 1_000 or "#" in url:
            raise DirectoryError(AWAY, f"discovery: {name} is no https address")
    return found


def redeem(provider: Provider, code: str, verifier: str, nonce: str, asked_s: int, now_s: int, endpoints: dict[str, str]) -> Vouched:
    """Return whom a code stands for; `endpoints` are those of `discover` when the person was sent away. Raises DirectoryError."""
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": provider.redirect_uri, "code_verifier": verifier,
    }  # fmt: skip
    headers: dict[str, str] = {}
    if provider.client_secret_file and provider.method == "basic":
        pair = f"{quote_plus(provider.client_id)}:{quote_plus(_secret(provider.client_secret_file))}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    else:
        form["client_id"] = provider.client_id
        if provider.client_secret_file:
            form["client_secret"] = _secret(provider.client_secret_file)
    told = fetch(endpoints["token_endpoint"], provider.ca_file, form, headers)
    jwks = fetch(endpoints["jwks_uri"], provider.ca_file)
    expected = Expected(provider.issuer, provider.client_id, nonce, asked_s, now_s, provider.skew_s)
    claims = checked_claims(told.get("id_token"), jwks, expected)
    name, auth_s = claims.get(provider.name_claim), claims.get("auth_time")
    if not isinstance(name, str) or not name:
        raise DirectoryError(AWAY, f"ID token: no {provider.name_claim}")
    if len(claims["sub"]) > SUBJECT_MAX:
        raise DirectoryError(AWAY, "ID token: sub is too long")
    subject = sha256(f"{provider.issuer}\n{claims['sub']}".encode()).hexdigest()  # another issuer's sub is another person
    held = _held(claims, provider.roles_claim)
    groups = tuple(each for each in provider.groups if each in held)
    return Vouched(OIDC, name, subject, groups, auth_s if type(auth_s) is int else None)


def _held(claims: dict[str, Any], path: str) -> set[str]:
    """Return a claim's texts: of its own name, or else within objects, by dots (`realm_access.roles`)."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for part in path.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    if isinstance(found, str):
        return {found}
    return {each for each in found if isinstance(each, str)} if isinstance(found, list) else set()


def _secret(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            secret = file.read(SECRET_BYTES_MAX).decode().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DirectoryError(AWAY, f"client_secret_file cannot be read: {path}") from error
    if not secret:
        raise DirectoryError(AWAY, f"client_secret_file is empty: {path}")
    return secret
