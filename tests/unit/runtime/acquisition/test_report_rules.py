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
rules = st.builds(
    ReportRule, st.booleans() | st.just(True), st.sampled_from([0.0, 0.5, 2.0]), st.sampled_from([0, 300, 1000]),
    st.sampled_from([0.0, 0.0, 0.25]), st.sampled_from([0.0, 0.0, 0.2, 1.0]),
)  # fmt: skip
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
        self.held, self.since, self.sum = None, 0, 0.0

    def reports(self, now: int, value: Value, status: int, *, present: bool, cause_changed: bool) -> bool:
        self.sum += apart(self.held, self.value) * (now - self.since) / 1000
        self.since = now
        if not present:
            return False
        self.held = value
        limit, coming = self.rule.deadband_integral, apart(value, self.value) * GROUP.period_ms / 1000
        report = limit > 0 and self.sum + coming > limit
        report = report or cause_changed or not self.rule.on_change or status != self.status or self.changed(value)
        report = report or self.at < 0 or (self.rule.heartbeat_ms > 0 and now - self.at >= self.rule.heartbeat_ms)
        if report:
            self.value, self.status, self.at, self.sum = value, status, now, 0.0
        return report

    def changed(self, value: Value) -> bool:
        old = self.value
        if isinstance(value, int | float) and isinstance(old, int | float) and self.rule.has_deadband:
            if math.isnan(value) or math.isnan(old):
                return math.isnan(value) != math.isnan(old)
            band = self.rule.deadband
            if self.rule.deadband_share and math.isfinite(old):
                band = max(band, self.rule.deadband_share * abs(old))
            decides = band > 0 or self.rule.deadband_share > 0 or not self.rule.deadband_integral
            return decides and value != old and abs(value - old) > band
        both_nan = isinstance(value, float) and isinstance(old, float) and math.isnan(value) and math.isnan(old)
        return value != old and not both_nan


def apart(value: Value, old: Value) -> float:
    if not isinstance(value, int | float) or not isinstance(old, int | float) or value == old:
        return 0.0
    return 0.0 if math.isnan(value) or math.isnan(old) else abs(value - old)


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


@given(st.lists(st.integers(-90_000_000, 90_000_000), min_size=61, max_size=61))
def test_heartbeats_go_by_a_monotonic_time_whatever_the_wall_clock_does(steps: list[int]) -> None:
    report, wall, reported = ReportFilter([ReportRule(heartbeat_ms=60_000)] * 3), 2_000_000_000_000, list[int]()
    for n, by_ms in enumerate(steps):
        wall += 5_000 + by_ms
        scan = Scan(GROUP, [1.0, 2.0, 3.0], wall)
        if (report.apply(scan, n * 5_000) if n % 2 else report.repeat(scan, n * 5_000)) is not None:
            reported.append(n * 5_000)
    assert reported == list(range(0, 305_000, 60_000))


walks = st.lists(st.floats(-50, 50), min_size=2, max_size=80)
late = st.lists(st.integers(0, 60), min_size=80, max_size=80)


@given(walks, st.sampled_from([0.0, 0.5, 4.0]), st.sampled_from([0.0, 0.05, 0.5]))
def test_what_is_held_back_is_never_further_off_than_the_deadband(row: list[float], band: float, share: float) -> None:
    report_filter, kept = ReportFilter([ReportRule(True, band, 0, share)] * 3), 0.0
    for i, value in enumerate(row):
        if report_filter.apply(Scan(GROUP, [value, 0.0, 0.0], 1_000 + 100 * i)) is not None:
            kept = value
        assert abs(value - kept) <= max(band, share * abs(kept)), "it was held back, and the last kept value tells more than that"


@given(walks, late, st.sampled_from([0.5, 2.0, 20.0]), st.sampled_from([0.0, 3.0]))
def test_energy_reckoned_from_the_kept_readings_is_right_within_the_limit(
    row: list[float], less: list[int], limit: float, band: float
) -> None:
    """A value holds until the next scan, at most a period later. Between two kept readings the sums differ by the limit at most."""
    report_filter, now = ReportFilter([ReportRule(True, band, 0, deadband_integral=limit)] * 3), 1_000
    kept, true, reckoned = row[0], 0.0, 0.0
    for value, early_ms in zip(row, less, strict=False):
        if report_filter.apply(Scan(GROUP, [value, 0.0, 0.0], now)) is not None:
            kept, true, reckoned = value, 0.0, 0.0
        dt = GROUP.period_ms - early_ms
        now, true, reckoned = now + dt, true + value * dt / 1000, reckoned + kept * dt / 1000
        assert abs(true - reckoned) <= limit * (1 + 1e-9) + 1e-9
        assert not band or abs(value - kept) <= band


def test_an_integral_is_kept_seldom_where_little_is_missed_and_often_where_much_is() -> None:
    def kept(by: float) -> int:
        report_filter = ReportFilter([ReportRule(True, 0.0, 0, deadband_integral=10.0)] * 3)
        return sum(report_filter.apply(Scan(GROUP, [by * i, 0.0, 0.0], 1_000 + 100 * i)) is not None for i in range(1000))

    assert kept(0.0) == 1
    assert 1 < kept(0.001) < kept(0.1) < kept(10) < 1000


def test_a_quiet_subscription_with_an_integral_is_kept_when_its_difference_lasts() -> None:
    report_filter = ReportFilter([ReportRule(True, 0.0, 0, deadband_integral=1.01)] * 3)
    assert report_filter.apply(Scan(GROUP, [5.0, 0.0, 0.0], 0)) is not None
    assert report_filter.apply(Scan(GROUP, [5.5, None, None], 100, present=[True, False, False])) is None
    found = [at for at in range(200, 10_000, 100) if report_filter.repeat(Scan(GROUP, [5.5, 0.0, 0.0], at)) is not None]
    assert found == [2_100], "0.5 for 2 s, and what the next period would add"
