"""Every status that has a name has a sentence, on the page found by its number; of a server's own code nothing is made up."""

from __future__ import annotations

import pytest
from asyncua import ua

from drivers.reading import Status, server_status_names, status_name
from runtime.messages.catalogue import LANGUAGES, catalogue
from runtime.messages.status_words import device_cause, device_state, status_numbers, status_said, status_sentence


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_status_that_has_a_name_has_a_sentence_of_its_own(lang: str) -> None:
    names = {status_name(each) for each in (*Status, *server_status_names) if each is not Status.GOOD}
    assert {code.removeprefix("status.") for code in catalogue(lang) if code.startswith("status.")} == names
    assert len({status_sentence(name, lang) for name in names}) == len(names)
    assert (status_sentence("Good", lang), status_said("0x80AB0000", lang)) == ("", "0x80AB0000")


def test_a_page_finds_the_name_by_the_number() -> None:
    assert status_numbers()[f"status.{0x808B0000}"] == "BadDeviceFailure"
    assert status_numbers().keys() & catalogue("en").keys() == set()


@pytest.mark.parametrize("code", [int(each) for each in (*Status, *server_status_names)])
def test_names_are_those_of_opc_ua(code: int) -> None:
    known = {value: name for name, value in vars(ua.StatusCodes).items() if isinstance(value, int)}
    assert (known | {0: "Good", 0x80000000: "Bad", 0x40000000: "Uncertain"})[code] == status_name(code)


def test_a_mistyped_node_and_an_old_message_are_told_for_what_they_are() -> None:
    assert status_said(status_name(0x80340000)).startswith("BadNodeIdUnknown: The server has no such node")
    sentence = status_sentence("BadNoCommunication")
    assert "max_age_s" in sentence.partition("With MQTT")[2]
    assert "Modbus" not in sentence.partition("With Modbus")[0] + sentence.partition("With MQTT")[2]


def test_a_core_of_an_earlier_version_names_no_statuses() -> None:
    device = {"state": "degraded", "cause": "device_tags_bad", "params": {"count": 1, "tags": "a (BadNoData)"}}
    assert (device_cause(device), device_state(device)) == ("Bad tags (1): a (BadNoData)", "degraded")
    assert (device_cause({"state": "ok", "cause": None}), device_state({})) == ("", "starting")
