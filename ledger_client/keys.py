"""Public keys, private keys in files, and which of them are never to be trusted.

Room: ground. The signer process alone calls `load_private`; everybody else sees `PublicKey`. A private key never
leaves this module as bytes, except into the file that `create_private` makes. Sources: RFC 9052 (COSE_Key), RFC 9864
(algorithm numbers), RFC 8032 (Ed25519); docs/ledger-format.md section 3.
"""

from __future__ import annotations

import fcntl
import os
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from ledger_client import cbor
from ledger_client.errors import FormatError, KeyFaultError

ALG_ED25519 = -19
ALG_ESP256 = -9

# Where keys are read from files or turned into DER, `serialization` is imported on the spot: it brings ciphers and the
# formats of SSH (1 MB), and most processes only verify.

_P = 2**255 - 19
_ORDER_8_Y = (
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
)
_LOW_Y = frozenset({0, 1, _P - 1, _P, _P + 1, *_ORDER_8_Y})


def is_low_order(point: bytes) -> bool:
    """Tell whether 32 bytes encode one of the small-order Ed25519 points (all 14 encodings, sign bit ignored)."""
    return (int.from_bytes(point, "little") & ((1 << 255) - 1)) in _LOW_Y


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A verification key: `alg` is ALG_ED25519 or ALG_ESP256, `raw` the 32-byte point or the 64-byte x || y."""

    alg: int
    raw: bytes

    @property
    def cose(self) -> bytes:
        """The COSE_Key, deterministic."""
        if self.alg == ALG_ED25519:
            return cbor.encode({1: 1, 3: ALG_ED25519, -1: 6, -2: self.raw})
        return cbor.encode({1: 2, 3: ALG_ESP256, -1: 1, -2: self.raw[:32], -3: self.raw[32:]})

    @property
    def kid(self) -> bytes:
        """SHA-256(COSE_Key)[0..8]."""
        return sha256(self.cose).digest()[:8]

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Tell whether the 64-byte signature (Ed25519, or r || s) holds for the message."""
        if len(signature) != 64:
            return False
        try:
            if self.alg == ALG_ED25519:
                if is_low_order(signature[:32]):
                    return False
                ed25519.Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
            else:
                r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
                self._ec().verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True

    def spki(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        from cryptography.hazmat.primitives import serialization

        key = ed25519.Ed25519PublicKey.from_public_bytes(self.raw) if self.alg == ALG_ED25519 else self._ec()
        return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    def _ec(self) -> ec.EllipticCurvePublicKey:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + self.raw)


def public_key(alg: int, raw: bytes) -> PublicKey:
    """Return a checked key. Raises FormatError for a wrong length, an unknown algorithm, a low-order or off-curve point."""
    if alg == ALG_ED25519 and len(raw) == 32:
        if is_low_order(raw):
            raise FormatError("key_low_order")
        return PublicKey(alg, bytes(raw))
    if alg == ALG_ESP256 and len(raw) == 64:
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + raw)
        except ValueError as error:
            raise FormatError("key_invalid") from error
        return PublicKey(alg, bytes(raw))
    raise FormatError("key_unknown_algorithm", alg=alg, size=len(raw))


def from_cose(data: bytes) -> PublicKey:
    """Read a COSE_Key strictly. Raises FormatError."""
    value = cbor.decode(data, size_max=128, what="COSE_Key")
    match value:
        case {1: 1, 3: -19, -1: 6, -2: bytes(x)} if len(value) == 4:
            found = public_key(ALG_ED25519, x)
        case {1: 2, 3: -9, -1: 1, -2: bytes(x), -3: bytes(y)} if len(value) == 5 and len(x) == len(y) == 32:
            found = public_key(ALG_ESP256, x + y)
        case _:
            raise FormatError("key_invalid")
    if found.cose != data:  # 1 == 1.0 == True for a match statement
        raise FormatError("key_invalid")
    return found


def from_spki(data: bytes) -> PublicKey:
    """Read a P-256 SubjectPublicKeyInfo in the one DER form that `PublicKey.spki` writes. Raises FormatError."""
    from cryptography.hazmat.primitives import serialization

    try:
        key = serialization.load_der_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise FormatError("key_invalid") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise FormatError("key_invalid")
    point = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    found = public_key(ALG_ESP256, point[1:])
    if found.spki() != data:
        raise FormatError("key_invalid")
    return found


class PrivateKey(Protocol):
    """Something that signs; a file today, a secure element on a board that has one."""

    @property
    def public(self) -> PublicKey:
        """The verification key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature."""
        ...


class FileKey:
    """A private key that was read from a file. It prints as its key id and never as itself."""

    __slots__ = ("_key", "public")

    def __init__(self, key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        if isinstance(key, ed25519.Ed25519PrivateKey):
            self.public = public_key(ALG_ED25519, key.public_key().public_bytes_raw())
        else:
            from cryptography.hazmat.primitives import serialization

            point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
            self.public = public_key(ALG_ESP256, point[1:])

    def __repr__(self) -> str:
        return f"FileKey({self.public.kid.hex()})"

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature over the message."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(message)
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def create_private(path: Path, *, alg: int = ALG_ED25519) -> FileKey:
    """Make a key and its file (PEM PKCS#8, mode 0600), whole and durable or not there at all.

    Raises KeyFaultError when the path exists, OSError.
    """
    from cryptography.hazmat.primitives import serialization

    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
    key = ed25519.Ed25519PrivateKey.generate() if alg == ALG_ED25519 else ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # A link would refuse an existing name by itself, but a crash before the draft's name is gone leaves a key of two names.
        fcntl.flock(folder, fcntl.LOCK_EX)
        if os.path.lexists(path):
            raise KeyFaultError("key_file_exists", path=str(path))
        draft = path.with_name(path.name + ".new")
        draft.unlink(missing_ok=True)
        _write_private(draft, pem)
        os.rename(draft, path)
        os.fsync(folder)
    finally:
        os.close(folder)
    return FileKey(key)


def load_private(path: Path) -> FileKey:
    """Read a key file that only its owner can read. Raises KeyFaultError: missing, a link, wider than 0600, another's, or no key."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe must not hang the start
    except FileNotFoundError as error:
        raise KeyFaultError("key_file_missing", path=str(path)) from error
    except OSError as error:
        raise KeyFaultError("key_file_is_link", path=str(path)) from error
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1:
            raise KeyFaultError("key_file_is_link", path=str(path))
        if info.st_mode & 0o177:
            raise KeyFaultError("key_file_too_open", path=str(path), mode=oct(stat.S_IMODE(info.st_mode)))
        if info.st_uid != os.geteuid():
            raise KeyFaultError("key_file_wrong_owner", path=str(path), uid=info.st_uid)
        pem = os.read(descriptor, 10_000)
    finally:
        os.close(descriptor)
    from cryptography.hazmat.primitives import serialization

    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise KeyFaultError("key_file_invalid", path=str(path)) from error
    if isinstance(key, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
        return FileKey(key)
    raise KeyFaultError("key_file_invalid", path=str(path))


def _write_private(path: Path, pem: bytes) -> None:
    """Write a file that only its owner can read, and flush it; no other file of that name may exist."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        rest = memoryview(pem)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
