"""Live values and their states; gap rows and their growing intervals."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from drivers.reading import Scan, Status, TagGroup, failed_scan
from runtime.acquisition.gaps import INTERVAL_MS_MAX, GapTally
from runtime.acquisition.live import Live
from runtime.acquisition.pipeline import Pipeline
from runtime.acquisition.read_times import ReadTimes
from runtime.setpoint import Known
from tests.rigs.field import device_toml, fresh_ids, points_of, pushing_toml


class Collected:
    """A collector that hands out tickets; `fault` makes it refuse."""

    def __init__(self) -> None:
        self.ticket, self.fault = 1, None
        self.scans: list[Scan] = []
        self.misses: list[tuple[str, int]] = []
        self.back: list[int] = []

    def add(self, scan: Scan) -> tuple[int, str | None]:
        self.scans.append(scan)
        return (0, self.fault) if self.fault else (self.ticket, None)

    def missed(self, group: TagGroup, from_ms: int, to_ms: int, cause: str, count: int) -> None:
        self.misses.append((cause, count))

    def came_back(self, group_uid: int) -> None:
        self.back.append(group_uid)


def test_values_become_recorded_or_not() -> None:
    live, collector = Live(), Collected()
    devices = points_of(device_toml("d", {"a": (100, 2)}))
    live.set_devices(devices.values())
    pipeline = Pipeline(live, collector)
    pipeline.set_devices(devices.values())
    group = devices["d"].groups[0]
    assert [v.state for v in live.values()] == ["pending", "pending"]
    pipeline.take(Scan(group, [1, 1], 1_000))
    collector.ticket = 2
    pipeline.take(Scan(group, [1, 2], 1_100))
    live.recorded(1, 77)
    assert [(v.value, v.state, v.seq) for v in live.values()] == [(1, "recorded", 77), (2, "pending", None)]
    before = live.generation
    live.unrecorded(2, "evidence_behind")
    assert [row[5:] for row in live.changed_since(before)] == [["recorded", 77, None], ["unrecorded", None, "evidence_behind"]]
    assert live.changed_since(live.generation) == []
    collector.fault = "disk_full"
    pipeline.take(Scan(group, [5, 2], 1_200))
    assert [(v.state, v.cause) for v in live.values()] == [("unrecorded", "disk_full"), ("unrecorded", "evidence_behind")]
    pipeline.take(Scan(group, [5, 2], 1_300))
    assert live.values()[0].read_ms == 1_300
    assert len(collector.scans) == 3


class Seen:
    """An alarm tap."""

    def __init__(self) -> None:
        self.scans: list[Scan] = []

    def saw(self, scan: Scan) -> None:
        self.scans.append(scan)

    def alive(self, group_uid: int) -> None:
        pass


def test_history_is_recorded_and_is_nobodys_newest_value() -> None:
    live, collector, alarms = Live(), Collected(), Seen()
    rule = "report = { deadband = 10, heartbeat_s = 60 }\n"
    devices = points_of(pushing_toml("d", "a", 2, more=rule))
    live.set_devices(devices.values())
    pipeline = Pipeline(live, collector)
    pipeline.alarms = alarms
    pipeline.set_devices(devices.values())
    group = devices["d"].groups[0]
    pipeline.take(Scan(group, [100, 1], 1_000))
    live.recorded(1, 77)
    before, shown = live.generation, live.values()
    collector.ticket = 2
    for n in range(3):  # nor do the report rules hold back what they compare with newer values
        pipeline.take(Scan(group, [3 + n, None], 2_000 + n, [Status.UNCERTAIN, 0], n, [True, False], past=True))
    live.recorded(2, 78)
    assert (live.generation, live.values()) == (before, shown)
    assert [(scan.values[0], scan.source_ms) for scan in collector.scans[1:]] == [(3, 0), (4, 1), (5, 2)]
    assert [scan.values for scan in alarms.scans] == [[100, 1]]
    pipeline.take(Scan(group, [105, 1], 3_000, None, 2_900))
    assert [(r.value, r.status, r.source_ms) for r in collector.scans[-1].readings()] == [(105, 0, 2_900)], "the ledger's newest again"
    pipeline.take(Scan(group, [106, None], 4_000, present=[True, False]))
    assert len(collector.scans) == 5, "once, and then what is within the deadband is held back as ever"
    pipeline.alive(group, 70_000)
    assert [(r.value, r.status) for r in collector.scans[-1].readings()] == [(106, 0), (1, 0)], "nor does it go on in heartbeats"


def test_behind_history_the_newest_value_is_recorded_again_by_a_sign_of_life_too() -> None:
    live, collector = Live(), Collected()
    devices = points_of(pushing_toml("d", "a", 2, more="report = { heartbeat_s = 0 }\n"))
    live.set_devices(devices.values())
    pipeline = Pipeline(live, collector)
    pipeline.set_devices(devices.values())
    group = devices["d"].groups[0]
    pipeline.take(Scan(group, [10.0, 1.0], 1_000))
    for n in range(3):
        pipeline.take(Scan(group, [5.0, None], 2_000 + n, [Status.UNCERTAIN, 0], 500 + n, [True, False], past=True))
    for at_ms in (3_000, 4_000):
        pipeline.alive(group, at_ms)
    assert [[(r.value, r.read_ms) for r in scan.readings()] for scan in collector.scans[1:]] == [
        [(5.0, 2_000)], [(5.0, 2_001)], [(5.0, 2_002)], [(10.0, 3_000)],
    ]  # fmt: skip
    pipeline.take(failed_scan(group, 5_000, Status.BAD_COMMUNICATION_ERROR, "overflow"))
    pipeline.take(Scan(group, [6.0, None], 6_000, None, 600, [True, False], past=True))
    assert collector.back == [], "history ends no failure"
    pipeline.take(Scan(group, [10.0, 1.0], 7_000))
    assert collector.back == [group.uid]


def test_a_value_of_now_and_one_of_the_past_never_have_the_same_read_time() -> None:
    live, collector = Live(), Collected()
    devices = points_of(pushing_toml("d", "a", 1, more="report = { heartbeat_s = 0 }\n"))
    live.set_devices(devices.values())
    pipeline = Pipeline(live, collector)
    pipeline.set_devices(devices.values())
    group = devices["d"].groups[0]
    for value, read_ms, past in ((10, 1_000, False), (1, 1_000, True), (2, 1_000, True), (10, 1_000, False), (11, 1_001, False)):
        pipeline.take(Scan(group, [value], read_ms, past=past))
    pipeline.take(Scan(group, [3], 2_000, past=True))
    pipeline.alive(group, 2_000)
    assert [(scan.values[0], scan.read_ms) for scan in collector.scans] == [
        (10, 1_000), (1, 1_001), (2, 1_001), (10, 1_002), (11, 1_002), (3, 2_000), (11, 2_001),
    ]  # fmt: skip
    assert live.values()[0].read_ms == 2_001, "as it is recorded"


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=60))
def test_read_times_of_the_two_kinds_are_apart_and_stay_near(steps: list[tuple[int, bool]]) -> None:
    times, now_ms = ReadTimes(), 1_000
    given_to: dict[bool, set[int]] = {True: set(), False: set()}
    for passed_ms, past in steps:
        now_ms += passed_ms
        found = times.past(now_ms) if past else times.live(now_ms)
        assert now_ms <= found <= now_ms + 3
        assert past or found > max(given_to[True], default=0), "what is recorded of now is newer than all history before it"
        given_to[past].add(found)
    assert not given_to[True] & given_to[False]


def test_a_read_under_way_through_a_change_of_its_group_is_a_counted_miss() -> None:
    live, collector, ids = Live(), Collected(), fresh_ids()
    old = points_of(device_toml("d", {"a": (100, 2)}, more="scale = 0.1\n"), ids=ids)
    new = points_of(device_toml("d", {"a": (100, 2)}, more="scale = 0.01\n"), ids=ids)
    pipeline = Pipeline(live, collector)
    for devices in (old, new):
        live.set_devices(devices.values())
        pipeline.set_devices(devices.values())
    pipeline.take(Scan(old["d"].groups[0], [1, 2], 1_000))
    assert collector.misses == [("group_reconfigured", 1)]
    pipeline.take(failed_scan(old["d"].groups[0], 1_000, Status.BAD_TIMEOUT, "no_answer"))
    assert collector.misses == [("group_reconfigured", 1)], "the poller counts a read that failed, and tells of one that only rests"
    assert not collector.scans
    pipeline.take(Scan(new["d"].groups[0], [1, 2], 1_000))
    assert len(collector.scans) == 1


def test_a_long_outage_is_said_less_and_less_often() -> None:
    tally, said = GapTally(5_000), []
    for second in range(0, 4 * 3600, 5):
        tally.add(7, second * 1000, second * 1000 + 4_900, "no_answer", 50, second * 1000)
        said += [(second, row) for row in tally.due(second * 1000)]
    times = [second for second, _ in said]
    assert [b - a for a, b in itertools.pairwise(times)][:6] == [10, 20, 40, 80, 160, 320]
    assert all(b - a <= INTERVAL_MS_MAX / 1000 for a, b in itertools.pairwise(times))
    tally.came_back(7)
    said += [(0, row) for row in tally.due(4 * 3600_000)]
    assert sum(row[4] for _, row in said) == tally.totals["no_answer"] == 50 * 4 * 720
    assert tally.due(10**9, everything=True) == []
    rows = [row for _, row in said]
    assert all(a[2] < b[1] for a, b in itertools.pairwise(rows)), "rows of one outage do not overlap"


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["busy", "no_answer"]), st.integers(1, 9), st.booleans(), st.booleans()), max_size=40
    )
)
def test_no_count_is_ever_lost(steps: list[tuple[int, str, int, bool, bool]]) -> None:
    tally, said, now = GapTally(5_000), 0, 0
    for uid, cause, count, back, fails in steps:
        now += 3_000
        tally.add(uid, now, now, cause, count, now)
        if back:
            tally.came_back(uid)
        rows = tally.due(now)
        if fails:
            tally.restore(rows, now)
        else:
            said += sum(row[4] for row in rows)
    said += sum(row[4] for row in tally.due(now, everything=True))
    assert said == sum(tally.totals.values()) == sum(step[2] for step in steps)


def test_what_an_interlock_relies_on_is_as_old_as_the_oldest_input_of_its_formula() -> None:
    virtual = """[devices.v]
type = "virtual"
[[devices.v.groups]]
name = "g"
period_ms = 1000
tags = [{ name = "cold", data = "bool", formula = "[a/fast0] < 80" }, { name="ok", data = "bool", formula = "[v/cold] and [a/push0] > 0" }]
"""
    points = points_of(device_toml("a", {"fast": (1000, 1), "push": (1000, 1)}), virtual)
    live = Live()
    live.set_devices(points.values())
    fast, push = points["a"].groups
    (formulas,) = points["v"].groups
    live.publish(Scan(push, [1.0], 55_000))
    live.publish(Scan(formulas, [None, None], 55_500, [Status.BAD_WAITING_FOR_INITIAL_DATA] * 2))
    assert live.known("v/cold") == Known(None, False, 55_500), "what was never read is not the age of anything"
    live.publish(Scan(fast, [20.0], 1_000))
    for at_ms in (59_000, 60_000):  # a formula has another's last result
        live.publish(Scan(formulas, [True, True], at_ms))
    assert [live.known(f"v/{name}") for name in ("cold", "ok")] == [Known(True, True, 1_000)] * 2
    live.publish(Scan(fast, [90.0], 60_500))
    assert live.known("a/fast0") == Known(90.0, True, 60_500)
    assert live.known("v/cold") == Known(True, True, 1_000), "it was reckoned from what was read before"
    live.publish(Scan(formulas, [False, True], 61_000))
    assert [live.known(f"v/{name}") for name in ("cold", "ok")] == [Known(False, True, 60_500), Known(True, True, 1_000)]
    live.publish(Scan(formulas, [False, False], 62_000))
    assert live.known("v/ok") == Known(False, True, 55_000)
