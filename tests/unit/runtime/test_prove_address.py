"""A code to scan is offered to a phone only where a phone can reach what it leads to."""

from __future__ import annotations

import pytest

from runtime.faces.web.prove_pages import is_here_only
from runtime.messages.catalogue import word


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8480/verify", True), ("http://127.8.8.8/verify", True), ("http://[::1]:8480/verify", True),
        ("http://localhost:8480/verify", True), ("http://LOCALHOST./verify", True), ("http://gw.localhost/verify", True),
        ("https://0.0.0.0/verify", True), ("https://10.0.0.7/verify", False), ("https://[fe80::1]/verify", False),
        ("https://gateway.plant.example/verify", False), ("https://localhost.example/verify", False),
    ],
)  # fmt: skip
def test_a_loopback_address_is_of_this_machine_alone(url: str, expected: bool) -> None:
    assert is_here_only(url) is expected


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_says_what_to_set(lang: str) -> None:
    said = word("web.prove.code.here", {"address": "http://127.0.0.1:8480/verify"}, lang)
    assert "http://127.0.0.1:8480/verify" in said
    assert all(option in said for option in ("verifier", "[web]", "host"))
    assert "`" not in said, "a page shows texts as they are"
