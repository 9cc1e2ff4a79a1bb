"""Report rules against a plain model of them, tag by tag."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from drivers.reading import Scan, Status, Value, failed_scan
from runtime.acquisition.report_rules import ReportFilter
from runtime.config import ReportRule
from tests.rigs.field import device_toml, points_of

GROUP = points_of(device_toml("d", {"a": (100, 3)}))["d"].groups[0]

values = st.one_of(st.none(), st.integers(-5, 5), st.sampled_from([0.0, 0.25, 1.5, -2.0, math.nan, math.inf, -math.inf]))
statuses = st.sampled_from([0, 0, 0, int(Status.BAD_NOT_CONNECTED), int(Status.UNCERTAIN_LAST_USABLE_VALUE)])
rules = st.builds(ReportRule, st.booleans() | st.just(True), st.sampled_from([0.0, 0.5, 2.0]), st.sampled_from([0, 300, 1000]))
step = st.tuples(
    st.integers(1, 400),
    st.lists(values, min_size=3, max_size=3),
    st.none() | st.lists(statuses, min_size=3, max_size=3),
    st.none() | st.lists(st.booleans(), min_size=3, max_size=3),
    st.sampled_from([None, None, None, "no_answer"]),
)


class Plain:
    """The rules of one tag, written down as slowly as possible."""

    def __init__(self, rule: ReportRule) -> None:
        self.rule, self.value, self.status, self.at = rule, None, 0, -1

    def reports(self, now: int, value: Value, status: int, *, present: bool, cause_changed: bool) -> bool:
        if not present:
            return False
        report = cause_changed or not self.rule.on_change or status != self.status or self.changed(value)
        report = report or self.at < 0 or (self.rule.heartbeat_ms > 0 and now - self.at >= self.rule.heartbeat_ms)
        if report:
            self.value, self.status, self.at = value, status, now
        return report

    def changed(self, value: Value) -> bool:
        old = self.value
        if isinstance(value, int | float) and isinstance(old, int | float) and self.rule.deadband:
            if math.isnan(value) or math.isnan(old):
                return math.isnan(value) != math.isnan(old)
            return value != old and abs(value - old) > self.rule.deadband
        both_nan = isinstance(value, float) and isinstance(old, float) and math.isnan(value) and math.isnan(old)
        return value != old and not both_nan


@given(st.lists(rules, min_size=3, max_size=3), st.lists(step, min_size=1, max_size=12))
def test_the_filter_is_the_plain_rules(tag_rules: list[ReportRule], steps: list[tuple]) -> None:
    report_filter, plain, now, cause_before = ReportFilter(tag_rules), [Plain(rule) for rule in tag_rules], 1_000, ""
    for after, row, status_row, present, cause in steps:
        now += after
        scan = Scan(GROUP, list(row), now, status_row, None, present, cause)
        got = report_filter.apply(scan)
        states, here = status_row or [0] * 3, present or [True] * 3
        changed = cause != cause_before
        wanted = [p.reports(now, v, s, present=h, cause_changed=changed) for p, v, s, h in zip(plain, row, states, here, strict=True)]
        if any(wanted):
            cause_before = cause
            assert got is not None
            assert (got.present or [True] * 3) == wanted
            assert got.values == scan.values or any(isinstance(v, float) and math.isnan(v) for v in row)
        else:
            assert got is None


def test_failure_and_recovery_report_every_tag_once() -> None:
    report_filter = ReportFilter([ReportRule()] * 3)
    good = Scan(GROUP, [1, 2, 3], 1_000)
    assert report_filter.apply(good) is not None
    assert report_filter.apply(Scan(GROUP, [1, 2, 3], 2_000)) is None
    failed = report_filter.apply(failed_scan(GROUP, 3_000, Status.BAD_NOT_CONNECTED, "no_answer"))
    assert failed is not None
    assert failed.present is None
    assert report_filter.apply(failed_scan(GROUP, 4_000, Status.BAD_NOT_CONNECTED, "no_answer")) is None
    again = report_filter.apply(Scan(GROUP, [1, 2, 3], 5_000))
    assert again is not None
    assert again.present is None


def test_deadband_is_against_the_reported_value_so_that_a_creep_is_seen() -> None:
    report_filter = ReportFilter([ReportRule(deadband=1.0, heartbeat_ms=0)] * 3)
    reported = [v for i, v in enumerate(x / 4 for x in range(40)) if report_filter.apply(Scan(GROUP, [v, 0, 0], 1_000 + i))]
    assert reported == [0.0, 1.25, 2.5, 3.75, 5.0, 6.25, 7.5, 8.75]


def test_heartbeats_go_on_after_the_wall_clock_was_set_back() -> None:
    report, now = ReportFilter([ReportRule(heartbeat_ms=60_000)]), 2_000_000_000_000
    group = points_of(device_toml("d", {"a": (1000, 1)}))["d"].groups[0]
    assert report.apply(Scan(group, [1.0], now)) is not None
    back = now - 86_400_000
    reported = [at for at in range(0, 600_000, 1000) if report.apply(Scan(group, [1.0], back + at)) is not None]
    assert reported == list(range(0, 600_000, 60_000))
