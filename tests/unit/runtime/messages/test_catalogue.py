"""One thing is not several: which text a count chooses."""

from __future__ import annotations

import pytest

from runtime.messages.catalogue import catalogue, word


@pytest.mark.parametrize(("count", "text"), [(0, "0 alarms wait"), (1, "1 alarm waits"), ("1", "1 alarm waits"), (11, "11 alarms wait")])
def test_one_of_something_has_its_own_text(count: object, text: str) -> None:
    assert word("alarm.banner.waits", {"count": count}) == text


def test_the_blank_may_be_called_n_and_other_blanks_choose_nothing() -> None:
    assert (word("web.home.entries", {"n": 1}), word("web.home.entries", {"n": 2})) == ("1 entry", "2 entries")
    assert word("alarm.ack", {"name": 1}) == catalogue("en")["alarm.ack"]


def test_a_language_without_plurals_says_the_same_of_one() -> None:
    assert "web.home.tags.one" in catalogue("zh")
    assert word("web.home.tags", {"n": 1}, "zh") == "1 个点位"
