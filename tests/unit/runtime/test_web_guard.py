"""Where the page sends a browser: to a path of this gateway, whatever somebody put into a link; and a zone that is none."""

from __future__ import annotations

import pytest

from runtime.faces.web.guard import local_path
from runtime.faces.web.headers import is_known
from runtime.faces.web.listener import redirect_of
from runtime.faces.web.site_zone import zone_of


@pytest.mark.parametrize("path", ["/", "/live", "/live?find=a&page=2", "/prove?uid=1#top", "/标签"])
def test_a_path_of_ours_is_kept(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "text",
    [
        "", None, "//evil.example", "///evil.example", "////evil.example/a", "/\\evil.example", "\\\\evil.example", "https://evil.example",
        "javascript:alert(1)", "live", "/\t/evil.example", "/a\r\nSet-Cookie: b=c", "//[", "https://[", " /live",
    ],
)  # fmt: skip
def test_what_might_lead_elsewhere_leads_to_the_first_page(text: str | None) -> None:
    assert local_path(text) == "/"


@pytest.mark.parametrize("path", ["/a\nSet-Cookie: b=c", "/a\rb", "/a\tb", "/\\evil.example", "//evil.example", "/\x7f"])
def test_a_plain_request_with_a_trick_in_its_path_is_not_sent_on(path: str) -> None:
    assert redirect_of(f"GET {path} HTTP/1.1\r\nHost: localhost:8480\r\n\r\n".encode(), ()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("host", "reached_at", "is_ours"),
    [
        ("10.1.2.3:8480", "10.1.2.3", True), ("10.1.2.3", "10.1.2.4", False), ("[fd00::5]:8480", "fd00::5", True), ("", "", False),
        ("[FD00:0::5]", "fd00::5%eth0", True), ("10.1.2.3.evil.example", "10.1.2.3", False), ("evil.example", "10.1.2.3", False),
    ],
)  # fmt: skip
def test_an_address_at_which_a_connection_came_in_is_ours_whether_or_not_it_was_known(host: str, reached_at: str, *, is_ours: bool) -> None:
    assert is_known(host, (), reached_at) is is_ours
    sent = redirect_of(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(), (), reached_at)
    assert sent.startswith(b"HTTP/1.1 308 ") is is_ours


@pytest.mark.parametrize("zone", ["America", "Etc", "/UTC", "Mars", "leapseconds", ""])
def test_a_zone_that_is_none_is_read_as_utc(zone: str) -> None:
    assert str(zone_of(zone)) == "UTC"
