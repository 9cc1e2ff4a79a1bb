"""The figures of EEMUA 191, reckoned by hand beside them."""

from __future__ import annotations

from runtime.alarms.metrics import PERIOD_MS, Raise, chattering_names, figures

MINUTE = 60_000


def test_figures_of_a_known_day() -> None:
    hour = [Raise("a", PERIOD_MS + i * 1000, "low") for i in range(11)]  # one flood in the second period
    hour += [Raise("b", 5 * PERIOD_MS + i * MINUTE, "high") for i in range(2)]
    found = figures(hour, [("old", 0), ("new", 3_500_000)], 0, 6 * PERIOD_MS)
    assert (found["count"], found["average"], found["most"], found["flood_share"]) == (13, 2.167, 11, 0.1667)
    assert found["top"] == [["a", 11], ["b", 2]]
    assert found["top_share"] == 1.0
    assert (found["chattering"], found["stale"]) == (["a"], [])
    assert found["priorities"] == {"low": 0.8462, "medium": 0.0, "high": 0.1538}
    assert figures([], [("old", 0)], 0, 86_400_001)["stale"] == [["old", 0]]


def test_nothing_happened() -> None:
    found = figures([], [], 0, 86_400_000)
    assert (found["count"], found["average"], found["flood_share"], found["top_share"], found["chattering"]) == (0, 0, 0, 0, [])


def test_chattering_is_three_within_a_minute() -> None:
    slow = [Raise("slow", i * 30_000, "low") for i in range(10)]
    fast = [Raise("fast", i * 29_999, "low") for i in range(3)]
    assert chattering_names(sorted(slow + fast, key=lambda each: each.at_ms)) == ["fast"]
