"""Whether an ID token holds: signature, issuer, audience, times, nonce. Pure; the only file with joserfc.

Room: hall, accounts. `oidc_ask` calls it with what it fetched and with the core's own time. Only signatures by a key pair count: `none` and
shared secrets are no algorithms here. Sources: OpenID Connect Core 1.0 section 3.1.3.7, RFC 7519, RFC 8725.
"""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from runtime.accounts.directory import AWAY, DirectoryError

ALGORITHMS: Final = {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519"), "Ed25519": ("OKP", "Ed25519")}
"""Algorithm -> the kind and curve of key that it needs."""
KEYS_MAX: Final = 64
TOKEN_CHARS_MAX: Final = 64 << 10
RSA_BITS: Final = range(2_048, 8_193)
LIFE_S_MAX: Final = 24 * 3_600


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say. `asked_s` is when we sent the person away, `now_s` is now, both by the core's clock."""

    issuer: str
    client_id: str
    nonce: str
    asked_s: int
    now_s: int
    skew_s: int


def checked_claims(token: object, jwks: Mapping[str, Any], expected: Expected) -> dict[str, Any]:
    """Return the claims of an ID token that holds. Raises DirectoryError AWAY with what does not."""
    if not isinstance(token, str) or not 0 < len(token) <= TOKEN_CHARS_MAX:
        raise DirectoryError(AWAY, "no ID token")
    header = _header(token)
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS or "crit" in header:
        raise DirectoryError(AWAY, f"ID token: algorithm {algorithm}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # EdDSA has another name since RFC 9864, which providers still use; the rest is checked here
            key = _key(jwks, algorithm, header.get("kid"))
            claims = jwt.decode(token, key, algorithms=[algorithm]).claims
        registry = jwt.JWTClaimsRegistry(
            now=expected.now_s, leeway=expected.skew_s, iss={"essential": True, "value": expected.issuer},
            sub={"essential": True}, aud={"essential": True}, exp={"essential": True}, iat={"essential": True},
            nonce={"essential": True, "value": expected.nonce},
        )  # fmt: skip
        registry.validate(claims)
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise DirectoryError(AWAY, f"ID token: {error}") from error
    _check_more(claims, expected)
    return dict(claims)


def _check_more(claims: Mapping[str, Any], expected: Expected) -> None:
    """Check what the library leaves to us: for us alone, made since we asked, and not for ever."""
    if claims["aud"] not in (expected.client_id, [expected.client_id]) or claims.get("azp", expected.client_id) != expected.client_id:
        raise DirectoryError(AWAY, "ID token: for another client")
    if claims["iat"] < expected.asked_s - expected.skew_s:
        raise DirectoryError(AWAY, "ID token: older than the question; compare the clocks")
    if claims["exp"] - claims["iat"] > LIFE_S_MAX:
        raise DirectoryError(AWAY, "ID token: good for more than a day")
    if not claims["sub"]:
        raise DirectoryError(AWAY, "ID token: sub is empty")


def _header(token: str) -> dict[str, Any]:
    try:
        head = token.split(".", maxsplit=1)[0]
        found = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, RecursionError) as error:
        raise DirectoryError(AWAY, "ID token: no header") from error
    if not isinstance(found, dict) or token.count(".") != 2:
        raise DirectoryError(AWAY, "ID token: not signed as JWS")
    return found


def _key(jwks: Mapping[str, Any], algorithm: str, kid: object) -> RSAKey | ECKey | OKPKey:
    """Return the one public key that the token may be signed with; a header never brings one of its own."""
    rows = jwks.get("keys")
    if not isinstance(rows, list) or not 0 < len(rows) <= KEYS_MAX:
        raise DirectoryError(AWAY, "the provider's keys: none, or too many")
    kind, curve = ALGORITHMS[algorithm]
    fits = [
        row
        for row in rows
        if isinstance(row, dict)
        and row.get("kty") == kind
        and row.get("use", "sig") == "sig"
        and row.get("alg", algorithm) == algorithm
        and (curve is None or row.get("crv") == curve)
        and (kid is None or row.get("kid") == kid)
    ]
    if len(fits) != 1:
        raise DirectoryError(AWAY, f"the provider's keys: {len(fits)} fit {algorithm} {kid!r}")
    public = {name: value for name, value in fits[0].items() if name in {"kty", "n", "e", "crv", "x", "y"}}
    try:
        if kind == "RSA":
            found = RSAKey.import_key(public)
            if found.public_key.key_size not in RSA_BITS:
                raise DirectoryError(AWAY, f"the provider's keys: RSA of {found.public_key.key_size} bits")
            return found
        return ECKey.import_key(public) if kind == "EC" else OKPKey.import_key(public)
    except (JoseError, ValueError, TypeError) as error:
        raise DirectoryError(AWAY, f"the provider's keys: {type(error).__name__}") from error
