"""Every status that we give has a sentence, on the page found by its number; of a server's own code nothing is made up."""

from __future__ import annotations

import pytest

from drivers.reading import Status, status_name
from runtime.messages.catalogue import LANGUAGES, catalogue
from runtime.messages.status_words import device_cause, device_state, status_numbers, status_said, status_sentence


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_status_that_we_give_has_a_sentence_of_its_own(lang: str) -> None:
    names = {status_name(each) for each in Status if each is not Status.GOOD}
    assert {code.removeprefix("status.") for code in catalogue(lang) if code.startswith("status.")} == names
    assert len({status_sentence(name, lang) for name in names}) == len(names)
    assert (status_sentence("Good", lang), status_said("0x80AB0000", lang)) == ("", "0x80AB0000")


def test_a_page_finds_the_name_by_the_number() -> None:
    assert status_numbers()[f"status.{0x808B0000}"] == "BadDeviceFailure"
    assert status_numbers().keys() & catalogue("en").keys() == set()


def test_a_core_of_an_earlier_version_names_no_statuses() -> None:
    device = {"state": "degraded", "cause": "device_tags_bad", "params": {"count": 1, "tags": "a (BadNoData)"}}
    assert (device_cause(device), device_state(device)) == ("Bad tags (1): a (BadNoData)", "degraded")
    assert (device_cause({"state": "ok", "cause": None}), device_state({})) == ("", "starting")
