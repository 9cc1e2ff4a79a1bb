"""Races between a person, a machine and a gateway: each ends in the state that docs/commands.md names, with entries that tell it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ledger_client.kinds import ClockState
from runtime.layout import Layout
from tests.rigs.commands import LIMITS, METHOD, Scene, bodies, play, story
from tests.rigs.core import ADMIN, STATE
from tests.rigs.field import after
from tests.simulation.disk import Image, ShimDisk

CONFIRM = "command.confirm"


def test_what_is_confirmed_is_written_once_read_back_and_told() -> None:
    async def scene(it: Scene) -> None:
        seen = await it.prepare()
        assert (seen["old"], seen["value"], seen["refusal"], seen["risk"]) == (10, 20, None, "normal")
        assert seen["conditions"] == [{"tag": "a/fast0", "wanted": "= 0", "value": 0, "age_ms": 86, "state": "holds"}]
        outcome = await it.confirm(seen)
        assert outcome["code"] == "done"
        assert outcome["params"] == {"old": 10, "value": 20, "read_back": 20, "conditions": "a/fast0 = 0: holds, 0"}
        assert it.b.written == [("slow0", 20)]

    disk = play(scene)
    assert story(disk) == [CONFIRM, "-> done"]
    intent = bodies(disk)[0]
    assert (intent["session"], intent["target"], intent["params"]["value"], intent["params"]["old"]) == ("uid 0", "b/slow0", 20, 10)


def test_the_history_is_told_by_the_ledger_also_after_a_restart() -> None:
    async def scene(it: Scene) -> None:
        await it.confirm(await it.prepare())
        await it.now.act("gateway.read_only", "b", params={"on": True})

    async def later(it: Scene) -> None:
        told = (await it.now.core.answer(ADMIN, "command.history", {}))["acts"]
        assert [(row["action"], row["target"], row["code"]) for row in told] == [
            ("gateway.read_only", "b", "done"),
            (CONFIRM, "b/slow0", "done"),
        ]
        assert (told[1]["session"], told[1]["reason"], told[1]["params"]) == ("uid 0", "test", {"value": 20, "old": 10})
        assert told[1]["told"]["read_back"] == 20
        assert told[1]["outcome_seq"] == told[1]["seq"] + 1
        assert (await it.now.act("device.write", "b/slow0", params={"value": 20}))["refused"] == "read_only_device"
        assert (await it.now.act("gateway.read_only", "b", params={"on": False}))["code"] == "done"
        newer = (await it.now.core.answer(ADMIN, "command.history", {}))["acts"]
        assert newer[1:] == told

    play(later, disk=play(scene).restart())


def test_two_who_confirm_the_same_write_once() -> None:
    async def scene(it: Scene) -> None:
        seen = await it.prepare()
        async with asyncio.TaskGroup() as group:
            both = [group.create_task(it.confirm(seen)) for _ in range(2)]
        assert [each.result()["code"] for each in both] == ["done", "command_ticket_spent"]
        assert (await it.confirm(seen))["refused"] == "command_ticket_spent", "entered once"
        assert len(it.b.written) == 1

    assert story(play(scene)) == [CONFIRM, "-> done", CONFIRM, "-> command_ticket_spent"]


def test_two_who_prepared_on_their_own_write_once_too() -> None:
    async def scene(it: Scene) -> None:
        one, other = await it.prepare(20), await it.prepare(25)
        assert (await it.confirm(one))["code"] == "done"
        late = await it.confirm(other)
        assert (late["code"], late["params"]) == ("command_value_changed", {"seen": "10", "now": "20"})
        assert it.b.written == [("slow0", 20)]

    assert story(play(scene)) == [CONFIRM, "-> done", CONFIRM, "-> command_value_changed"]


def test_a_value_that_changed_since_it_was_seen_is_not_overwritten() -> None:
    async def scene(it: Scene) -> None:
        seen = await it.prepare()
        it.b.value = 12
        assert (await it.confirm(seen))["code"] == "command_value_changed"
        it.b.value = 10
        assert (await it.confirm(seen))["code"] == "command_ticket_spent", "what was refused is not tried again"
        assert it.b.written == []

    assert story(play(scene)) == [CONFIRM, "-> command_value_changed", CONFIRM, "-> command_ticket_spent"]


def test_too_late_is_too_late() -> None:
    async def scene(it: Scene) -> None:
        seen = await it.prepare()
        await after(it.clock, seen["left_ms"] / 1000)
        assert (await it.confirm(seen))["code"] == "command_ticket_expired"
        assert (await it.confirm(seen))["refused"] == "command_ticket_expired"
        assert it.b.written == []

    assert story(play(scene)) == [CONFIRM, "-> command_ticket_expired"]


@pytest.mark.parametrize("other", [{"value": 21}, {"old": 11}, {"target": "b/none"}, {"value": True}, {"value": None}])
def test_what_was_not_shown_is_not_written(other: dict[str, Any]) -> None:
    async def scene(it: Scene) -> None:
        seen = await it.prepare()
        assert (await it.confirm(seen, **other))["code"] == "command_ticket_changed"
        assert (await it.confirm(seen))["code"] == "done", "whoever sends nonsense spends nothing"
        assert it.b.written == [("slow0", 20)]

    assert story(play(scene)) == [CONFIRM, "-> command_ticket_changed", CONFIRM, "-> done"]


def test_a_number_that_a_browser_writes_otherwise_is_the_same_value() -> None:
    async def scene(it: Scene) -> None:
        seen = await it.prepare()
        assert (await it.confirm(seen, value=20.0))["code"] == "done"

    play(scene)


def test_a_ticket_that_nobody_issued_leaves_no_entry() -> None:
    async def scene(it: Scene) -> None:
        seen = await it.prepare()
        assert (await it.confirm(seen, nonce="0" * 32))["refused"] == "command_ticket_unknown"
        assert (await it.now.act(CONFIRM, "b/slow0", params={"nonce": 5, "value": 1, "old": 2}))["refused"] == "command_shape"
        assert (await it.now.act(CONFIRM, "b/slow0", params={"nonce": seen["nonce"]}))["refused"] == "command_shape"

    assert story(play(scene)) == []


def test_an_interlock_that_fails_or_goes_stale_meanwhile_stops_it() -> None:
    async def scene(it: Scene) -> None:
        seen = await it.prepare()
        it.a.value = 1
        await after(it.clock, 1)
        assert (await it.confirm(seen))["code"] == "interlocked"
        it.a.value = 0
        await after(it.clock, 1)
        seen = await it.prepare()
        it.a.dead = True
        await after(it.clock, 1)
        assert (await it.confirm(seen))["code"] == "interlock_not_known"
        seen = await it.prepare()
        assert (seen["nonce"], seen["refusal"]["code"], seen["conditions"][0]["state"]) == (None, "interlock_not_known", "not_known")
        assert it.b.written == []

    assert story(play(scene)) == [CONFIRM, "-> interlocked", CONFIRM, "-> interlock_not_known"]


@pytest.mark.parametrize(
    ("vices", "code", "unsure"),
    [
        ("mute", "done", []),
        ("mute lost", "write_unknown", ["b/slow0"]),
        ("mute slips", "write_unknown", ["b/slow0"]),
        ("slips", "write_not_kept", []),
    ],
)
def test_a_write_without_an_answer_is_read_and_never_sent_again(vices: str, code: str, unsure: list[str]) -> None:
    async def scene(it: Scene) -> None:
        seen = await it.prepare()
        for vice in vices.split():
            setattr(it.b, vice, True)
        outcome = await it.confirm(seen)
        assert outcome["code"] == code
        assert outcome["params"].get("confirmed") == ("read_back" if vices == "mute" else None)
        assert len(it.b.written) == 1
        assert it.now.health()["writes"]["unsure"] == unsure
        await it.prepare()
        assert it.now.health()["writes"]["unsure"] == [], "read since"

    assert story(play(scene)) == [CONFIRM, f"-> {code}"]


def test_after_a_write_of_unknown_end_only_what_is_read_now_will_do() -> None:
    async def scene(it: Scene) -> None:
        seen = await it.prepare()
        it.b.mute = it.b.blind = True
        assert (await it.confirm(seen))["code"] == "write_unknown"
        await after(it.clock, 1)
        blind = await it.prepare(25)
        assert blind["refusal"]["code"] == "command_value_not_known", "the polled value does not count"
        it.b.blind = False
        assert (await it.prepare(25))["old"] == 20

    play(scene)


def test_a_device_that_reads_no_tag_alone_is_judged_by_what_was_polled() -> None:
    async def scene(it: Scene) -> None:
        it.b.blind = True
        seen = await it.prepare()
        assert (seen["old"], seen["refusal"]) == (10, None)
        assert (await it.confirm(seen))["code"] == "write_not_verified"
        it.b.dead = True
        await after(it.clock, 11)
        assert (await it.prepare())["refusal"]["code"] == "command_value_not_known"

    play(scene)


def test_a_configuration_that_moved_on_is_looked_at_first() -> None:
    async def scene(it: Scene) -> None:
        seen = await it.prepare()
        edit = {"devices.b.groups.slow.tags.slow0.write.max": 15}
        text = it.now.core._revision.text.replace("max = 100", "max = 15")
        assert (await it.now.act("config.edit", params={"text": text}, expected_revision=1))["code"] == "done", edit
        assert (await it.confirm(seen))["code"] == "command_config_changed"
        assert (await it.prepare())["refused"] == "value_out_of_limits"
        assert it.b.written == []

    assert story(play(scene)) == ["config.edit", "-> done", CONFIRM, "-> command_config_changed"]


@pytest.mark.parametrize(("device", "code"), [("", "read_only_all"), ("b", "read_only_device")])
def test_read_only_stops_what_was_prepared_and_holds_over_a_restart(device: str, code: str) -> None:
    async def scene(it: Scene) -> None:
        seen = await it.prepare()
        assert (await it.now.act("gateway.read_only", device, params={"on": True}))["code"] == "done"
        assert (await it.confirm(seen))["code"] == code
        assert (await it.now.act("device.write", "b/slow0", params={"value": 20}))["refused"] == code
        assert (await it.now.act("device.call", "b", params={"object": "o", "method": "m"}))["refused"] == code

    async def later(it: Scene) -> None:
        assert (await it.prepare())["refusal"]["code"] == code
        assert [each["device"] for each in it.now.health()["writes"]["read_only"]] == [device]
        assert (await it.now.act("gateway.read_only", device, params={"on": False}))["code"] == "done"
        assert (await it.confirm(await it.prepare()))["code"] == "done"

    disk = play(scene)
    assert story(disk) == ["gateway.read_only", "-> done", CONFIRM, f"-> {code}"]
    assert story(play(later, disk=disk.restart()))[4:] == ["gateway.read_only", "-> done", CONFIRM, "-> done"]


def test_a_switch_whose_file_is_damaged_is_on() -> None:
    async def nothing(it: Scene) -> None:
        assert (await it.now.act("gateway.read_only", "nobody", params={"on": True}))["refused"] == "device_unknown"
        assert (await it.now.act("gateway.read_only", "b", params={"on": 1}))["refused"] == "act_shape"

    async def scene(it: Scene) -> None:
        assert (await it.prepare())["refusal"]["code"] == "read_only_all"

    image = play(nothing).image()
    play(scene, disk=ShimDisk.from_image(image | {Layout(STATE).private / "read_only.cbor": b"\x00rubbish"}))


def test_no_write_while_nobody_could_prove_when() -> None:
    async def scene(it: Scene) -> None:
        for state in (ClockState.UNSET, ClockState.STEPPED):
            seen = await it.prepare()
            it.clock.step(0, state)
            assert (await it.confirm(seen))["code"] == "command_clock_untrusted"
            assert it.now.health()["writes"]["cause"] == "command_clock_untrusted"
            it.clock.step(0, ClockState.RTC)
        assert (await it.confirm(await it.prepare()))["code"] == "done"

    assert story(play(scene)) == [CONFIRM, "-> command_clock_untrusted"] * 2 + [CONFIRM, "-> done"]


def test_nothing_is_written_that_a_full_ledger_could_not_record() -> None:
    async def scene(it: Scene) -> None:
        used = sum(len(data) for data in it.disk.image().values() if data is not None)
        it.disk.faults.capacity_bytes = used + 40_000  # small files, but no further segment
        while not it.now.health()["ledger"]["disk_full"]:
            ready = await it.prepare()
            await it.now.act("gateway.read_only", "b", params={"on": False})
        assert ready["nonce"] is not None
        assert (await it.confirm(ready))["refused"] == "acts_refused_no_space"
        assert (await it.prepare())["refusal"]["code"] == "acts_refused_no_space"
        assert it.b.written == []

    assert CONFIRM not in story(play(scene))


def test_a_core_that_dies_between_intent_and_outcome_says_unknown_and_reads_first() -> None:
    cut: dict[str, Image] = {}

    async def scene(it: Scene) -> None:
        async def die() -> None:
            cut.update(image=it.disk.image())

        it.b.before_write = die
        await it.confirm(await it.prepare())

    async def later(it: Scene) -> None:
        assert len(it.now.health()["acts_unknown"]) == 1
        it.b.value = 20  # it took effect
        assert (await it.prepare(25))["old"] == 20

    play(scene)
    disk = ShimDisk.from_image(cut["image"])
    assert story(disk) == [CONFIRM]
    assert story(play(later, disk=disk)) == [CONFIRM, "-> unknown"]


def test_what_is_not_listed_or_out_of_bounds_gets_no_ticket() -> None:
    async def scene(it: Scene) -> None:
        wrong = [(20, "b/none"), (20, "x/slow0"), (20, "a/fast0"), (101, "b/slow0"), (-1, "b/slow0"), ("a", "b/slow0"), (True, "b/slow0")]
        codes = [(await it.prepare(value, target))["refused"] for value, target in wrong]
        assert codes == [
            "tag_unknown",
            "tag_unknown",
            "tag_not_writable",
            "value_out_of_limits",
            "value_out_of_limits",
            "value_type",
            "value_type",
        ]
        assert (await it.prepare(41))["refusal"]["code"] == "step_too_big"

    async def unlisted(it: Scene) -> None:
        assert (await it.prepare())["refused"] == "command_not_listed"
        assert (await it.now.act("device.write", "b/slow0", params={"value": 20}))["refused"] == "command_not_listed"
        assert (await it.prepare(target="b/Reset()"))["refused"] == "command_not_listed"

    assert story(play(scene)) == []
    assert story(play(unlisted, limits="writable = true\n")) == []


def test_steps_within_a_minute_add_up() -> None:
    async def scene(it: Scene) -> None:
        assert (await it.confirm(await it.prepare(40)))["code"] == "done"
        assert (await it.prepare(61))["refusal"] == {"code": "rate_too_high", "params": {"value": 61, "moved": 30.0, "max": 50.0}}
        one, other = await it.prepare(60), await it.prepare(60)
        assert (await it.confirm(one))["code"] == "done"
        assert (await it.confirm(other))["code"] == "command_value_changed"
        await after(it.clock, 61)
        assert (await it.prepare(61))["refusal"] is None
        assert (await it.now.act("device.write", "b/slow0", params={"value": 61}))["refused"] == "command_needs_confirming"

    play(scene, limits=LIMITS.replace("max_step = 30", "max_rate = 50.0"))


def test_a_listed_method_goes_the_same_way() -> None:
    async def scene(it: Scene) -> None:
        seen = await it.prepare(["int16:5"], "b/Reset()")
        outcome = await it.confirm(seen)
        assert (outcome["code"], outcome["params"]["out0"], it.b.called) == ("done", 42, [["int16:5"]])
        assert (await it.prepare([], "b/Reset()"))["refused"] == "call_shape"
        assert (await it.prepare(["string:5"], "b/Reset()"))["refused"] == "command_arguments"

    assert story(play(scene, methods=METHOD)) == [CONFIRM, "-> done"]


def test_limits_that_are_narrowed_while_the_device_is_looked_at_hold() -> None:
    async def scene(it: Scene) -> None:
        async def narrow() -> None:
            text = it.now.core._revision.text.replace("max = 100", "max = 15")
            assert (await it.now.act("config.edit", params={"text": text}, expected_revision=1))["code"] == "done"

        it.b.before_look = narrow
        seen = await it.prepare()
        assert (await it.confirm(seen))["code"] == "command_config_changed"
        assert it.b.written == []

    assert story(play(scene)) == ["config.edit", "-> done", CONFIRM, "-> command_config_changed"]
