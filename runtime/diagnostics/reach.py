"""Three questions about a host outside: what its name means, whether its port takes a connection, what it shows when TLS begins.

Room: hall, diagnostics. `probes` asks them, one at a time and with a deadline around each. Nothing is sent but what a connection and a
handshake need, and nothing that a server shows is believed: its certificate is described, not verified. A failure is a ProbeError.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ADDRESSES_MAX: Final = 16
NAMES_MAX: Final = 32
REFUSED, UNREACHABLE, NAME_UNKNOWN, TLS_FAILED = "probe_refused", "probe_unreachable", "probe_name_unknown", "probe_tls_failed"
NAME_SILENT: Final = "probe_name_silent"
"""No name server said what a name means, or whether it means anything: that is nobody's address yet."""


class ProbeError(Exception):
    """Why a probe did not succeed: a code with its parameters."""

    def __init__(self, code: str, /, **params: str | int | float) -> None:
        self.code, self.params = code, params
        super().__init__(code)


@dataclass(frozen=True, slots=True)
class Shown:
    """What came of a handshake: protocol version, cipher, the certificate in DER."""

    version: str
    cipher: str
    certificate: bytes


def is_address(host: str) -> bool:
    """Whether this is an address itself, for which nobody has to be asked."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def resolve(host: str) -> list[str]:
    """Return the addresses of a name, or of an address itself. Blocking, for as long as name servers are silent. Raises ProbeError."""
    with contextlib.suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    try:
        rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        if isinstance(error, socket.gaierror) and error.errno in (socket.EAI_AGAIN, socket.EAI_FAIL):
            raise ProbeError(NAME_SILENT, host=host) from error
        raise ProbeError(NAME_UNKNOWN, host=host, reason=_reason(error)) from error
    return list(dict.fromkeys(str(row[4][0]) for row in rows))[:ADDRESSES_MAX]


async def connect(address: str, port: int) -> None:
    """Open a connection and close it. Raises ProbeError."""
    try:
        _, writer = await asyncio.open_connection(address, port)
    except OSError as error:
        raise _connection_error(error, address, port) from error
    await _closed(writer)


async def handshake(address: str, port: int, name: str) -> Shown:
    """Open a connection, begin TLS with a server of that name, close it. Raises ProbeError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
    except (ssl.SSLError, EOFError) as error:
        raise ProbeError(TLS_FAILED, reason=str(getattr(error, "reason", None) or type(error).__name__)[:200]) from error
    except ConnectionResetError as error:  # it took the connection and hung up at the first word
        raise ProbeError(TLS_FAILED, reason=_reason(error)) from error
    except OSError as error:
        raise _connection_error(error, address, port) from error
    shown = writer.get_extra_info("ssl_object")
    found = Shown(str(shown.version()), str((shown.cipher() or ("?",))[0]), shown.getpeercert(binary_form=True) or b"")
    await _closed(writer)
    return found


def describe(certificate: bytes, host: str, now: datetime) -> dict[str, Any]:
    """Return what a certificate says: names, issuer, validity, fingerprint, key; whether it is of now and of this host.

    Raises ProbeError for what is none. The fingerprint is the SHA-256 of the whole, as browsers show it.
    """
    try:
        found = x509.load_der_x509_certificate(certificate)
        names = _names(found)
        return {
            "subject": found.subject.rfc4514_string()[:300], "issuer": found.issuer.rfc4514_string()[:300], "names": names[:NAMES_MAX],
            "not_before_ms": round(found.not_valid_before_utc.timestamp() * 1000),
            "not_after_ms": round(found.not_valid_after_utc.timestamp() * 1000),
            "fingerprint": sha256(certificate).hexdigest(), "key": _key(found), "is_own": found.subject == found.issuer,
            "is_valid_now": found.not_valid_before_utc <= now <= found.not_valid_after_utc,
            "is_of_host": any(_fits(each, host) for each in names),
        }  # fmt: skip
    except (ValueError, UnsupportedAlgorithm, x509.UnsupportedGeneralNameType) as error:
        raise ProbeError(TLS_FAILED, reason=f"certificate: {type(error).__name__}") from error


def _names(found: x509.Certificate) -> list[str]:
    try:
        shown = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [str(each.value)[:253] for each in found.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    hosts, addresses = shown.get_values_for_type(x509.DNSName), shown.get_values_for_type(x509.IPAddress)
    return [each[:253] for each in hosts] + [str(each) for each in addresses]


def _key(found: x509.Certificate) -> str:
    key = found.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    return f"EC {key.curve.name}" if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__.removesuffix("PublicKey")


def _fits(name: str, host: str) -> bool:
    """Tell whether a name of a certificate is that of a host; `*.` stands for one label (RFC 6125, 6.4.3)."""
    name, host = name.lower().rstrip("."), host.lower().rstrip(".")
    return name == host or (name.startswith("*.") and host.partition(".")[2] == name[2:] and "." in name[2:])


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
        async with asyncio.timeout(0.5):
            await writer.wait_closed()


def _connection_error(error: OSError, address: str, port: int) -> ProbeError:
    refused = isinstance(error, ConnectionRefusedError)
    return ProbeError(REFUSED if refused else UNREACHABLE, address=address, port=port, reason=_reason(error))


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or type(error).__name__)[:200]
