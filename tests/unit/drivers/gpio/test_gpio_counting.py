"""Counts and rates against plain arithmetic, with edges lost on the way; debounce against a model that knows the whole story."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.gpio.chip import Edge
from drivers.gpio.counting import PulseCount, kept_max
from drivers.gpio.debounce import Debounce

MS = 1_000_000
SECOND = 1000 * MS


def train(gaps_ms: list[int], first: int = 1, level: bool = True) -> list[Edge]:
    """Edges that alternate, numbered from `first`."""
    edges, at_ns = [], 0
    for n, gap in enumerate(gaps_ms):
        at_ns += gap * MS
        edges.append(Edge(level == (n % 2 == 0), at_ns, (first + n) % (1 << 32)))
    return edges


@given(
    st.lists(st.integers(1, 50), min_size=2, max_size=60),
    st.sampled_from(["on", "off", "both"]),
    st.data(),
    st.sampled_from([1, (1 << 32) - 5]),
)
def test_edges_that_were_lost_between_others_are_counted_all_the_same(gaps: list[int], counted, data, first: int) -> None:
    edges = train(gaps, first)
    kept = [*(edge for edge in edges[:-1] if data.draw(st.booleans())), edges[-1]]
    count = PulseCount(counted, 7, 0, level=False)
    count._number = (first - 1) % (1 << 32)
    lost = sum(count.take(edge, "both") for edge in kept)
    wanted = sum(counted == "both" or edge.is_on == (counted == "on") for edge in edges)
    assert count.total == 7 + wanted
    assert lost == count.lost == len(edges) - len(kept)
    assert not count.is_doubtful


def test_lost_edges_of_the_only_kind_that_is_watched_all_count() -> None:
    count = PulseCount("on", 0, 0)
    for number in (1, 2, 491):
        count.take(Edge(is_on=True, at_ns=number * MS, number=number), "on")
    assert (count.total, count.lost, count.is_doubtful) == (491, 488, False)


def test_two_edges_of_a_kind_of_which_none_was_lost_are_doubtful_where_one_kind_counts() -> None:
    for counted, first, doubtful in (("on", True, False), ("on", False, True), ("both", False, False)):
        count = PulseCount(counted, 0, 0, level=True)  # type: ignore[arg-type]
        count.take(Edge(is_on=first, at_ns=1, number=1), "both")  # may have come before its level was asked for
        assert not count.is_doubtful
        count.take(Edge(is_on=False, at_ns=2, number=2), "both")  # a pulse that was over when its first edge was looked at
        assert count.is_doubtful is doubtful, counted


def test_lost_edges_that_did_not_alternate_are_doubtful() -> None:
    count = PulseCount("on", 0, 0)
    count.take(Edge(is_on=True, at_ns=1, number=1), "both")
    count.take(Edge(is_on=True, at_ns=2, number=4), "both")  # two between two of a kind: one of them was a repetition
    assert (count.total, count.is_doubtful) == (3, True)


def test_numbers_that_begin_anew_are_no_loss() -> None:
    count = PulseCount("on", 0, 0)
    count._number = 899
    for number in (900, 1, 2):
        assert count.take(Edge(is_on=True, at_ns=number, number=number), "on") == 0
    assert count.total == 3


@given(st.integers(1, 400), st.integers(2, 3000))
def test_a_steady_train_has_its_rate_and_a_late_edge_lowers_it(period_ms: int, edges: int) -> None:
    count = PulseCount("on", 0, 0)
    for n in range(edges):
        count.take(Edge(is_on=True, at_ns=n * period_ms * MS, number=n), "on")
    last_ns = (edges - 1) * period_ms * MS
    window_ns = max(10 * SECOND, 3 * period_ms * MS)
    rate = count.rate(last_ns, window_ns)
    assert rate is not None
    assert abs(rate - 1000 / period_ms) < 1e-6 * rate
    late = count.rate(last_ns + 2 * period_ms * MS, window_ns)
    assert late is not None
    assert late < rate
    assert count.rate(last_ns + window_ns + period_ms * MS, window_ns) == 0.0
    assert len(count._times) <= kept_max


def test_a_rate_is_not_known_before_its_window_is_over() -> None:
    count = PulseCount("on", 0, 100 * SECOND)
    assert count.rate(104 * SECOND, 5 * SECOND) is None
    count.take(Edge(is_on=True, at_ns=104 * SECOND, number=1), "on")
    assert count.rate(104 * SECOND, 5 * SECOND) is None
    assert count.rate(105 * SECOND, 5 * SECOND) == 0.0
    count.take(Edge(is_on=True, at_ns=106 * SECOND, number=2), "on")
    assert count.rate(106 * SECOND, 5 * SECOND) == 0.5


def debounced(edges: list[Edge], period_ns: int, until_ns: int) -> list[Edge]:
    """The model: a change counts when no edge follows it within the period and the level is another one than before."""
    level, found = False, []
    for edge, after in zip(edges, [*edges[1:], Edge(False, until_ns, None)], strict=True):
        if after.at_ns - edge.at_ns >= period_ns and edge.is_on != level:
            level = edge.is_on
            found.append(Edge(level, edge.at_ns, None))
    return found


@given(st.lists(st.integers(1, 12), min_size=1, max_size=60), st.integers(1, 10))
def test_a_level_counts_when_it_has_stayed(gaps: list[int], period_ms: int) -> None:
    edges = train(gaps)
    end_ns = edges[-1].at_ns + 100 * MS
    line = Debounce(period_ms * MS, level=False)
    found = [settled for edge in edges for settled in line.take(edge)] + line.settle(end_ns)
    assert found == debounced(edges, period_ms * MS, end_ns)
    assert line.due_ns is None


def test_an_edge_that_says_what_was_so_already_is_no_change() -> None:
    line = Debounce(5 * MS, level=False)
    assert line.take(Edge(is_on=True, at_ns=0, number=None)) == []
    assert line.take(Edge(is_on=True, at_ns=3 * MS, number=None)) == []  # it went low unseen: the time begins anew
    assert line.settle(6 * MS) == []
    assert line.settle(8 * MS) == [Edge(is_on=True, at_ns=3 * MS, number=None)]
    assert line.take(Edge(is_on=True, at_ns=20 * MS, number=None)) == []
    assert line.due_ns is None
