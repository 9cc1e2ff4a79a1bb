"""The claim form says what is true: whose zone it asks for, and where the code is found."""

from __future__ import annotations

import pytest

from runtime.faces.web.coded import coded
from runtime.messages.catalogue import catalogue, word
from tests.tidy.source import ROOT


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
def test_a_page_shows_a_command_as_code_and_no_backticks(lang: str) -> None:
    shown = coded(word("web.claim.code.where", None, lang))
    assert "<code>witnessmark accounts claim-code</code>" in shown
    assert "`" not in shown
    assert coded("`a<b` & `") == "<code>a&lt;b</code> &amp; `"
    template = (ROOT / "runtime/faces/web/templates/claim.html").read_text()
    assert "t('web.claim.code.where') | coded" in template
    assert "t(refused.code, **refused.params) | coded" in template
