"""The page's certificate: made once, renewed in time, requested and imported; nothing that is not ours gets in force."""

from __future__ import annotations

import datetime as dt
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ledger_client.disk import RealDisk
from ledger_client.errors import FormatError
from runtime.faces.web.listener import tls_context
from runtime.messages.catalogue import word
from runtime.web_certificate import OWN_DAYS, WebCertificate
from runtime.web_names import missing_names, own_names

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
CA_KEY = ec.generate_private_key(ec.SECP256R1())
CA_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Plant CA")])


def signed(
    subject: x509.Name,
    key: ec.EllipticCurvePublicKey,
    *,
    by: ec.EllipticCurvePrivateKey = CA_KEY,
    issuer: x509.Name = CA_NAME,
    days: int = 300,
) -> x509.Certificate:
    begin = dt.datetime.fromtimestamp(NOW_MS / 1000, dt.UTC) - dt.timedelta(days=400)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key).serial_number(7)
    return made.not_valid_before(begin).not_valid_after(begin + dt.timedelta(days=400 + days)).sign(by, hashes.SHA256())


def pem(*chain: x509.Certificate) -> str:
    return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in chain)


CA = signed(CA_NAME, CA_KEY.public_key())


@pytest.fixture
def held(tmp_path: Path) -> WebCertificate:
    found = WebCertificate(RealDisk(), tmp_path / "web")
    found.ensure("press", ["gateway.plant.example"], NOW_MS)
    return found


def test_made_once_and_kept(held: WebCertificate) -> None:
    first = held.told()
    assert first is not None
    assert first.is_own
    assert {"localhost", "127.0.0.1", "gateway.plant.example"} <= set(first.names)
    assert held.ensure("press", [], NOW_MS + 100 * DAY_MS) == first
    assert [stat.S_IMODE((held.folder / name).stat().st_mode) for name in (".", "key.pem")] == [0o700, 0o600]


def test_renewed_before_it_ends_with_the_same_key(held: WebCertificate) -> None:
    key, first = (held.folder / "key.pem").read_bytes(), held.told()
    later = held.ensure("press", [], NOW_MS + (OWN_DAYS - 20) * DAY_MS)
    assert first is not None
    assert later.fingerprint != first.fingerprint
    assert later.not_after_ms > first.not_after_ms
    assert (held.folder / "key.pem").read_bytes() == key


def test_a_request_becomes_a_certificate_that_is_then_in_force_and_stays(held: WebCertificate) -> None:
    request = x509.load_pem_x509_csr(held.request("press", ["gateway.plant.example"])[0].encode())
    assert request.is_signature_valid
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "gateway.plant.example" in names.get_values_for_type(x509.DNSName)
    key = request.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    told = held.install(pem(signed(request.subject, key), CA), NOW_MS)
    assert not told.is_own
    assert held.ensure("press", [], NOW_MS) == told, "a start keeps what a CA made"


def test_what_is_not_ours_or_does_not_hold_changes_nothing(held: WebCertificate) -> None:
    before = (held.folder / "cert.pem").read_bytes()
    request = x509.load_pem_x509_csr(held.request("press", [])[0].encode())
    key = request.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    stranger = ec.generate_private_key(ec.SECP256R1())
    for given, why in (
        ("", "pem"),
        ("no certificate", "pem"),
        (pem(signed(request.subject, stranger.public_key())), "key"),
        (pem(signed(request.subject, key, days=-1)), "ended"),
        (pem(signed(request.subject, key, by=stranger), CA), "chain"),
        (pem(*[signed(request.subject, key)] * 9), "many"),
        ("x" * (1 << 17), "long"),
    ):
        with pytest.raises(FormatError) as raised:
            held.install(given, NOW_MS)
        assert raised.value.code == f"cert_invalid_{why}"
        assert word(raised.value.code, None, "zh").isascii() is False, "why is said in the reader's language too"
    assert (held.folder / "cert.pem").read_bytes() == before


def test_what_it_does_not_have_is_found_and_renewed_with_the_same_key(held: WebCertificate) -> None:
    key, first = (held.folder / "key.pem").read_bytes(), held.told()
    assert first is not None
    assert missing_names(first.names, own_names(["gateway.plant.example"])) == []
    assert missing_names(first.names, own_names(["Press.plant.example", "fd00:0::5"])) == ["press.plant.example", "fd00:0::5"]
    assert missing_names(("fd00::5", "Press"), ["fd00:0::5", "press", "冲压"]) == [], "written otherwise, and what no certificate can have"
    renewed = held.renew(["press.plant.example", "fd00:0::5"], NOW_MS)
    assert missing_names(renewed.names, own_names(["press.plant.example", "fd00:0::5"])) == []
    assert "gateway.plant.example" not in renewed.names, "nobody reaches it by that any more"
    assert (renewed.is_own, renewed.subject) == (True, first.subject)
    assert (held.folder / "key.pem").read_bytes() == key
    assert held.told() == renewed
    tls_context(held.folder)  # it loads no certificate of another key


def key_of(held: WebCertificate) -> ec.EllipticCurvePrivateKey:
    found = serialization.load_pem_private_key((held.folder / "key.pem").read_bytes(), None)
    assert isinstance(found, ec.EllipticCurvePrivateKey)
    return found


def test_without_its_key_it_is_not_made_anew(held: WebCertificate) -> None:
    before = held.told()
    (held.folder / "key.pem").unlink()
    with pytest.raises(FormatError) as raised:
        held.renew([], NOW_MS)
    assert not (held.folder / "key.pem").exists(), "and no other key takes its place"
    other = WebCertificate(RealDisk(), held.folder.parent / "other")
    other.ensure("press", [], NOW_MS)
    (held.folder / "key.pem").write_bytes((other.folder / "key.pem").read_bytes())
    with pytest.raises(FormatError, match="cert_key_other"):
        held.renew([], NOW_MS)
    assert held.told() == before
    assert raised.value.code == "cert_key_other"
    assert word("cert_key_other", None, "zh").isascii() is False
    after = held.ensure("press", [], NOW_MS)
    assert after != before, "as it says: a start makes one that fits"
    tls_context(held.folder)


def test_one_that_signed_itself_without_a_common_name_is_made_anew_all_the_same(held: WebCertificate) -> None:
    plant = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Plant")])
    key = key_of(held)
    held.install(pem(signed(plant, key.public_key(), by=key, issuer=plant)), NOW_MS)
    renewed = held.renew([], NOW_MS)
    assert renewed.is_own
    assert "CN=witnessmark" in renewed.subject


def test_a_long_name_of_a_gateway_is_cut_where_a_certificate_ends_it(held: WebCertificate) -> None:
    for name in ("press " * 20, "冲压" * 20, ""):
        request = x509.load_pem_x509_csr(held.request(name, [])[0].encode())
        found = str(request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        assert found
        assert (name or "witnessmark").startswith(found)


def test_a_ca_of_the_same_name_is_a_ca(held: WebCertificate) -> None:
    told = held.install(pem(signed(CA_NAME, key_of(held).public_key())), NOW_MS)
    assert not told.is_own
    with pytest.raises(FormatError, match="cert_not_own"):
        held.renew([], NOW_MS)
    assert held.told() == told


def test_a_cas_certificate_is_the_cas_to_renew(held: WebCertificate, tmp_path: Path) -> None:
    request = x509.load_pem_x509_csr(held.request("press", [])[0].encode())
    key = request.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    told = held.install(pem(signed(request.subject, key), CA), NOW_MS)
    with pytest.raises(FormatError, match="cert_not_own"):
        held.renew([], NOW_MS)
    assert held.told() == told
    with pytest.raises(FormatError, match="cert_not_own"):
        WebCertificate(RealDisk(), tmp_path / "none").renew([], NOW_MS)


def test_a_key_that_cannot_be_read_is_said_and_never_replaced(held: WebCertificate) -> None:
    (held.folder / "key.pem").write_text("nonsense")
    with pytest.raises(FormatError, match="cert_key_unreadable"):
        held.ensure("press", [], NOW_MS)
    assert (held.folder / "key.pem").read_text() == "nonsense"
