"""Where the page sends a browser: to a path of this gateway, whatever somebody put into a link; and a zone that is none."""

from __future__ import annotations

import pytest

from runtime.faces.web.guard import local_path
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


@pytest.mark.parametrize("zone", ["America", "Etc", "/UTC", "Mars", "leapseconds", ""])
def test_a_zone_that_is_none_is_read_as_utc(zone: str) -> None:
    assert str(zone_of(zone)) == "UTC"
