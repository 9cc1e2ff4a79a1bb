"""A device that is written out of its template is the device that it was: every option, every tag, every number, in its place."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from drivers.option_error import OptionError
from drivers.templates import Library, built_in_names
from ledger_client.kinds import Kind
from runtime.cli.app import make_app
from runtime.commissioning.drafts import inline
from runtime.commissioning.judged_text import judged
from runtime.commissioning.written_out import written_out
from runtime.config import parse_config
from tests.rigs.core import Plant, config_text, payloads, prepare, running
from tests.rigs.field import after
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock, run

HEAD = '# the whole plant\n[gateway]\nname = "g"  # short\n\n'
NEXT = """
# the other one
[devices.other]
type = "modbus"
host = "10.0.0.9"

[[devices.other.groups]]
name = "a"
period_ms = 1000
tags = [{ name = "t", address = "holding:1" }]
"""
WHERE = {"modbus": 'host = "10.0.0.1"\n', "opcua": 'endpoint = "opc.tcp://10.0.0.1:4840"\n'}


def device(name: str, template: str, more: str = "") -> str:
    kind = Library().find(template).template.type
    return f'[devices."{name}"]\ntemplate = "{template}"\n# in cabinet 4\n{WHERE[kind]}{more}'


@pytest.mark.parametrize("template", built_in_names())
def test_every_template_written_out_is_the_same_configuration(template: str) -> None:
    text = HEAD + device("press.1", template) + NEXT
    made = written_out(text, "press.1")
    assert parse_config(made) == parse_config(text)
    assert "template" not in tomllib.loads(made)["devices"]["press.1"]
    assert made.startswith(HEAD)
    assert made.endswith(NEXT), "what stood after it stands there still, with the comment above it"
    assert "# in cabinet 4\n" in made
    told = judged(made, text)
    assert (told["faults"], told["diff"] != []) == ([], True)


def tags_of(template: str) -> list[str]:
    return [tag["name"] for group in Library().find(template).template.groups for tag in group["tags"]]


@st.composite
def uses(draw: st.DrawFn) -> str:
    """A device that says something of its own: other periods, tags left out, a prefix, tags and groups besides."""
    name = draw(st.sampled_from(["sdm120", "sdm630", "em24"]))
    tags, groups = tags_of(name), Library().find(name).template.groups
    more = ""
    if draw(st.booleans()):
        more += f'prefix = "{draw(st.sampled_from(["p_", "line1."]))}"\n'
    without = draw(st.lists(st.sampled_from(tags), max_size=3, unique=True))
    if without:
        more += f"without = {inline(without)}\n"
    if draw(st.booleans()):
        more += 'timeout_s = 2.5  # "slow", they say\n'
    if draw(st.booleans()):
        more += f'\n[[devices."d".groups]]\nname = "{groups[0]["name"]}"\nperiod_ms = 30000\n'
    if draw(st.booleans()):
        more += (
            '\n[[devices."d".groups]]\nname = "own"\nperiod_ms = 5000\ntags = [{ name = "mine", address = "holding:9", unit = "[x]" }]\n'
        )
    return device("d", name, more)


@given(uses(), st.booleans(), st.booleans())
def test_whatever_a_device_says_besides_it_stays_the_same_and_so_does_all_else(use: str, before: bool, after: bool) -> None:
    text = HEAD + (NEXT.replace("other", "first") if before else "") + "\n" + use + (NEXT if after else "")
    whole = parse_config(text)
    made = written_out(text, "d")
    assert parse_config(made) == whole
    assert [each.name for each in parse_config(made).devices] == [each.name for each in whole.devices]
    with pytest.raises(OptionError, match="device_no_template"):
        written_out(made, "d")


@pytest.mark.parametrize(
    ("text", "name", "code"),
    [
        (HEAD + NEXT, "other", "device_no_template"),
        (HEAD + NEXT, "none", "device_unknown"),
        (HEAD + '[devices.d]\ntemplate = "none such"\n', "d", "template_unknown"),
    ],
)
def test_what_cannot_be_written_out_is_refused(text: str, name: str, code: str) -> None:
    with pytest.raises(OptionError) as refused:
        written_out(text, name)
    assert refused.value.code == code


def test_tables_that_do_not_stand_together_and_lines_that_look_like_tables() -> None:
    alarm = '[[alarms]]\nname = "away"\ncondition = "device_down"\ndevice = "d"\naction = """look\n[devices.d]\n"""\n'
    tricky = HEAD + alarm + device("d", "sdm120")
    apart = tricky + NEXT + '\n[[devices.d.groups]]\nname = "own"\nperiod_ms = 5000\ntags = [{ name = "mine", address = "holding:9" }]\n'
    for text in (tricky, apart):
        made, was = parse_config(written_out(text, "d")), parse_config(text)
        assert sorted(made.devices, key=lambda each: each.name) == sorted(was.devices, key=lambda each: each.name)
        assert made.alarms == was.alarms


def test_a_running_core_goes_on_polling_with_the_same_tags_under_the_same_numbers() -> None:
    text = config_text() + device("d", "sdm120")

    async def program(clock: VirtualClock) -> ShimDisk:
        disk = ShimDisk()
        prepare(disk, text)
        async with running(disk, clock, Plant(clock)) as core:
            await after(clock, 3)
            poller, numbers = core.core._field.pollers["d"], {value.name: value.uid for value in core.core.live.values()}
            assert len(numbers) == len(tags_of("sdm120"))
            done = await core.act("config.edit", params={"text": written_out(text, "d")}, expected_revision=1)
            assert done["code"] == "done"
            await after(clock, 3)
            assert core.core._field.pollers["d"] is poller, "polling was not begun anew"
            assert {value.name: value.uid for value in core.core.live.values()} == numbers
            assert core.health()["gateway"]["revision"] == 2
        return disk

    disk = run(program, seed=1)
    assert sum(payload.kind == Kind.SCHEMA for payload in payloads(disk)) == 1, "the schema is the same"


def test_the_verb_writes_the_file_where_no_gateway_runs(tmp_path: Path) -> None:
    file, text = tmp_path / "gateway.toml", HEAD + device("d", "sdm120") + NEXT
    file.write_text(text)
    runner, where = CliRunner(), ["--state", str(tmp_path / "state"), "--config", str(file)]
    dry = runner.invoke(make_app(), ["tags", "write-out", "d", "--dry-run", *where])
    assert (dry.exit_code, dry.stdout, file.read_text()) == (0, written_out(text, "d"), text)
    assert runner.invoke(make_app(), ["tags", "write-out", "d", *where]).exit_code == 0
    assert file.read_text() == written_out(text, "d")
    again = runner.invoke(make_app(), ["tags", "write-out", "d", "--json", *where])
    assert (again.exit_code, "device_no_template" in again.stdout) == (2, True)
