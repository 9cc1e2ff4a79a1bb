"""The claim form says what is true: whose zone it asks for, and where the code is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.requests import Request

from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import FeedClient
from runtime.faces.web.face import Face
from runtime.faces.web.stream import Fanout
from runtime.messages.catalogue import catalogue


@pytest.mark.parametrize(("lang", "own", "first"), [("en", "Your own", "first steps"), ("zh", "您自己的", "首次设置")])
def test_the_zone_is_ones_own_and_the_sites_comes_in_first_steps(lang: str, own: str, first: str) -> None:
    words = catalogue(lang)
    assert words["web.claim.zone"].startswith(own)
    assert first in words["web.claim.zone.help"]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_code_is_where_the_form_says(lang: str) -> None:
    """A console prints the code or, where it is a log, the command that shows it: `test_claim_notice` holds it to that."""
    words = catalogue(lang)
    assert "witnessmark accounts claim-code" in words["web.claim.code.where"]
    assert "{code}" in words["claim_notice"]
    assert "{command}" in words["claim_notice_command"]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_number_stands_before_a_word_that_it_may_not_fit(lang: str) -> None:
    """`1 units at 1 places` was said of one unit at one place."""
    assert "{units} units" not in catalogue(lang)["add.plan"]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_page_shows_a_command_as_code_and_no_backticks(lang: str, tmp_path: Path) -> None:
    face = Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h")
    request = Request({"type": "http", "query_string": f"lang={lang}".encode(), "headers": []})
    shown = bytes(face.render(request, "claim.html", refused=RequestRefusedError("claim_code_wrong"), given=None).body).decode()
    assert shown.count("<code>witnessmark accounts claim-code</code>") == 2
    assert "`" not in shown
    coded = face.templates.from_string('{% from "coded.html" import coded %}{{ coded(text) }}')
    assert coded.render(text="`a<b` & c") == "<code>a&lt;b</code> &amp; c"
