"""Asking an OpenID provider over real https: what its word must be like to count. `oidc_ask` as its child calls it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from runtime.accounts import oidc_ask
from runtime.accounts.directory import AWAY, DirectoryError, Vouched
from runtime.accounts.directory import Provider as Asked
from runtime.accounts.oidc_desk import provider
from runtime.accounts.oidc_pending import RANDOM_BYTES, PendingSignIns, address
from runtime.config_signin import Oidc
from tests.rigs.certificate import make_certificate
from tests.rigs.oidc_provider import CLIENT, SECRET, WELL_KNOWN, Provider, SigningKey, shared_secret, unsigned

pytestmark = pytest.mark.integration
RANDOM = bytes(range(4 * RANDOM_BYTES))


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Provider]:
    with Provider(tmp_path) as found:
        yield found


def signed_in(works: Provider, *, asked_s: int | None = None, verifier: str = "", nonce: str = "", **more: Any) -> Vouched:
    """Go the whole way once: discover, be sent away, come back with a code, redeem it."""
    options = Oidc.model_validate(works.options(**more))
    asked = Asked(**{**provider(options), "groups": tuple(provider(options)["groups"])})
    now_s = int(time.time())
    endpoints = oidc_ask.discover(asked)
    state, _, pending = PendingSignIns().begin(RANDOM, "10.0.0.1", "/", "", 0, asked_s or now_s, endpoints)
    url = address(pending, state, options.client_id, options.redirect_uri, options.scopes)
    back = works.give_code(dict(parse_qsl(url.partition("?")[2])))
    code = back.partition("code=")[2].partition("&")[0]
    return oidc_ask.redeem(
        asked, code, verifier or pending.verifier, nonce or pending.nonce, pending.wall_s, int(time.time()), pending.endpoints
    )  # fmt: skip


def reason_of(works: Provider, **more: Any) -> str:
    with pytest.raises(DirectoryError) as caught:
        signed_in(works, **more)
    assert caught.value.code == AWAY
    return caught.value.reason


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("method", ["basic", "post"])
def test_a_code_is_worth_the_person_that_the_provider_signed_for(works: Provider, algorithm: str, method: str) -> None:
    works.key = SigningKey(algorithm)
    found = signed_in(works, method=method)
    assert (found.directory, found.name, len(found.subject)) == ("oidc", "anna", 64)
    assert "248289761001" not in found.subject, "what it is called there is bound to the issuer"
    assert found.groups == ("fitters", "engineers"), "in the order of the configuration"
    assert found.auth_s is not None


def test_keys_may_change_between_two_sign_ins_and_beside_each_other(works: Provider) -> None:
    signed_in(works)
    works.key = SigningKey(kid="k2")
    assert signed_in(works).name == "anna"
    old = SigningKey(kid="k1")
    works.keys = lambda: [old.jwk(), works.key.jwk(), {"kty": "oct", "k": "AAAA", "kid": "k2"}]
    assert signed_in(works).name == "anna"
    works.keys = lambda: [old.jwk()]
    assert "0 fit" in reason_of(works)


LIES: dict[str, tuple[Callable[[Provider], None], str]] = {
    "no signature": (lambda p: setattr(p, "signed", unsigned), "algorithm none"),
    "the public key as a shared secret": (
        lambda p: setattr(p, "signed", lambda claims: shared_secret(claims, p.key.jwk()["n"].encode())),
        "algorithm HS256",
    ),
    "another key of the same id": (lambda p: setattr(p, "signed", SigningKey().token), "bad_signature"),
    "a key in the header": (
        lambda p: setattr(p, "signed", lambda claims: (k := SigningKey(kid="own")).token(claims, jwk=k.jwk())),
        "0 fit",
    ),
    "another algorithm than the key's": (lambda p: setattr(p, "signed", lambda claims: p.key.token(claims, alg="ES256")), "0 fit"),
    "a critical header": (lambda p: setattr(p, "signed", lambda claims: p.key.token(claims, crit=["x"], x=1)), "algorithm"),
    "a key that is too small": (lambda p: setattr(p, "key", SigningKey(bits=1024)), "1024 bits"),
    "a key for encryption": (lambda p: setattr(p, "keys", lambda: [{**p.key.jwk(), "use": "enc"}]), "0 fit"),
    "two keys of one id": (lambda p: setattr(p, "keys", lambda: [p.key.jwk(), SigningKey().jwk()]), "2 fit"),
    "too many keys": (lambda p: setattr(p, "keys", lambda: [p.key.jwk()] * 65), "too many"),
    "for another client": (lambda p: p.claims.update(aud="somebody else"), "another client"),
    "for another client as well": (lambda p: p.claims.update(aud=[CLIENT, "somebody else"], azp=CLIENT), "another client"),
    "given to another client": (lambda p: p.claims.update(azp="somebody else"), "another client"),
    "by another issuer": (lambda p: p.claims.update(iss="https://127.0.0.1/other"), "iss"),
    "expired": (lambda p: p.claims.update(exp=int(time.time()) - 61), "exp"),
    "made before it was asked for": (lambda p: p.claims.update(iat=int(time.time()) - 90), "older than the question"),
    "made in the future": (lambda p: p.claims.update(iat=int(time.time()) + 120, exp=int(time.time()) + 200), "future"),
    "good for ever": (lambda p: p.claims.update(exp=int(time.time()) + 86_500), "a day"),
    "times that are texts": (lambda p: p.claims.update(exp="2099"), "exp"),
    "times that are true": (lambda p: p.claims.update(iat=True), "iat"),
    "the nonce of another sign-in": (lambda p: p.claims.update(nonce="another"), "nonce"),
    "no nonce": (lambda p: p.claims.update(nonce=None), "nonce"),
    "no subject": (lambda p: p.claims.update(sub=None), "sub"),
    "an empty subject": (lambda p: p.claims.update(sub=""), "sub"),
    "an endless subject": (lambda p: p.claims.update(sub="x" * 256), "sub"),
    "no name": (lambda p: p.claims.update(preferred_username=None), "preferred_username"),
    "a name that is a number": (lambda p: p.claims.update(preferred_username=7), "preferred_username"),
    "a token that is none": (lambda p: setattr(p, "signed", lambda _: "a.b.c"), "no header"),
    "a token deeper than a stack": (lambda p: setattr(p, "signed", lambda _: "W1tb" * 12_000 + ".x.y"), "no header"),
    "an endless token": (lambda p: setattr(p, "signed", lambda claims: p.key.token({**claims, "more": "x" * 70_000})), "no ID token"),
    "no token": (lambda p: p.answers.update({"/token_endpoint": (200, b'{"access_token": "x"}')}), "no ID token"),
    "a refusal": (lambda p: p.answers.update({"/token_endpoint": (400, b'{"error": "invalid_grant"}')}), "invalid_grant"),
    "a refusal that repeats our secret": (
        lambda p: p.answers.update({"/token_endpoint": (401, json.dumps({"error": SECRET}).encode())}),
        "no error that OAuth knows",
    ),
    "a refusal that is a list": (lambda p: p.answers.update({"/token_endpoint": (401, b'{"error": ["x"]}')}), "no error that OAuth knows"),
    "keys without end": (lambda p: p.answers.update({"/jwks_uri": (200, b'{"keys": [' + b" " * 300_000 + b"]}")}), "more than"),
    "keys deeper than a stack": (lambda p: p.answers.update({"/jwks_uri": (200, b"[" * 200_000)}), "no JSON"),
    "keys that are none": (lambda p: p.answers.update({"/jwks_uri": (200, b'{"keys": "k"}')}), "keys"),
    "a redirect": (lambda p: p.answers.update({WELL_KNOWN: (302, b"{}")}), "status 302"),
    "discovery of another issuer": (lambda p: p.discovery.update(issuer="https://127.0.0.1/other"), "calls itself"),
    "discovery of a plain address": (lambda p: p.discovery.update(token_endpoint="http://127.0.0.1/token"), "no https"),
    "discovery of an address that is none": (lambda p: p.discovery.update(token_endpoint="https://[::1"), "none"),
    "discovery of a file": (lambda p: p.discovery.update(jwks_uri="file:///etc/passwd"), "no https"),
}


@pytest.mark.parametrize("lie", LIES)
def test_what_does_not_hold_makes_nobody(works: Provider, lie: str) -> None:
    tell, wanted = LIES[lie]
    tell(works)
    assert wanted in reason_of(works)


def test_a_code_is_good_once_and_only_with_its_own_proof(works: Provider) -> None:
    assert "invalid_grant" in reason_of(works, verifier="another's")
    assert "nonce" in reason_of(works, nonce="another's")
    assert "older than the question" in reason_of(works, asked_s=int(time.time()) + 100)


def test_a_provider_whose_certificate_does_not_hold_gets_neither_code_nor_secret(works: Provider, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other, _ = make_certificate(tmp_path / "other")
    assert "TLS" in reason_of(works, ca_file=str(other))
    assert "TLS" in reason_of(works, ca_file="")
    assert "TLS" in reason_of(works, issuer=works.issuer.replace("127.0.0.1", "localhost"))
    assert works.asked == []


def test_roles_may_be_within_a_claim(works: Provider) -> None:
    works.claims.update(groups=None, realm_access={"roles": ["bosses", 7]})
    assert signed_in(works).groups == ()
    assert signed_in(works, roles_claim="realm_access.roles").groups == ("bosses",)
    works.claims.update({"groups": "bosses"})
    assert signed_in(works).groups == ("bosses",)


def test_a_secret_that_cannot_be_read_is_said(works: Provider, tmp_path: Path) -> None:
    assert "client_secret_file" in reason_of(works, client_secret_file=str(tmp_path / "none"))
