"""Keys: files that only their owner can read, points that nobody may use, and algorithms that cannot be swapped."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ledger_client import cbor
from ledger_client.errors import FormatError, KeyFaultError
from ledger_client.keys import (
    ALG_ED25519,
    ALG_ESP256,
    FileKey,
    PublicKey,
    create_private,
    from_cose,
    is_low_order,
    load_private,
    public_key,
)  # fmt: skip
from tests.rigs.small_log import key_of

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
ORDER = 2**252 + 27742317777372353535851937790883648493


def small_order_ys() -> set[int]:
    """The y of all points whose order divides 8, by arithmetic on the curve: the prime order times points found by search."""
    found: set[int] = set()
    for y in range(2, 60):
        square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
        x = pow(square, (P + 3) // 8, P)
        if (x * x - square) % P:
            x = x * pow(2, (P - 1) // 4, P) % P
        if (x * x - square) % P == 0:
            found.add(times(ORDER, (x, y))[1])
    return found


def times(n: int, point: tuple[int, int]) -> tuple[int, int]:
    total = (0, 1)
    while n:
        total = plus(total, point) if n & 1 else total
        point, n = plus(point, point), n >> 1
    return total


def plus(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    k = D * a[0] * b[0] * a[1] * b[1] % P
    return ((a[0] * b[1] + b[0] * a[1]) * pow(1 + k, -1, P) % P, (a[1] * b[1] + a[0] * b[0]) * pow(1 - k, -1, P) % P)


def es256(secret: int = 7) -> FileKey:
    return FileKey(ec.derive_private_key(secret, ec.SECP256R1()))


@pytest.mark.parametrize("alg", [ALG_ED25519, ALG_ESP256])
def test_a_key_file_works_and_is_private(tmp_path: Path, alg: int) -> None:
    path = tmp_path / "device.key"
    made = create_private(path, alg=alg)
    assert path.stat().st_mode & 0o7777 == 0o600
    read = load_private(path)
    assert read.public == made.public
    assert read.public.verify(read.sign(b"x"), b"x")
    assert not read.public.verify(read.sign(b"x"), b"y")
    assert from_cose(read.public.cose) == read.public
    secret = path.read_text().splitlines()[1]
    assert secret not in repr(read)
    with pytest.raises(KeyFaultError, match="key_file_exists"):
        create_private(path)


def test_a_key_file_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off(_handle: int) -> None:
        raise OSError(errno.EIO, "cut off")

    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:7]))
    with monkeypatch.context() as crash:
        crash.setattr(os, "fsync", cut_off)
        with pytest.raises(OSError, match="cut off"):
            create_private(tmp_path / "k")
    with pytest.raises(KeyFaultError, match="key_file_missing"):
        load_private(tmp_path / "k")
    made = create_private(tmp_path / "k")
    assert load_private(tmp_path / "k").public == made.public
    assert [path.name for path in tmp_path.iterdir()] == ["k"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o700, 0o666, 0o601])
def test_a_wider_mode_is_refused(tmp_path: Path, mode: int) -> None:
    create_private(tmp_path / "k")
    (tmp_path / "k").chmod(mode)
    with pytest.raises(KeyFaultError, match="key_file_too_open"):
        load_private(tmp_path / "k")


def test_links_folders_and_other_things_are_refused(tmp_path: Path) -> None:
    create_private(tmp_path / "k")
    (tmp_path / "soft").symlink_to(tmp_path / "k")
    with pytest.raises(KeyFaultError, match="key_file_is_link"):
        load_private(tmp_path / "soft")
    with pytest.raises(KeyFaultError):
        load_private(tmp_path)
    with pytest.raises(KeyFaultError, match="key_file_missing"):
        load_private(tmp_path / "none")
    os.link(tmp_path / "k", tmp_path / "hard")
    with pytest.raises(KeyFaultError, match="key_file_is_link"):
        load_private(tmp_path / "k")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(KeyFaultError):
        create_private(tmp_path / "dangling")
    assert not (tmp_path / "nowhere").exists()


def test_a_named_pipe_does_not_hang_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(KeyFaultError, match="key_file_is_link"):
        load_private(tmp_path / "pipe")


def test_no_key_and_other_kinds_of_key_are_refused(tmp_path: Path) -> None:
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    other = rsa.generate_private_key(65537, 2048).private_bytes(serialization.Encoding.PEM, *private)
    for name, pem in (("empty", b""), ("noise", os.urandom(200)), ("rsa", other)):
        descriptor = os.open(tmp_path / name, os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(descriptor, pem)
        os.close(descriptor)
        with pytest.raises(KeyFaultError, match="key_file_invalid"):
            load_private(tmp_path / name)


def low_order_encodings() -> list[bytes]:
    ys = [y.to_bytes(32, "little") for y in (*sorted(small_order_ys()), P, P + 1)]
    return ys + [y[:31] + bytes([y[31] | 0x80]) for y in ys]


def test_all_fourteen_small_order_encodings_are_refused() -> None:
    encodings = low_order_encodings()
    assert len(set(encodings)) == 14
    for raw in encodings:
        assert is_low_order(raw)
        with pytest.raises(FormatError, match="key_low_order"):
            public_key(ALG_ED25519, raw)
        cose = cbor.encode({1: 1, 3: -19, -1: 6, -2: raw})
        with pytest.raises(FormatError, match="key_low_order"):
            from_cose(cose)
        assert not key_of(1).public.verify(raw + bytes(32), b"x")
        assert not PublicKey(ALG_ED25519, raw).verify(bytes([1]) + bytes(63), b"any message")
    assert not is_low_order(key_of(1).public.raw)


def test_a_signature_never_holds_under_another_algorithm_or_key() -> None:
    ed, p256 = key_of(1), es256()
    for signer, others in ((ed, (p256, key_of(2))), (p256, (ed, es256(8)))):
        signature = signer.sign(b"m")
        assert signer.public.verify(signature, b"m")
        for other in others:
            assert not other.public.verify(signature, b"m")
        swapped = PublicKey(ALG_ESP256 if signer.public.alg == ALG_ED25519 else ALG_ED25519, signer.public.raw)
        assert not swapped.verify(signature, b"m")
        for wrong in (b"", signature[:63], signature + b"\0", bytes(64), b"\xff" * 64):
            assert not signer.public.verify(wrong, b"m")


def test_every_bit_of_a_signature_matters() -> None:
    for key in (key_of(1), es256()):
        signature = key.sign(b"m")
        for bit in range(512):
            bent = bytearray(signature)
            bent[bit >> 3] ^= 1 << (bit & 7)
            assert not key.public.verify(bytes(bent), b"m")


def test_an_ed25519_scalar_beyond_the_order_is_refused() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    signature = key_of(1).sign(b"m")
    bent = signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    assert not key_of(1).public.verify(bent, b"m")


def test_key_ids_are_of_the_whole_key() -> None:
    ed, p256 = key_of(1).public, es256().public
    assert len(ed.kid) == len(p256.kid) == 8
    assert ed.kid != PublicKey(ALG_ED25519, p256.raw[:32]).kid
    assert ed.cose.hex() == "a4010103322006215820" + ed.raw.hex()
    assert p256.cose.hex() == "a501020328200121" + "5820" + p256.raw[:32].hex() + "225820" + p256.raw[32:].hex()


@pytest.mark.parametrize(
    "key",
    [
        {1: 1, 3: -8, -1: 6, -2: bytes(32)},
        {1: 1, 3: -19, -1: 6},
        {1: 1, 3: -19, -1: 7, -2: bytes(32)},
        {1: 2, 3: -19, -1: 6, -2: b"\x09" * 32},
        {1: 1, 3: -19, -1: 6, -2: b"\x09" * 31},
        {1: 1, 3: -19, -1: 6, -2: b"\x09" * 32, 2: b"id"},
        {1: 2, 3: -9, -1: 1, -2: bytes(32), -3: bytes(32)},
        {1: 2, 3: -9, -1: 1, -2: bytes(33), -3: bytes(31)},
        [1, 2],
        b"",
    ],
)
def test_other_cose_keys_are_refused(key: object) -> None:
    with pytest.raises(FormatError):
        from_cose(cbor.encode(key))
    with pytest.raises(FormatError):
        public_key(-8, bytes(32))
