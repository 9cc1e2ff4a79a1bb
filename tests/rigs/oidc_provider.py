"""An OpenID provider over real https, which tests can make lie. It signs with `cryptography` itself, not with the library under test.

Room: tests. `say` changes what it answers: claims of the ID token, its header, its keys, its discovery, or whole answers.
"""

from __future__ import annotations

import base64
import hashlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.rigs.certificate import make_certificate

CLIENT, SECRET = "gateway 7", "the client's: secret+"
WELL_KNOWN = "/.well-known/openid-configuration"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value: int) -> str:
    return b64(value.to_bytes(-(-value.bit_length() // 8), "big"))


@dataclass
class SigningKey:
    """A key of one algorithm, with its id."""

    algorithm: str = "RS256"
    kid: str = "k1"
    bits: int = 2048

    def __post_init__(self) -> None:
        self._key: Any = {
            "RS256": lambda: rsa.generate_private_key(65537, self.bits),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }[self.algorithm]()

    def jwk(self) -> dict[str, str]:
        public, common = self._key.public_key(), {"kid": self.kid, "use": "sig", "alg": self.algorithm}
        if self.algorithm == "RS256":
            numbers = public.public_numbers()
            return {**common, "kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        if self.algorithm == "ES256":
            numbers = public.public_numbers()
            x, y = (b64(each.to_bytes(32, "big")) for each in (numbers.x, numbers.y))
            return {**common, "kty": "EC", "crv": "P-256", "x": x, "y": y}
        return {**common, "kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}

    def sign(self, message: bytes) -> bytes:
        if self.algorithm == "RS256":
            signature: bytes = self._key.sign(message, padding.PKCS1v15(), hashes.SHA256())
            return signature
        if self.algorithm == "ES256":
            r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return bytes(self._key.sign(message))

    def token(self, claims: Mapping[str, Any], **header: Any) -> str:
        head = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT", **header}
        body = ".".join(b64(json.dumps(part).encode()) for part in (head, claims))
        return f"{body}.{b64(self.sign(body.encode()))}"


def unsigned(claims: Mapping[str, Any]) -> str:
    """A token of algorithm `none`."""
    return ".".join(b64(json.dumps(part).encode()) for part in ({"alg": "none"}, claims)) + "."


def shared_secret(claims: Mapping[str, Any], secret: bytes) -> str:
    """A token of algorithm HS256, keyed with what everybody knows: the public key."""
    body = ".".join(b64(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": "k1"}, claims))
    mac = hmac.HMAC(secret, hashes.SHA256())
    mac.update(body.encode())
    return f"{body}.{b64(mac.finalize())}"


@dataclass
class Person:
    """Who is signed in at the provider."""

    sub: str = "248289761001"
    preferred_username: str = "anna"
    groups: list[str] = field(default_factory=lambda: ["fitters", "engineers"])


class Provider:
    """`with` it serves; `person` is who signs in, `codes` what was given out and not redeemed yet, `asked` the paths."""

    def __init__(self, folder: Path, secret: str = SECRET) -> None:
        self.ca, self.key_file = make_certificate(folder)
        self.key, self.person, self._secret = SigningKey(), Person(), secret
        (folder / "client.secret").write_text(secret + "\n")
        self.secret_file = folder / "client.secret"
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.claims: dict[str, Any] = {}
        self.signed: Callable[[dict[str, Any]], str] = lambda claims: self.key.token(claims)  # noqa: PLW0108  the key of that moment
        self.keys: Callable[[], list[dict[str, str]]] = lambda: [self.key.jwk()]
        self.discovery: dict[str, Any] = {}
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.back: dict[str, str] = {}
        self.auth_time: Callable[[], int] = lambda: int(time.time())

    def __enter__(self) -> Self:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider._get(self)

            def do_POST(self) -> None:
                provider._post(self)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """Say nothing of clients that do not trust us."""

        self._server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, self.key_file)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def issuer(self) -> str:
        return f"https://127.0.0.1:{self._server.server_port}"

    def options(self, redirect_uri: str = "http://127.0.0.1:8480/login/sso/back", **more: Any) -> dict[str, Any]:
        """Return what [oidc] says to ask it."""
        own = {
            "issuer": self.issuer, "client_id": CLIENT, "client_secret_file": str(self.secret_file), "redirect_uri": redirect_uri,
            "ca_file": str(self.ca), "label": "Works", "timeout_s": 5.0,
            "roles": {"engineer": ["engineers"], "technician": ["fitters"], "admin": ["bosses"]},
        }  # fmt: skip
        return {**own, **more}

    def give_code(self, asked: Mapping[str, str]) -> str:
        """Sign `person` in and return where their browser is sent: back, with a code that is good once."""
        assert [asked[each] for each in ("response_type", "code_challenge_method", "client_id")] == ["code", "S256", CLIENT]
        code = f"code-{len(self.asked)}-{len(self.codes)}"
        self.codes[code] = dict(asked)
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], **self.back})}"

    def _get(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        self.asked.append(parts.path)
        if parts.path in self.answers:
            return _answer(handler, *self.answers[parts.path])
        if parts.path == WELL_KNOWN:
            own = {name: f"{self.issuer}/{name}" for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")}
            return _json(handler, {"issuer": self.issuer, **own, **self.discovery})
        if parts.path == "/jwks_uri":
            return _json(handler, {"keys": self.keys()})
        if parts.path == "/authorization_endpoint":
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            page = f'<!doctype html><title>Works</title><a id="yes" href="{self.give_code(asked).replace("&", "&amp;")}">I am Anna</a>'
            return _answer(handler, 200, page.encode(), "text/html")
        return _answer(handler, 200 if parts.path == "/favicon.ico" else 404, b"{}")

    def _post(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(handler.path)
        form = {name: values[0] for name, values in parse_qs(handler.rfile.read(int(handler.headers["content-length"])).decode()).items()}
        if handler.path in self.answers:
            return _answer(handler, *self.answers[handler.path])
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return _json(handler, {"error": "invalid_grant"}, 400)
        if not self._is_client(handler, form):
            return _json(handler, {"error": "invalid_client"}, 401)
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": asked["nonce"], "auth_time": self.auth_time(),
            **vars(self.person), **self.claims,
        }  # fmt: skip
        said = {name: value for name, value in claims.items() if value is not None}
        return _json(handler, {"access_token": "x", "token_type": "Bearer", "id_token": self.signed(said)})

    def _is_client(self, handler: BaseHTTPRequestHandler, form: Mapping[str, str]) -> bool:
        kind, _, given = handler.headers.get("authorization", "").partition(" ")
        if kind == "Basic":
            return base64.b64decode(given).decode() == f"gateway+7:{quote_plus(self._secret)}"
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT, self._secret)


def _json(handler: BaseHTTPRequestHandler, said: Mapping[str, Any], status: int = 200) -> None:
    _answer(handler, status, json.dumps(said).encode())


def _answer(handler: BaseHTTPRequestHandler, status: int, body: bytes, media: str = "application/json") -> None:
    handler.send_response(status)
    handler.send_header("content-type", media)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
