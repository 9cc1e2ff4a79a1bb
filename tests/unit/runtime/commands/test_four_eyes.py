"""Which edits of the configuration wait for a second engineer, and that one alone never gets what two must agree on."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.commands.four_eyes import changed_commanding
from runtime.config import parse_config
from runtime.faces.feed import Session
from tests.rigs.commands import METHOD, Scene, play, story
from tests.rigs.core import config_text
from tests.rigs.field import after, device_toml
from tests.rigs.people import PASSWORD, People

WEB = Session("web", 0)
HIGH = 'writable = true\nwrite = { min = 0, max = 100, risk = "high", interlock = [{ tag = "a/fast0", equals = 0 }] }\n'
EDIT, APPROVE = "config.edit", "config.approve"

PLANT = config_text(device_toml("a", {"fast": (200, 2)}), device_toml("b", {"slow": (400, 1)}, more=HIGH) + METHOD)
SUM = '[devices.v]\ntype = "virtual"\n[[devices.v.groups]]\nname = "g"\nperiod_ms = 1000\n[[devices.v.groups.tags]]\nname = "s"\n'
LOCKED = PLANT.replace('tag = "a/fast0", equals', 'tag = "v/s", equals') + SUM + 'formula = "[a/fast0] + 0"\n'


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('risk = "high"', 'risk = "low"', ("b/slow0",)),
        ('risk = "high"', 'risk = "high", approvers = ["eve"]', ("b/slow0",)),
        ('risk = "high"', 'risk = "high", programs = true', ("b/slow0",)),
        ("max = 100", "max = 101", ("b/slow0",)),
        ("max = 100", "max = 99", ("b/slow0",)),
        ("equals = 0", "equals = 1", ("b/slow0",)),
        ("device_writes = true", "device_writes = false", ("gateway.device_writes",)),
        ("[evidence]", '[commands]\nsigned_approvals = false\nclock_needed = "any"\n[evidence]', ("commands",)),
        ('arguments = ["int16"]', 'arguments = ["int32"]', ("b/Reset()",)),
        (METHOD, "", ("b/Reset()",)),
        ('period_ms = 200\nmode = "poll"', 'period_ms = 200\nmode = "subscribe"', ("b/slow0",)),  # of the interlock
        ("period_ms = 200", "period_ms = 60000", ("b/slow0",)),
        ("period_ms = 400", "period_ms = 60000", ("b/slow0",)),  # of the present value
        ('name = "g"', 'name = "h"', ()),
        ("seal_every_s = 1", "seal_every_s = 2", ()),
    ],
)  # fmt: skip
def test_what_changes_commanding(old: str, new: str, what: tuple[str, ...]) -> None:
    assert old in PLANT
    assert changed_commanding(parse_config(PLANT), parse_config(PLANT.replace(old, new, 1))).what == what


def test_a_second_name_for_the_same_register_does_too() -> None:
    alias = device_toml("b", {"slow": (400, 1), "other": (400, 1)}, more=HIGH.replace('risk = "high", ', ""))
    before, after_ = PLANT, PLANT + alias.replace("[devices.b", "[devices.c").replace("devices.b.", "devices.c.")
    assert set(changed_commanding(parse_config(before), parse_config(after_)).what) == {"c/slow0", "c/other0"}


def test_what_an_interlock_is_reckoned_from_counts() -> None:
    before = parse_config(LOCKED)
    assert changed_commanding(before, before).what == ()
    constant = parse_config(LOCKED.replace("[a/fast0] + 0", "[a/fast0] * 0"))
    assert changed_commanding(before, constant).what == ("b/slow0",)
    chain = SUM.replace('name = "s"', 'name = "t"').replace('[devices.v]\ntype = "virtual"\n', "").replace('"g"', '"h"')
    two = LOCKED.replace("[a/fast0] + 0", "[v/t] + 0") + chain
    one, other = [parse_config(two + f'formula = "[a/fast{n}] + 0"\n') for n in (0, 1)]
    assert changed_commanding(one, other).what == ("b/slow0",)


def test_where_nothing_is_of_high_risk_nobody_waits() -> None:
    low = PLANT.replace('risk = "high", ', "")
    assert changed_commanding(parse_config(low), parse_config(low.replace("max = 100", "max = 200"))).what == ()
    assert changed_commanding(parse_config(low), parse_config(PLANT)).what == (), "whoever begins to ask for two needs no second one"


def test_a_device_that_is_switched_off_hides_nothing() -> None:
    off = PLANT.replace("[devices.b]", "[devices.b]\nenabled = false")
    assert changed_commanding(parse_config(PLANT), parse_config(off)).what == ()
    assert changed_commanding(parse_config(off), parse_config(off.replace('risk = "high"', 'risk = "low"'))).what == ("b/slow0",)


async def engineers(it: Scene, *names: str) -> tuple[People, str, dict[str, str]]:
    people = People(it.now, it.disk)
    admin = await people.claim()
    return people, admin, {name: await people.add(admin, name, "engineer") for name in names}


async def edit(it: Scene, token: str | None, old: str, new: str, **more: Any) -> dict[str, Any]:
    text = it.now.core.revision.text
    assert old in text
    who = {"session": WEB, "token": token} if token is not None else {}
    return await it.now.act(EDIT, params={"text": text.replace(old, new)}, expected_revision=it.now.core.revision.number, **who, **more)


async def approve(it: Scene, token: str, waits: dict[str, Any], **other: Any) -> dict[str, Any]:
    params = {"proposal": waits["params"]["proposal"], "sha256": waits["params"]["sha256"]} | other
    return await it.now.act(APPROVE, session=WEB, params=params, token=token)


def test_one_engineer_alone_does_not_lower_a_risk_and_two_do() -> None:
    async def scene(it: Scene) -> None:
        people, _, who = await engineers(it, "alice", "bob")
        waits = await edit(it, who["alice"], 'risk = "high"', 'risk = "low"')
        assert (waits["code"], waits["params"]["what"]) == ("config_waits", "b/slow0")
        assert it.now.core.revision.number == 1
        assert it.now.health()["edits_waiting"] == 1
        assert (await it.now.core.answer(WEB, "command.prepare", {"target": "b/slow0", "value": 20, "token": who["alice"]}))[
            "second_person"
        ]
        shown = await people.ask("config.waiting", token=who["bob"])
        assert [(row["name"], row["what"], row["reason"]) for row in shown["waiting"]] == [("alice", "b/slow0", "test")]
        one = await people.ask("config.waiting", token=who["bob"], id=waits["params"]["proposal"])
        assert 'risk = "low"' in one["text"]
        assert (await approve(it, who["alice"], waits))["code"] == "command_own_proposal"
        assert (await approve(it, who["alice"], waits))["refused"] == "command_own_proposal", "entered once"
        assert (await approve(it, who["bob"], waits, sha256="0" * 64))["code"] == "config_approve_changed"
        done = await approve(it, who["bob"], waits)
        assert (done["code"], done["params"]["revision"]) == ("done", 2)
        assert done["params"]["requested_by"].startswith("alice (session ")
        assert done["params"]["confirmed_by"].startswith("bob (session ")
        assert 'risk = "low"' in it.now.core.revision.text
        assert it.now.health()["edits_waiting"] == 0
        assert (await approve(it, who["bob"], waits))["refused"] == "config_proposal_gone"

    told = story(play(scene, limits=HIGH))
    assert told[-8:] == [
        EDIT,
        "-> config_waits",
        APPROVE,
        "-> command_own_proposal",
        APPROVE,
        "-> config_approve_changed",
        APPROVE,
        "-> done",
    ]


def test_what_lapses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(it: Scene) -> None:
        people, admin, who = await engineers(it, "alice", "bob", "carol")
        waits = await edit(it, who["alice"], "max = 100", "max = 200")
        assert (await edit(it, who["carol"], 'name = "g"', 'name = "h"'))["code"] == "done", "other edits go on"
        assert (await approve(it, who["bob"], waits))["refused"] == "config_proposal_gone", "and take the ground from what waits"
        waits = await edit(it, who["alice"], "max = 100", "max = 200")
        assert (await people.act(admin, "account.disable", "alice"))["code"] == "done"
        assert (await approve(it, who["bob"], waits))["refused"] == "config_proposal_gone"
        waits = await edit(it, who["carol"], "max = 100", "max = 200")
        await after(it.clock, 61)
        assert (await approve(it, who["bob"], waits))["refused"] == "config_proposal_gone"
        for _ in range(8):
            assert (await edit(it, who["carol"], "max = 100", "max = 200"))["code"] == "config_waits"
        assert (await edit(it, who["carol"], "max = 100", "max = 200"))["code"] == "command_too_many_wait"
        assert it.now.core.revision.number == 2

    play(scene, limits=HIGH, more="[commands]\napprove_within_s = 60\n")


def test_who_may_approve_a_command_is_asked_for_its_rules_too() -> None:
    async def scene(it: Scene) -> None:
        people, admin, who = await engineers(it, "alice", "bob", "carol")
        vic = await people.add(admin, "Vic", "technician")
        waits = await edit(it, who["alice"], ', approvers = ["carol"]', "")
        assert (await approve(it, vic, waits))["refused"] == "permission_denied"
        assert (await approve(it, who["bob"], waits))["code"] == "command_approver_not_named"
        assert (await approve(it, who["carol"], waits))["code"] == "done"

    play(scene, limits=HIGH.replace('risk = "high"', 'risk = "high", approvers = ["carol"]'))


def test_where_the_site_allows_it_ones_own_edit_is_approved_and_marked() -> None:
    async def scene(it: Scene) -> None:
        people, admin, who = await engineers(it, "alice")
        assert (await people.act(admin, "policy.set", "self_approval", value=True))["code"] == "done"
        waits = await edit(it, who["alice"], "max = 100", "max = 200")
        assert waits["code"] == "config_waits"
        done = await approve(it, who["alice"], waits)
        assert (done["code"], done["params"]["self_approved"]) == ("done", True)

    play(scene, limits=HIGH)


def test_where_approvals_are_signed_this_one_is_too() -> None:
    async def scene(it: Scene) -> None:
        _, _, who = await engineers(it, "alice", "bob")
        waits = await edit(it, who["alice"], "max = 100", "max = 200")
        assert (await approve(it, who["bob"], waits))["code"] == "command_approval_unsigned"

    play(scene, limits=HIGH, more="[commands]\nsigned_approvals = true\n")


def test_whoever_sits_at_the_machine_waits_for_nobody_and_is_nobodys_second_person() -> None:
    async def scene(it: Scene) -> None:
        _, _, who = await engineers(it, "alice")
        waits = await edit(it, who["alice"], "max = 100", "max = 200")
        params = {"proposal": waits["params"]["proposal"], "sha256": waits["params"]["sha256"]}
        assert (await it.now.act(APPROVE, params=params))["code"] == "command_own_proposal"
        assert (await edit(it, None, 'risk = "high"', 'risk = "low"'))["code"] == "done"

    play(scene, limits=HIGH)


def test_a_browser_that_was_left_alone_edits_nothing() -> None:
    async def scene(it: Scene) -> None:
        people, _, who = await engineers(it, "alice")
        await after(it.clock, 301)
        assert (await edit(it, who["alice"], 'name = "g"', 'name = "h"'))["refused"] == "fresh_needed"
        assert (await people.ask("account.again", token=who["alice"], password=PASSWORD.format("alice")))["name"] == "alice"
        assert (await edit(it, who["alice"], 'name = "g"', 'name = "h"'))["code"] == "done"

    assert story(play(scene, limits=HIGH.replace('risk = "high", ', "")))[-2:] == [EDIT, "-> done"]
