"""The web face's pure parts: the permission hook on every route, the fan-out, and what a page says."""

from __future__ import annotations

import asyncio
import json
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from ledger_client.policy_text import policy_fingerprint
from runtime import permissions
from runtime.faces.feed import RequestRefusedError
from runtime.faces.feed_client import FeedClient
from runtime.faces.web import pages
from runtime.faces.web.answers import whole_number
from runtime.faces.web.app import rows
from runtime.faces.web.audit_pages import AuditPages
from runtime.faces.web.entry_lines import entry_lines
from runtime.faces.web.face import Face, FaceOptions
from runtime.faces.web.nav import navigation
from runtime.faces.web.network_pages import NetworkPages
from runtime.faces.web.rows import ANYONE, SIGNED_IN
from runtime.faces.web.screen_pages import ScreenPages
from runtime.faces.web.stream import Fanout
from runtime.faces.web.values_api import Values, ValuesApi
from runtime.messages.catalogue import word
from runtime.messages.page_reader import PageReader
from tests.rigs.evidence import policy_text
from tests.rigs.judged_plant import model


def test_every_route_names_an_action_that_exists(tmp_path: Path) -> None:
    face = Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h")
    for route in rows(face):
        assert route.action in {*permissions.ACTIONS, ANYONE, SIGNED_IN}, route.path
        assert word(route.doc) != route.doc, f"{route.path} says what it is for"
        assert word(route.doc, lang="zh") != word(route.doc), route.path


@pytest.mark.parametrize(
    ("role", "action", "expected"),
    [
        ("viewer", "view.values", True),
        ("viewer", "device.write", False),
        ("engineer", "device.write", True),
        ("engineer", "epoch.open", False),
        ("admin", "epoch.open", True),
        ("nobody", "view.values", False),
        ("admin", "no.such", False),
    ],
)
def test_roles(role: str, action: str, expected: bool) -> None:
    assert permissions.allowed(role, action) is expected


def row(uid: int, value: float, status: int = 0, state: str = "recorded") -> list[object]:
    return [uid, value, status, 1_000, None, state, 5, None]


def test_fanout_gives_each_browser_what_it_missed_once() -> None:
    fanout = Fanout()
    fanout.take("values", [row(1, 1.0), row(2, 2.0)])
    first, frame = fanout.frame_since(-1)
    assert fanout.frame_since(-1)[1] is frame, "browsers in the same place share the bytes"
    for value in range(100):
        fanout.take("values", [row(2, float(value))])
    fanout.take("health", {"ledger": {}})
    _, late = fanout.frame_since(first)
    message = json.loads(late.split(b"data: ")[1])
    assert message["values"] == [row(2, 99.0)]
    assert message["health"] == {"ledger": {}}


def test_what_the_stream_tells_no_more_the_answer_that_it_goes_on_from_holds(tmp_path: Path) -> None:
    feed, fanout = FeedClient(tmp_path / "f", "t"), Fanout()
    api = ValuesApi(Face(feed, fanout, tmp_path / "h"))

    def asked(*actions: str) -> Values:
        request = Request({"type": "http", "state": {"may": lambda action: action in actions}})
        return asyncio.run(api.values(request))

    assert asked("view.values", "view.alarms").alarms is None, "nothing was heard yet"
    feed.alarms = {"summary": {"defined": 2}, "rows": []}
    fanout.take("alarms", feed.alarms)
    answer = asked("view.values", "view.alarms")
    assert answer.alarms == feed.alarms
    _, frame = fanout.frame_since(fanout.generation_of(answer.at))
    assert "alarms" not in json.loads(frame.split(b"data: ")[1])
    assert asked("view.values").alarms is None


def test_a_browser_hears_of_the_set_of_tags_at_once_and_when_it_changes() -> None:
    def heard(generation: int) -> tuple[int, str | None]:
        reached, frame = fanout.frame_since(generation)
        return reached, json.loads(frame.split(b"data: ")[1]).get("points")

    fanout = Fanout()
    at, before = heard(-1)
    assert before == fanout.points == pages.points_mark({})
    fanout.take("tags", {1: TAG})
    at, first = heard(at)
    fanout.take("values", [row(1, 1.0)])
    assert heard(at)[1] is None
    fanout.take("tags", {1: [1, "filler/height", *TAG[2:]]})
    at, renamed = heard(at)
    assert len({before, first, renamed}) == 3
    fanout.take("tags", {1: TAG})
    assert heard(at)[1] == first, "a core that starts again with the same tags has the same mark"


TAG = [1, "filler/level", "filler", "%", "float64", -1, "fast", 500, False, "plant"]


@pytest.mark.parametrize(("value", "text"), [(None, "—"), (21.25, "21.2"), (True, "yes"), (False, "no"), (7, "7"), ("idle", "idle")])
def test_values_are_shown_as_the_tag_has_them(value: object, text: str) -> None:
    assert pages.show_value(value, TAG) == text


@pytest.mark.parametrize(
    ("age", "text"), [(400, "0.4 s"), (12_000, "12 s"), (180_000, "3 min"), (7_300_000, "2 h"), (500_000_000, "6 d"), (None, "—")]
)
def test_ages(age: int | None, text: str) -> None:
    assert pages.show_age(age) == text


def test_the_sentence_says_the_worst_first() -> None:
    tags, values = {1: TAG}, {1: row(1, 1.0)}
    good = {"evidence": {"state": "recording"}, "ledger": {"state": "ok"}}
    assert pages.sentence(tags, values, good, link=True, lang="en") == ("ok", "Recording 1 of 1 tags")
    assert pages.sentence(tags, {1: row(1, 1.0, 0x800A0000)}, good, link=True, lang="en")[0] == "warn"
    stopped = {"evidence": {"state": "stopped", "cause": "busy", "params": {}}, "ledger": {"state": "ok"}}
    assert pages.sentence(tags, values, stopped, link=True, lang="en")[0] == "alarm"
    assert pages.sentence({}, {}, good | {"devices": []}, link=True, lang="en") == ("ok", "No device yet: there is nothing to read")
    assert pages.sentence({}, {}, good, link=True, lang="en") == ("ok", "Starting"), "which devices there are was not told yet"
    for nothing in ({}, {"devices": []}, {"devices": ["d"]}):
        assert pages.sentence({}, {}, stopped | nothing, link=True, lang="en")[0] == "alarm", "without a device nothing is recorded either"
        held = pages.sentence({}, {}, good | {"ledger": {"state": "quarantined"}} | nothing, link=True, lang="en")
        assert held == ("alarm", word("web.sentence.quarantined") + ".")
    some_bad = pages.sentence(tags, {1: row(1, 1.0, 0x800A0000)}, good, link=True, lang="zh", abnormal=["line"])
    assert some_bad[1] == "正在记录 1 个点位中的 0 个，1 个没有良好值；不正常：line", "commas of the language"
    level, text = pages.sentence(tags, values, good, link=False, lang="en")
    assert (level, "old" in text) == ("alarm", True)
    assert pages.sentence(tags, values, good, link=True, lang="en", abnormal=["line"]) == (
        "warn",
        "Recording 1 of 1 tags; not normal: line",
    )


def test_every_page_says_which_machine_is_not_normal_as_long_as_that_is_of_now() -> None:
    rows = [
        model("a", alarming=True, cell_ms=9_000), model("b", "shadow", alarming=True, cell_ms=9_000), model("c", cell_ms=9_000),
        model("d", alarming=True, cell_ms=-200_000), model("e", alarming=True, cell_ms=9_000, refused={"code": "busy", "params": {}}),
    ]  # fmt: skip
    health = {"now_ms": 10_000, "judge": {"state": "ok", "cause": None, "params": {}, "heard_ms": 9_900}}
    assert pages.abnormal_models(rows, health) == ["a"]
    assert pages.abnormal_models(rows, {"now_ms": 10_000, "judge": {**health["judge"], "heard_ms": -60_000}}) == []
    fanout = Fanout()
    fanout.take("models", rows)
    fanout.take("health", health)
    assert json.loads(fanout.frame_since(-1)[1].split(b"data: ")[1])["abnormal"] == ["a"]


def test_what_never_came_has_no_age() -> None:
    waiting = [1, None, 0x80320000, 0, None, "pending", None, None]
    (block,) = pages.device_blocks({1: TAG}, {1: waiting}, {"now_ms": 1_800_000_000_000, "devices": []}, "en")
    (only,) = block.lines
    assert (only.age_ms, only.quality, only.cause) == (None, 2, "no value yet")


@pytest.mark.parametrize(
    ("state", "row", "last_good_ms", "wanted"),
    [
        ("down", [1, None, 0x800A0000, 299_000, None, "recorded", 1, "no_answer"], 120_000, 180_000),
        ("down", [1, None, 0x800A0000, 299_000, None, "recorded", 1, "no_answer"], None, None),
        ("down", [1, 3.5, 0x800A0000, 299_000, None, "recorded", 1, "out_of_range"], 120_000, 1_000),
        ("degraded", [1, None, 0x800A0000, 299_000, None, "recorded", 1, "register_refused"], 299_700, None),
        ("degraded", [1, 3.5, 0, 299_000, None, "recorded", 1, None], 299_700, 1_000),
        ("ok", [1, None, 0x800A0000, 299_000, None, "recorded", 1, "no_answer"], 299_700, None),
    ],
    ids=["dead", "never_read", "bad_with_a_value", "refused_of_a_device_that_is_read", "good", "read_again"],
)
def test_the_age_of_what_gave_nothing_is_not_that_of_the_last_try_nor_of_other_tags(
    state: str, row: list[Any], last_good_ms: int | None, wanted: int | None
) -> None:
    device = {"name": TAG[2], "state": state, "cause": None, "last_good_ms": last_good_ms}
    (block,) = pages.device_blocks({1: TAG}, {1: row}, {"now_ms": 300_000, "devices": [device]}, "en")
    assert block.lines[0].age_ms == wanted


def line(name: str, quality: int = 2, cause: str = "") -> pages.TagLine:
    return pages.TagLine(1, name, "", "1", quality, None, "recorded", None, cause)


def test_the_first_page_names_a_dead_device_once_and_few_of_many_tags() -> None:
    dead = pages.DeviceBlock("press", "", "down", "It is silent.", tuple(line(f"t{n}") for n in range(40)))
    other = pages.DeviceBlock("oven", "", "degraded", "", (line("good", 0), *(line(f"x {n}", cause="No.") for n in range(15))))
    found = pages.attention([dead, other], ["m/1"], "en")
    assert [(each.href, each.name, each.why) for each in found[:3]] == [
        ("/anomalies?model=m/1", "m/1", "not normal"),
        ("/live?find=press/", "press", "It is silent. (40 tags)"),
        ("/live?find=oven/x%200", "oven/x 0", "No."),
    ]
    assert (len(found), found[-1].href, found[-1].name) == (2 + pages.MIND_MAX + 1, "/live?bad=1", "3 more")
    assert pages.attention([], [], "zh") == []


def test_a_device_that_gives_no_tag_a_value_is_one_line_that_says_what_it_said() -> None:
    params = {"count": 3, "tags": "u (BadDeviceFailure), …", "statuses": "BadDeviceFailure"}
    device = {"name": TAG[2], "state": "degraded", "cause": "device_none_read", "params": params, "last_good_ms": 120_000}
    rows = {uid: [uid, None, 0x808B0000, 299_000, None, "recorded", 1, None] for uid in (1, 2, 3)}
    (block,) = pages.device_blocks({uid: [uid, *TAG[1:]] for uid in rows}, rows, {"now_ms": 300_000, "devices": [device]}, "en")
    said = word("status.BadDeviceFailure")
    assert (block.said, block.cause) == ("none_read", f"{word('device_none_read', params)} — BadDeviceFailure: {said}")
    assert [(each.age_ms, each.cause) for each in block.lines] == [(180_000, said)] * 3, "as old as its last good reading"
    assert [(each.href, each.why) for each in pages.attention([block], [], "en")] == [(f"/live?find={TAG[2]}/", f"{block.cause} (3 tags)")]


def test_a_single_bad_tag_says_what_its_status_means() -> None:
    device = {"name": TAG[2], "state": "degraded", "cause": "device_tags_bad", "params": {"count": 1, "tags": "u (BadNoData)"}}
    for status, said in ((0x809B0000, word("status.BadNoData", None, "zh")), (0x80AB0000, "")):
        (block,) = pages.device_blocks({1: TAG}, {1: [1, None, status, 0, None, "recorded", 1, None]}, {"devices": [device]}, "zh")
        assert [each.why for each in pages.attention([block], [], "zh")] == [said or word("web.quality.2", None, "zh")]


def alarm(name: str, state: str = "unacked", priority: str = "high", **more: Any) -> dict[str, Any]:
    row = {"name": name, "text": "", "state": state, "priority": priority, "condition": "above", "tag": "a/b", "limit": 5.0, "unit": "mm"}
    return row | more


def test_the_first_page_begins_with_the_worst_alarms_and_says_how_many_more_there_are() -> None:
    rows = [alarm("hot/1", text="Too hot"), alarm("a"), alarm("b", "acked", "low"), alarm("c", "acked"), alarm("d", "shelved")]
    told = {"summary": {"states": {"unacked": 2, "acked": 2, "shelved": 1}}, "rows": [alarm("x", "acked", "advisory"), *rows]}
    found = pages.attention([], ["m"], "en", told)
    assert found[0] == pages.Mind("/alarms/at/hot%2F1", "Too hot", "a/b above 5 mm · active, not acknowledged", "down")
    assert [(each.name, each.level) for each in found[1:]] == [("a", "down"), ("b", "waiting"), ("1 more alarm", "waiting"), ("m", "down")]
    assert pages.attention([], [], "en", {"summary": {}, "rows": []}) == []


def test_the_first_page_tells_whoever_may_approve_what_waits_for_a_second_person() -> None:
    told = {"edits_waiting": 1, "writes": {"waiting": 2}}
    engineer = pages.approvals(lambda action: permissions.allowed(["engineer"], action))
    assert (engineer, pages.approvals(lambda action: permissions.allowed(["technician", "admin"], action))) == (["config", "commands"], [])
    second = pages.approvals_noted(told, "en", engineer)
    assert second == [
        pages.Mind("/config", "Configuration", "1 edit waits for a second engineer", "waiting"),
        pages.Mind("/commands", "Commands", "2 commands wait for a second person", "waiting"),
    ]
    alarms = {"summary": {"states": {"unacked": 1}}, "rows": [alarm("a")]}
    found = pages.attention([], ["m"], "en", alarms, second=second)
    assert [each.name for each in found] == ["a", "Configuration", "Commands", "m"], "after alarms, before what may be many"
    assert [pages.approvals_noted(each, "zh", engineer) for each in ({}, {"edits_waiting": 0, "writes": {"waiting": 0}})] == [[], []]


def test_the_first_page_tells_that_a_file_edited_by_hand_is_not_in_force() -> None:
    told = {"gateway": {"config_fault_count": 2}}
    said = pages.Mind("/config", "Configuration", "2 faults in the file that was edited by hand: it is not in force", "down")
    assert pages.file_noted(told, "en") == [said]
    assert [pages.file_noted(each, "en") for each in ({}, {"gateway": {"config_fault_count": 0}})] == [[], []]


def test_the_first_page_tells_of_a_part_that_does_not_run() -> None:
    told = {"parts_down": {"history": "no space left"}}
    why = "The part history does not run, it fails each time it is started: no space left"
    assert pages.parts_noted(told, "en") == [pages.Mind("/diagnostics", "Diagnostics", why, "down")]
    assert pages.parts_noted({}, "en") == []


def test_a_technician_has_at_most_six_destinations_and_each_role_its_own() -> None:
    def seen(role: str) -> list[str]:
        return [each.code.rpartition(".")[2] for each in navigation("home", lambda action: permissions.allowed([role], action))[0]]

    assert seen("technician") == ["home", "live", "alarms", "trends", "setup", "evidence"]
    assert seen("engineer") == [*seen("technician"), "gateway"]
    assert len(seen("viewer")) <= 6


def page_of(face: Face, name: str) -> str:
    request = Request({"type": "http", "query_string": b"lang=en", "headers": [], "state": {"may": lambda action: True}})
    part = ScreenPages(face) if hasattr(ScreenPages, name) else AuditPages(face)
    return unescape(bytes(asyncio.run(getattr(part, name)(request)).body).decode())


def test_a_page_that_never_heard_the_core_claims_nothing(tmp_path: Path) -> None:
    face = Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h")
    for name in ("home", "ledger"):
        page = page_of(face, name)
        said = [
            code for code in ("web.anchor.none", "web.writes.off", "web.writes.on", "web.evidence.nogaps", "web.clock.unset")
            if f">{word(code)}<" in page
        ]  # fmt: skip
        assert said == []
        assert ">0<" not in page
        assert ">0.0" not in page
        assert page.count("—") >= 10
        assert word("web.sentence.away") in page


def test_a_linked_page_says_what_it_heard(tmp_path: Path) -> None:
    face = Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h")
    face.feed.connected = True
    face.feed.health = {
        "now_ms": 1, "evidence": {"state": "recording", "readings": 12_345}, "gaps": {"connect_failed": 3, "no_answer": 2},
        "ledger": {"size": 7}, "anchors": [],
        "gateway": {"device_writes": False}, "clock": {"state": "unset"}, "loop": {"stall_max_ms": 1.25}, "devices": [],
    }  # fmt: skip
    page = page_of(face, "home")
    for words in (
        "12,345",
        "The device does not accept a connection: 3\nThe device did not answer in time: 2",
        word("web.anchor.none"),
        word("web.writes.off"),
        "not set",
        "1.2 ms",
    ):
        assert words in page, words


def test_the_ledger_page_says_times_and_groups_without_javascript() -> None:
    row = [7, 1_790_000_000_123, 6, [[4, 0, 15_000, "no_answer", 31]], [[4, "filler/fast"]], None]
    (line,) = entry_lines([row], "en", PageReader())
    assert (line.seq, line.wall_ms, line.kind, line.recorded) == (7, 1_790_000_000_123, 6, "")
    assert line.what.startswith("filler/fast: 31 scans")


@pytest.mark.parametrize(("maxerror_us", "said"), [(16_000_000, "nobody knows"), (1_200, "1.2 ms")])
def test_how_wrong_the_clock_can_be_has_no_number_where_nobody_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, maxerror_us: int, said: str
) -> None:
    face = Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h")
    kernel = {"offset_us": 0, "maxerror_us": maxerror_us, "esterror_us": 9, "is_steered": False}
    clock = {"state": "unset", "steps": 0, "wall_ms": 9_000, "boot_ms": 9_000, "zone": "", "kernel": kernel, "sources": [], "rtc_s": None}

    async def ask(method: str, *_: object) -> Any:
        if method != "clock":
            raise RequestRefusedError("core_away")
        return clock

    monkeypatch.setattr(face, "ask", ask)
    request = Request({"type": "http", "query_string": b"lang=en", "headers": [], "state": {"may": lambda action: True}})
    page = bytes(asyncio.run(NetworkPages(face).page(request)).body).decode()
    assert f"<dt>{word('clock.maxerror')}</dt><dd>{said}</dd>" in page


def test_the_form_that_claims_shows_a_command_without_the_marks_of_a_document(tmp_path: Path) -> None:
    face = Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h")
    request = Request({"type": "http", "query_string": b"lang=en", "headers": [], "state": {"may": lambda action: False}})
    page = bytes(face.render(request, "claim.html", given=None, refused=None).body).decode()
    assert "<code>witnessmark accounts claim-code</code>" in page


@pytest.mark.parametrize("name", ["ledger", "connections", "about"])
def test_pages_of_trust_show_what_is_compared_with_the_verifier(tmp_path: Path, name: str) -> None:
    text = tmp_path / "policy.txt"
    text.write_bytes(policy_text())
    face = Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h", FaceOptions(policy=text))
    shown = page_of(face, name)
    assert f'<code class="policy">{policy_fingerprint(policy_text())}</code>' in shown
    assert word("web.policy.fingerprint") in shown
    text.unlink()
    assert word("web.policy.fingerprint") not in page_of(face, name)


@pytest.mark.parametrize("text", ["--5", "-", "5-", "1e3", "١", "9" * 17, ""])
def test_a_number_that_is_none_is_refused(text: str) -> None:
    request = Request({"type": "http", "query_string": f"n={text}".encode(), "headers": []})
    with pytest.raises(RequestRefusedError, match="number_invalid"):
        whole_number(request, "n", 1)
