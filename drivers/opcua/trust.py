"""Whom an OPC UA client trusts and who it is: fingerprints of servers, our own certificate and key, user and password out of files.

Room: ground, driver `opcua`. Called by `link.py` before a connection, in a thread: everything here blocks. It talks to nobody and
never logs what it reads. A server is trusted when the SHA-256 of its certificate stands in the configuration; no authority, no date
and no host name counts besides.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from drivers.driver import DriverError
from drivers.opcua.config import DeviceOptions
from drivers.reading import Status

application_uri: Final = "urn:witnessmark:gateway"
key_bits: Final = 2048
file_size_max: Final = 65_536
valid_from: Final = datetime(2025, 1, 1, tzinfo=UTC)
"""Fixed, because the clock of a gateway that starts for the first time may not be set."""
valid_to: Final = datetime(2050, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are: certificate (DER), private key (PEM), the URI in the certificate, user and password or None."""

    certificate: bytes
    key: bytes
    uri: str
    user: str | None
    password: str | None


def fingerprint(certificate: bytes) -> str:
    """Return what a configuration calls a certificate (DER) by: `sha256:` and 64 hex digits."""
    return "sha256:" + sha256(certificate).hexdigest()


def load_identity(options: DeviceOptions) -> Identity:
    """Read our certificate and key, making both when neither file exists; read user and password. Blocking.

    Raises DriverError `opcua_file_unusable` with the file and what is wrong.
    """
    certificate_file, key_file = Path(options.certificate_file or ""), Path(options.key_file or "")
    if not certificate_file.exists() and not key_file.exists():
        _make(certificate_file, key_file)
    certificate, key = _read(certificate_file, secret=False), _read(key_file, secret=True)
    try:
        loaded = (
            x509.load_pem_x509_certificate(certificate) if certificate.startswith(b"-----") else x509.load_der_x509_certificate(certificate)
        )
        private = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError) as error:
        raise _unusable(key_file, type(error).__name__) from error
    if not isinstance(private, rsa.RSAPrivateKey) or private.public_key() != loaded.public_key():
        raise _unusable(key_file, "not the RSA key of the certificate")
    user = password = None
    if options.user_file is not None and options.password_file is not None:
        user = _read(Path(options.user_file), secret=False).decode("utf-8", "replace").strip()
        password = _read(Path(options.password_file), secret=True).decode("utf-8", "replace").rstrip("\r\n")
    return Identity(loaded.public_bytes(serialization.Encoding.DER), key, _uri_of(loaded), user, password)


def _uri_of(certificate: x509.Certificate) -> str:
    """Servers compare it with the URI that the client calls itself by."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return application_uri
    found = names.get_values_for_type(x509.UniformResourceIdentifier)
    return found[0] if found else application_uri


def _make(certificate_file: Path, key_file: Path) -> None:
    """Make a key that only its owner may read, and a self-signed certificate (OPC UA Part 6, 6.2.2)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=key_bits)
    host = socket.gethostname() or "gateway"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Witnessmark@{host}"[:64])])
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=True, key_encipherment=True, data_encipherment=True, key_agreement=False,
        key_cert_sign=True, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from)
        .not_valid_after(valid_to)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(application_uri), x509.DNSName(host)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write_new(key_file, pem, 0o600)
    _write_new(certificate_file, built.public_bytes(serialization.Encoding.PEM), 0o644)


def _write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that does not exist yet, durable before anything relies on it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
    except OSError as error:
        raise _unusable(path, error.strerror or type(error).__name__) from error


def _read(path: Path, *, secret: bool) -> bytes:
    try:
        with path.open("rb") as file:
            if secret and os.fstat(file.fileno()).st_mode & 0o077:
                raise _unusable(path, "others may read it: chmod 600")
            data = file.read(file_size_max + 1)
    except OSError as error:
        raise _unusable(path, error.strerror or type(error).__name__) from error
    if len(data) > file_size_max:
        raise _unusable(path, "too long")
    return data


def _unusable(path: Path, detail: str) -> DriverError:
    return DriverError("opcua_file_unusable", Status.BAD_CONFIGURATION_ERROR, file=str(path), detail=detail)
