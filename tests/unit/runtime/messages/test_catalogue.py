"""One thing is not several: which text a count chooses."""

from __future__ import annotations

import pytest

from drivers.causes import cause_codes
from runtime.messages.catalogue import LANGUAGES, catalogue, sort_of, word


@pytest.mark.parametrize(("count", "text"), [(0, "0 alarms wait"), (1, "1 alarm waits"), ("1", "1 alarm waits"), (11, "11 alarms wait")])
def test_one_of_something_has_its_own_text(count: object, text: str) -> None:
    assert word("alarm.banner.waits", {"count": count}) == text


def test_the_blank_may_be_called_n_and_other_blanks_choose_nothing() -> None:
    assert (word("web.home.entries", {"n": 1}), word("web.home.entries", {"n": 2})) == ("1 entry", "2 entries")
    assert word("alarm.ack", {"name": 1}) == catalogue("en")["alarm.ack"]


def test_a_language_without_plurals_says_the_same_of_one() -> None:
    assert "web.home.tags.one" in catalogue("zh")
    assert word("web.home.tags", {"n": 1}, "zh") == "1 个点位"


NOT_OF_A_POLL = ("write_", "call_", "enter_", "registers_range", "unit_in_use", "gpio_level_differs", "pattern_slow", "driver_")
"""Beginnings of causes that no reading is lost to: they are said with their parameters at once, and stand in no gap."""


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_cause_without_its_parameters_is_a_sentence_without_a_hole(lang: str) -> None:
    said = {cause: sort_of(cause, lang) for cause in cause_codes if not cause.startswith(NOT_OF_A_POLL)}
    assert {cause: text for cause, text in said.items() if not text or set("{}…") & set(text)} == {}
    assert {text for text in said.values() if "()" in text or "（）" in text} == set()
    assert said["device_exception"] == {"en": "The device refused the request", "zh": "设备拒绝了请求"}[lang]


def test_a_blank_that_no_text_of_its_own_replaces_is_an_ellipsis() -> None:
    assert sort_of("write_out_of_range") == "The value … does not fit the tag"


def test_brackets_around_a_blank_that_nobody_filled_are_left_out() -> None:
    place = {"host": "10.0.0.5", "port": 502}
    assert word("connect_failed", place) == "The device does not accept a connection (10.0.0.5, port 502)."
    assert word("connect_failed", {"serial_port": "/dev/ttyS1"}, "zh") == "无法连接设备（/dev/ttyS1）。"
    assert word("connect_failed", {"host": "10.0.0.5"}) == word("connect_failed") == "The device does not accept a connection."
    assert "{value}" in word("config_not_text"), "a blank that stands in no brackets stays visible"


def test_a_status_of_opc_ua_is_said_by_its_name() -> None:
    assert word("write_refused", {"code": 0x803B0000}) == "The device refused the write (BadNotWritable); nothing was changed."
    assert word("write_refused", {"code": 0x80AB0000}) == "The device refused the write (0x80AB0000); nothing was changed."
    assert word("write_refused", {"code": 3}) == "The device refused the write (3); nothing was changed."
    assert word("write_refused", {"code": "E7"}) == "The device refused the write (E7); nothing was changed."


def test_a_reason_that_has_a_text_of_its_own_is_said() -> None:
    assert word("connect_failed", {"serial_port": "/p", "because": "port_missing"}).startswith("The serial port is not there (/p)")
    assert word("connect_failed", {"serial_port": "/p", "because": "x"}) == "The device does not accept a connection (/p)."


@pytest.mark.parametrize("decimals", [0, 1, 2])
def test_a_number_that_is_too_fine_is_told_so_for_any_number_of_digits(decimals: int) -> None:
    said = word("enter_decimals", {"value": 21.555, "decimals": decimals})
    assert said == f"21.555 is finer than this tag can say (digits after the point: {decimals})."
