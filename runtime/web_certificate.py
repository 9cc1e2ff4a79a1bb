"""The page's certificate: a key of this device's own, a certificate that it signed itself, a request for a better one, its import.

Room: hall. The web face makes it at its start and serves with it; the core hands out requests and imports (`cert.edit`). The key never
leaves the folder, and stands in no log and in no answer. Files in state/private/web/:
`key.pem` (PKCS 8, mode 0600) and `cert.pem` (the chain, ours first).
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ledger_client.disk import Disk, read_whole, write_atomically
from ledger_client.errors import FormatError
from runtime.web_names import CERTIFICATE_FILE, COMMON_NAME, KEY_FILE, PEM_SIZE_MAX, is_ours, lasting, lasting_names

CHAIN_MAX: Final = 8
COMMON_NAME_BYTES_MAX: Final = 64
OWN_DAYS: Final = 825
RENEW_DAYS: Final = 30
EARLIEST: Final = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
"""A clock that says less is not set: a certificate from then on is good all the same."""


@dataclass(frozen=True, slots=True)
class Told:
    """What anybody may know of a certificate. `fingerprint` is SHA-256 of its DER in hex, pairs apart by colons, as browsers show it."""

    fingerprint: str
    subject: str
    issuer: str
    not_before_ms: int
    not_after_ms: int
    names: tuple[str, ...]
    is_own: bool
    """Whether this device signed it itself."""

    def plain(self) -> dict[str, Any]:
        """Return it for a face."""
        return {
            "fingerprint": self.fingerprint, "subject": self.subject, "issuer": self.issuer, "not_before_ms": self.not_before_ms,
            "not_after_ms": self.not_after_ms, "names": list(self.names), "is_own": self.is_own,
        }  # fmt: skip


class WebCertificate:
    """The folder of key and certificate. All methods block."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk, self.folder = disk, folder

    def ensure(self, common_name: str, extra: Sequence[str], wall_ms: int) -> Told:
        """Make what is missing, and a fresh certificate where our own is about to end. Raises OSError, FormatError."""
        key = self._key()
        held = self._certificate()
        if held is None or (_is_own(held) and _ends_soon(held, wall_ms)) or not _fits(held, key):
            held = self._sign_own(key, common_name, lasting_names([*extra, *_kept_addresses(held)]), wall_ms)
        return told_of(held)

    def renew(self, extra: Sequence[str], wall_ms: int, reached_at: str = "") -> Told:
        """Sign our own anew, with the same key, for the names and addresses of now. Raises OSError, FormatError.

        It keeps the addresses that it has and this machine too, and takes in `reached_at`, at which it is asked, where that is one: so two
        people who come by two networks do not renew it in turns. Temporary ones (`lasting`) are neither kept nor taken in.
        `cert_not_own`: what is in force is a CA's, or there is none yet. `cert_key_other`: the key is gone, or is another one than its.
        """
        held = self._certificate()
        if held is None or not _is_own(held):
            raise FormatError("cert_not_own")
        key = self._held_key()
        if key is None or not _fits(held, key):
            raise FormatError("cert_key_other")
        names = lasting_names([*extra, *_kept_addresses(held, reached_at)])
        named = held.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return told_of(self._sign_own(key, str(named[0].value) if named else COMMON_NAME, names, wall_ms))

    def told(self) -> Told | None:
        """Return what there is, None for nothing. Raises OSError, FormatError."""
        held = self._certificate()
        return None if held is None else told_of(held)

    def request(self, common_name: str, extra: Sequence[str], reached_at: str = "") -> tuple[str, bool]:
        """Return a certificate signing request (PEM) for the key, and whether the key had to be made for it.

        It has the names and addresses that the page is reached by: those of now, and those that `renew` would keep and take in.
        Raises OSError, FormatError.
        """
        try:
            held = self._certificate()
        except FormatError:
            held = None  # what cannot be read has no addresses; a CA's may take its place
        is_new = self._held_key() is None
        names = _san(lasting_names([*extra, *_kept_addresses(held, reached_at)]))
        builder = x509.CertificateSigningRequestBuilder().subject_name(_name(common_name)).add_extension(names, critical=False)
        return builder.sign(self._key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode(), is_new

    def install(self, pem: str, wall_ms: int) -> Told:
        """Put a certificate, and the chain above it, in force. Raises FormatError `cert_invalid_…`, which says what is wrong."""
        chain = _chain(pem.encode("utf-8", "replace"))
        if not _fits(chain[0], self._key()):
            raise FormatError("cert_invalid_key")
        if chain[0].not_valid_after_utc.timestamp() * 1000 <= wall_ms:
            raise FormatError("cert_invalid_ended")
        for below, above in pairwise(chain):
            try:
                below.verify_directly_issued_by(above)
            except (ValueError, TypeError, InvalidSignature) as error:
                raise FormatError("cert_invalid_chain") from error
        data = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain)
        write_atomically(self._disk, self.folder / CERTIFICATE_FILE, data)
        return told_of(chain[0])

    def _key(self) -> ec.EllipticCurvePrivateKey:
        """Return the key; make it where there is none."""
        held = self._held_key()
        if held is not None:
            return held
        self._disk.mkdir(self.folder)
        os.chmod(self.folder, 0o700)
        made = ec.generate_private_key(ec.SECP256R1())
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        write_atomically(self._disk, self.folder / KEY_FILE, made.private_bytes(serialization.Encoding.PEM, *form))
        os.chmod(self.folder / KEY_FILE, 0o600)
        return made

    def _held_key(self) -> ec.EllipticCurvePrivateKey | None:
        data = read_whole(self._disk, self.folder / KEY_FILE, PEM_SIZE_MAX)
        if data is None:
            return None
        try:
            key = serialization.load_pem_private_key(data, None)
        except (ValueError, TypeError) as error:
            raise FormatError("cert_key_unreadable") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise FormatError("cert_key_unreadable")
        return key

    def _certificate(self) -> x509.Certificate | None:
        data = read_whole(self._disk, self.folder / CERTIFICATE_FILE, PEM_SIZE_MAX)
        return None if data is None else _chain(data)[0]

    def _sign_own(self, key: ec.EllipticCurvePrivateKey, common_name: str, names: Sequence[str], wall_ms: int) -> x509.Certificate:
        begin = max(EARLIEST, dt.datetime.fromtimestamp(wall_ms / 1000, dt.UTC) - dt.timedelta(days=1))
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
            key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        made = (
            x509.CertificateBuilder().subject_name(_name(common_name)).issuer_name(_name(common_name)).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(begin).not_valid_after(begin + dt.timedelta(days=OWN_DAYS))
            .add_extension(_san(names), critical=False).add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(key, hashes.SHA256())
        )  # fmt: skip
        write_atomically(self._disk, self.folder / CERTIFICATE_FILE, made.public_bytes(serialization.Encoding.PEM))
        return made


def told_of(held: x509.Certificate) -> Told:
    """Return what anybody may know of it."""
    digest = sha256(held.public_bytes(serialization.Encoding.DER)).hexdigest().upper()
    try:
        san = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = (*san.get_values_for_type(x509.DNSName), *map(str, san.get_values_for_type(x509.IPAddress)))
    except x509.ExtensionNotFound:
        names = ()
    return Told(
        ":".join(digest[at : at + 2] for at in range(0, len(digest), 2)), held.subject.rfc4514_string(), held.issuer.rfc4514_string(),
        round(held.not_valid_before_utc.timestamp() * 1000), round(held.not_valid_after_utc.timestamp() * 1000), names, _is_own(held),
    )  # fmt: skip


def _kept_addresses(held: x509.Certificate | None, more: str = "") -> list[str]:
    """Return the addresses of a certificate, and one more, that this machine has and keeps."""
    found = (lasting(each) for each in (*(told_of(held).names if held is not None else ()), more))
    return [each for each in found if each and is_ours(each)]


def _chain(data: bytes) -> list[x509.Certificate]:
    if len(data) > PEM_SIZE_MAX:
        raise FormatError("cert_invalid_long")
    try:
        chain = x509.load_pem_x509_certificates(data)
    except ValueError as error:
        raise FormatError("cert_invalid_pem") from error
    if not 1 <= len(chain) <= CHAIN_MAX:
        raise FormatError("cert_invalid_many")
    return chain


def _fits(held: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
    form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return held.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)


def _is_own(held: x509.Certificate) -> bool:
    """Tell whether it signed itself: a CA may have the same name."""
    try:
        held.verify_directly_issued_by(held)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _ends_soon(held: x509.Certificate, wall_ms: int) -> bool:
    return held.not_valid_after_utc.timestamp() * 1000 < wall_ms + RENEW_DAYS * 86_400_000


def _name(common_name: str) -> x509.Name:
    cut = common_name.encode()[:COMMON_NAME_BYTES_MAX].decode(errors="ignore") or COMMON_NAME
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cut), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Witnessmark")])


def _san(names: Sequence[str]) -> x509.SubjectAlternativeName:
    found: list[x509.GeneralName] = []
    for each in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(each)))
        except ValueError:
            if each.isascii():
                found.append(x509.DNSName(each))
    return x509.SubjectAlternativeName(found)
