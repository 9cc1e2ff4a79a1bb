"""Drafts change one thing of a config text and leave the rest as it was written; what they cannot do they refuse."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.option_error import OptionError
from runtime.commissioning import drafts
from runtime.commissioning.judged_text import diff_rows, judged
from runtime.config_faults import ConfigError
from runtime.config_text import with_values
from runtime.messages.catalogue import word

TEXT = """# the plant of Ulm
[gateway]
name = "g"   # not to be renamed

[devices.meter]
type = "modbus"
host = "10.0.0.20"  # behind the door

[[devices.meter.groups]]
name = "fast"
period_ms = 1000
tags = [
  { name = "u", address = "holding:0", unit = "V" },  # L1
]
"""
NEW: dict[str, Any] = {
    "type": "modbus", "host": "10.0.0.21",
    "groups": [{"name": "fast", "period_ms": 1000, "tags": [{"name": "p", "address": "holding:2", "data": "float32", "order": "CDAB"}]}],
}  # fmt: skip


def test_a_device_is_added_and_every_line_before_it_stays() -> None:
    made = drafts.with_device(TEXT, "meter2", NEW, ["SDM630, hall 2\nline two"])
    assert made.startswith(TEXT)
    assert tomllib.loads(made)["devices"]["meter2"] == NEW
    assert judged(made, TEXT)["faults"] == []
    assert judged(made, TEXT)["devices"] == {"added": ["meter2"], "removed": [], "changed": []}


def test_a_copy_has_no_former_names_and_leaves_comments_alone() -> None:
    text = TEXT.replace('{ name = "u",', '{ name = "u", was = "meter/old",')
    made = drafts.with_copy(text, "meter", "meter2", {"host": "10.0.0.22"})
    copied = tomllib.loads(made)["devices"]["meter2"]
    assert copied["host"] == "10.0.0.22"
    assert copied["groups"][0]["tags"] == [{"name": "u", "address": "holding:0", "unit": "V"}]
    assert made.startswith(text)


def test_a_device_is_removed_and_the_others_stay_as_written() -> None:
    made = drafts.without_device(drafts.with_device(TEXT, "b", NEW), "meter")
    assert list(tomllib.loads(made)["devices"]) == ["b"]
    assert "# not to be renamed" in made
    assert drafts.without_device(drafts.with_device(TEXT, "b", NEW), "b").rstrip() == TEXT.rstrip()


def test_a_tag_joins_its_group_or_begins_one() -> None:
    tag = {"name": "i", "address": "holding:6", "unit": "A"}
    made = drafts.with_tag(TEXT, "meter", "fast", 1000, tag)
    assert [each["name"] for each in tomllib.loads(made)["devices"]["meter"]["groups"][0]["tags"]] == ["u", "i"]
    assert "# L1" in made
    slow = tomllib.loads(drafts.with_tag(TEXT, "meter", "slow", 5000, tag))["devices"]["meter"]["groups"][1]
    assert slow == {"name": "slow", "period_ms": 5000, "tags": [tag]}


def test_a_setting_is_set_where_its_table_is_and_where_it_is_not() -> None:
    made = drafts.with_setting(TEXT, "gateway", "commissioning", True)
    assert tomllib.loads(made)["gateway"] == {"name": "g", "commissioning": True}
    assert "# not to be renamed" in made
    assert tomllib.loads(drafts.with_setting(TEXT, "evidence", "seal_every_s", 2.0))["evidence"] == {"seal_every_s": 2.0}


@pytest.mark.parametrize("keys", ['name = "g"  # ours\n', "", 'name = "g"\nlist = [\n  1,\n]\n'])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_new_setting_stands_below_the_last_one_of_its_table_and_not_above_the_next(keys: str, end: str) -> None:
    head, rest = f"[gateway]\n{keys}", '\n# ---- filler, Modbus TCP\n[devices.filler]\nhost = "h"\n'
    text = (head + rest).replace("\n", end)
    made = drafts.with_setting(text, "gateway", "commissioning", True)
    assert made == (head + "commissioning = true\n" + rest).replace("\n", end)
    assert drafts.with_setting(made, "gateway", "commissioning", False) == made.replace("true", "false")


def test_several_new_values_keep_their_order_and_dotted_keys_their_table() -> None:
    text = '[gateway]\nname = "g"\n\n# next\n[evidence]\na.b = 1'
    made = with_values(text, [("gateway.one", 1), ("evidence.two", 2), ("gateway.three", "3")])
    assert made.startswith('[gateway]\nname = "g"\none = 1\nthree = "3"\n\n# next\n[evidence]\n')
    assert tomllib.loads(made)["evidence"] == {"a": {"b": 1}, "two": 2}


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: drafts.with_device(TEXT, "meter", NEW), "draft_device_there"),
        (lambda: drafts.with_device(TEXT, "", NEW), "draft_device_name"),
        (lambda: drafts.with_copy(TEXT, "none", "x", {}), "device_unknown"),
        (lambda: drafts.without_device(TEXT, "none"), "device_unknown"),
        (
            lambda: drafts.with_tag(TEXT.replace('type = "modbus"', 'template = "sdm630"'), "meter", "g", 1, {"name": "x"}),
            "tags_of_template",
        ),
        (lambda: drafts.with_tag(TEXT, "meter", "fast", 1000, {"name": "u", "address": "holding:8"}), "draft_tag_there"),
        (lambda: drafts.with_tag(TEXT, "meter", "slow", 5000, {"name": "u", "address": "holding:8"}), "draft_tag_there"),
    ],
)
def test_what_cannot_be_drafted_is_refused(call: Any, code: str) -> None:
    with pytest.raises(OptionError) as caught:
        call()
    assert caught.value.code == code


def test_a_name_that_a_tag_has_is_said_with_where_it_is_and_what_to_do() -> None:
    with pytest.raises(OptionError) as caught:
        drafts.with_tag(TEXT, "meter", "slow", 5000, {"name": "u", "address": "holding:8", "unit": "A"})
    said = word(caught.value.code, caught.value.params)
    assert "meter/u already, in the group fast" in said
    assert "Choose another name" in said


def test_a_text_that_is_no_toml_is_named_by_its_line() -> None:
    with pytest.raises(ConfigError):
        drafts.with_device("[gateway\n", "x", NEW)
    said = judged("[gateway]\nname = \n", TEXT)
    assert [(fault["code"], fault["line"]) for fault in said["faults"]] == [("config_not_toml_empty", 2)]


@pytest.mark.parametrize(
    ("value", "code"), [("9" * 5_000, "config_number_long"), ("1" + "0" * 20, "config_number_long"), ("[" * 5_000, "config_not_toml")]
)
def test_a_text_that_python_does_not_read_is_judged_as_any_other(value: str, code: str) -> None:
    said = judged(f"{TEXT}\n[feed]\nbatch_bytes = {value}\n", TEXT)
    assert [(fault["code"], fault["line"]) for fault in said["faults"]] == [(code, None if code == "config_not_toml" else 17)]
    assert said["changed"]
    assert judged(TEXT, f"{TEXT}\n[feed]\nbatch_bytes = {value}\n")["faults"] == []


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(NAMES, st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_no_name_and_no_comment_says_anything_else_than_it_is(name: str, comment: str) -> None:
    """A device's own answers go into names and comments: none of them may become a table or an option."""
    try:
        made = drafts.with_device(TEXT, name, NEW, [comment])
    except OptionError:
        return
    parsed = tomllib.loads(made)
    assert parsed["devices"].pop(name) == NEW
    assert parsed == tomllib.loads(TEXT)


@given(st.lists(st.sampled_from(["a", "b", "", "c = 1"]), max_size=12), st.lists(st.sampled_from(["a", "b", "", "c = 1"]), max_size=12))
def test_a_diff_tells_both_texts(old: list[str], new: list[str]) -> None:
    rows = diff_rows("\n".join(old), "\n".join(new))
    removed = [(row[1], row[3]) for row in rows if row[0] == "-"]
    added = [(row[2], row[3]) for row in rows if row[0] == "+"]
    before, after = "\n".join(old).splitlines(), "\n".join(new).splitlines()
    assert all(before[at - 1] == line for at, line in removed)
    assert all(after[at - 1] == line for at, line in added)
    assert len(before) - len(removed) == len(after) - len(added)
    assert bool(rows) == (before != after)


def test_a_long_diff_ends_with_how_much_more_there_is() -> None:
    rows = diff_rows("", "\n".join(f"x{n} = {n}" for n in range(5000)))
    assert rows[-1] == ["@", 0, 0, "+3000"]
