"""The page of the certificate warns of names and addresses that people use, and of no others; what it renews keeps them."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from starlette.requests import Request

from ledger_client.disk import RealDisk
from runtime.acts import Act
from runtime.cert_acts import CertificateEdit
from runtime.clock import SystemClock
from runtime.config import Config, parse_config
from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import FeedClient
from runtime.faces.web.certificate_pages import CertificatePages
from runtime.faces.web.face import Face, FaceOptions
from runtime.faces.web.stream import Fanout
from runtime.web_certificate import OWN_DAYS, WebCertificate
from runtime.web_names import certain_names, is_ours, lasting, lasting_names, own_addresses, temporary_in
from tests.rigs.actors import LOCAL

NOW_MS = 1_790_000_000_000
DAY_MS = 86_400_000
TABLE = """\
20010db8000000000000000000000001 02 40 00 80     eth0
20010db80000000000000000deadbeef 02 40 00 01     eth0
20010db80000000000000000cafecafe 02 40 00 21     eth0
fe80000000000000000000fffe000001 02 40 20 80     eth0
"""
NAMED = (socket.gethostname().lower(), f"{socket.gethostname().lower().partition('.')[0]}.local", "localhost")


@pytest.fixture
def held(tmp_path: Path) -> WebCertificate:
    """One that has the machine's names and none of its addresses, as after all of them changed."""
    found = WebCertificate(RealDisk(), tmp_path / "web")
    found.ensure("press", [], NOW_MS)
    key = serialization.load_pem_private_key((found.folder / "key.pem").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "press")])
    begin = dt.datetime.fromtimestamp(NOW_MS / 1000, dt.UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    made = made.not_valid_before(begin).not_valid_after(begin + dt.timedelta(days=100))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in NAMED]), critical=False)
    found.install(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode(), NOW_MS)
    return found


def warned_of(held: WebCertificate, reached_at: str, *, scheme: str = "https", hosts: tuple[str, ...] = ()) -> str:
    """Return what the page says is missing, empty for nothing."""
    feed = FeedClient(held.folder / "f", "t")
    feed.health = {"gateway": {"name": "press", "hosts": list(hosts)}}  # as the core tells them, whatever they were at this process's start
    face = Face(feed, Fanout(), held.folder / "h", FaceOptions(certificate=held.folder))
    scope = {
        "type": "http", "scheme": scheme, "server": (reached_at, 8480), "path": "/certificate", "headers": [], "query_string": b"lang=en",
        "state": {"may": lambda _: True},
    }  # fmt: skip
    page = bytes(asyncio.run(CertificatePages(face).page(Request(scope))).body).decode()
    assert "dl" in page
    found = re.search(r'id="missing".*?does not have: (.*?)\. Browsers', page)
    return found[1] if found else ""


def test_an_address_that_nobody_came_in_by_is_not_missed(held: WebCertificate) -> None:
    assert warned_of(held, "127.0.0.1") == ""
    assert warned_of(held, "198.51.100.7") == "198.51.100.7"
    assert warned_of(held, "::ffff:198.51.100.7") == "198.51.100.7"
    assert warned_of(held, "198.51.100.7", hosts=("press.plant.example",)) == "press.plant.example, 198.51.100.7"


def test_where_nobody_is_shown_it_nothing_is_missed(held: WebCertificate) -> None:
    assert warned_of(held, "127.0.0.1", scheme="http", hosts=("press.plant.example",)) == ""


def test_a_temporary_address_is_not_missed() -> None:
    assert temporary_in(TABLE) == {"2001:db8::dead:beef", "2001:db8::cafe:cafe"}
    assert temporary_in("") == set()
    assert [lasting(each) for each in ("127.0.0.2", "::1", "fe80::1%eth0", "0.0.0.0", "::", "", "a name")] == [""] * 7
    assert [lasting(each) for each in ("224.0.0.1", "255.255.255.255", "ff02::1")] == [""] * 3
    assert [lasting(each) for each in ("169.254.3.4", "::ffff:169.254.3.4")] == [""] * 2, "link-local, of either family"
    assert [lasting(each) for each in ("2001:0DB8::1", "192.0.2.1")] == ["2001:db8::1", "192.0.2.1"]
    assert certain_names(["Press.example"], "::1") == [*NAMED[:2], "press.example"]


def test_a_temporary_address_at_which_one_asks_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "if_inet6").write_text(TABLE)
    monkeypatch.setattr("runtime.web_names.ADDRESSES", tmp_path / "if_inet6")
    assert [lasting(each) for each in ("2001:db8::dead:beef", "2001:db8::1")] == ["", "2001:db8::1"]
    named = lasting_names(["2001:DB8::dead:beef", "2001:db8::1", "press.example"])
    assert [each for each in named if each.startswith(("2001", "press"))] == ["2001:db8::1", "press.example"]


def test_where_anybodys_address_can_be_bound_only_what_is_known_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (switch := tmp_path / "ip_nonlocal_bind").write_text("1\n")
    assert is_ours("127.0.0.77")
    monkeypatch.setattr("runtime.web_names.NONLOCAL", (switch,))
    assert not is_ours("127.0.0.77")


def test_a_broadcast_address_is_nobodys() -> None:
    assert is_ours("127.0.0.1")
    assert not is_ours("127.255.255.255"), "it can be bound, and is no machine's"


def test_renewed_for_where_one_asks_and_for_what_it_had_that_is_still_ours(held: WebCertificate, monkeypatch: pytest.MonkeyPatch) -> None:
    other = next((each for each in own_addresses() if lasting(each)), None)
    if other is None:
        pytest.skip("this machine has no address but loopback")
    monkeypatch.setattr("runtime.web_names.own_addresses", list)  # as of an interface to which no route of this machine's leads
    assert is_ours(other)
    assert not is_ours("198.51.100.7")
    assert other not in requested(held)
    assert other in requested(held, other), "a CA is asked for where one asks"
    assert "198.51.100.7" not in requested(held, "198.51.100.7")
    renewed = held.renew([], NOW_MS, "198.51.100.7")
    assert "198.51.100.7" not in renewed.names, "whoever asks cannot put in what is not this machine's"
    renewed = held.renew([], NOW_MS, other)
    assert other in renewed.names
    assert warned_of(held, other) == ""
    assert other in held.renew([], NOW_MS).names, "also when somebody asks by another one"
    assert other in requested(held), "as is a CA's"
    assert other in held.ensure("press", [], NOW_MS + OWN_DAYS * DAY_MS).names, "and by itself, before it ends"


def requested(held: WebCertificate, reached_at: str = "") -> list[str]:
    """Return the addresses in a signing request."""
    request = x509.load_pem_x509_csr(held.request("press", [], reached_at)[0].encode())
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(each) for each in names.get_values_for_type(x509.IPAddress)]


def test_a_request_says_when_its_key_is_a_new_one(held: WebCertificate) -> None:
    async def asked() -> dict[str, Any]:
        with ThreadPoolExecutor(1) as work:
            tenant = CertificateEdit(lambda: held, lambda: parse_config('[gateway]\nname = "press"\n'), SystemClock(), work)
            return dict((await tenant.perform(Act(b"\0" * 16, "web", LOCAL, "cert.edit", "csr", {"address": "::1"}, None, "test"))).params)

    assert list(asyncio.run(asked())) == ["pem"]
    (held.folder / "key.pem").unlink()
    assert asyncio.run(asked())["new_key"] is True
    assert list(asyncio.run(asked())) == ["pem"], "it has one again"


def test_the_act_takes_an_address_to_renew_for_and_nothing_else(held: WebCertificate) -> None:
    def edit(target: str, params: dict[str, Any]) -> None:
        with ThreadPoolExecutor(1) as work:
            tenant = CertificateEdit(lambda: held, Config, SystemClock(), work)
            asyncio.run(tenant.check(Act(b"\0" * 16, "web", LOCAL, "cert.edit", target, params, None, "test")))

    edit("renew", {})
    edit("renew", {"address": "192.0.2.1"})
    edit("csr", {})
    edit("csr", {"address": "192.0.2.1"})
    for target, params in (
        ("renew", {"address": "press"}), ("renew", {"address": 5}), ("renew", {"pem": ""}), ("csr", {"address": "press"}),
        ("csr", {"pem": ""}),
        ("import", {}), ("keep", {}),
    ):  # fmt: skip
        with pytest.raises(RequestRefusedError, match="cert_shape"):
            edit(target, params)
