"""The planner: as cheap as the best of all partitions, every value covered once, no limit, hole or barrier ignored, no value cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.address import bit_tables
from drivers.modbus.config import DeviceOptions
from drivers.modbus.cost import Cost, bits_max, line_cost, longest_request
from drivers.modbus.planner import Block, Rules, Span, block_of, plan_blocks, split_block

cheap_requests = Cost(10, 5.0, 0)
dear_requests = Cost(20_000, 1.0, 0)
costs = st.sampled_from([cheap_requests, dear_requests, Cost(60, 5.0, 0), Cost(0, 1.0, 0)])


@st.composite
def span_lists(draw: st.DrawFn, most: int = 60, highest: int = 600) -> list[Span]:
    spans = []
    for index in range(draw(st.integers(1, most))):
        table = draw(st.sampled_from(["coil", "discrete", "holding", "input"]))
        count = 1 if table in bit_tables else draw(st.sampled_from([1, 1, 2, 4, 7]))
        spans.append(Span(table, draw(st.integers(0, highest)), count, index))
    return spans


@st.composite
def small_maps(draw: st.DrawFn) -> tuple[list[Span], Rules]:
    """At most seven values in 40 registers of one table, so that every partition can be tried."""
    spans = [Span("holding", draw(st.integers(0, 36)), draw(st.sampled_from([1, 1, 2, 4])), n) for n in range(draw(st.integers(1, 7)))]
    allowed = draw(st.integers(0, 2**40 - 1))
    pairs = draw(st.lists(st.tuples(st.integers(0, 38), st.integers(2, 20)), max_size=3))
    rules = Rules(
        draw(costs),
        registers_max=draw(st.integers(4, 40)),
        gap_max=draw(st.integers(0, 30)),
        barriers={"holding": [pair for start, length in pairs if not inside(pair := (start, start + length), spans)]},
        may_cross=lambda _, start, end: all(allowed >> n & 1 for n in range(start, end)),
    )
    return spans, rules


def inside(barrier: tuple[int, int], spans: Sequence[Span]) -> bool:
    """Whether one value alone contains the barrier: it is unreadable, and not planned."""
    return any(span.start <= barrier[0] and barrier[1] <= span.end for span in spans)


def partitions(spans: Sequence[Span]) -> Iterator[list[list[Span]]]:
    if not spans:
        yield []
        return
    first, rest = spans[0], spans[1:]
    for parts in partitions(rest):
        yield [[first], *parts]
        for at in range(len(parts)):
            yield [*parts[:at], [first, *parts[at]], *parts[at + 1 :]]


def holes(spans: Sequence[Span], start: int, end: int) -> list[tuple[int, int]]:
    wanted = {n for span in spans for n in range(span.start, span.end)}
    found: list[tuple[int, int]] = []
    for n in range(start, end):
        if n not in wanted:
            if found and found[-1][1] == n:
                found[-1] = (found[-1][0], n + 1)
            else:
                found.append((n, n + 1))
    return found


def allowed(block: Block, spans: Sequence[Span], rules: Rules) -> bool:
    table, cross = block.table, rules.may_cross
    gap_max = rules.gap_max * (16 if table in bit_tables else 1)
    if len({(s.start, s.count) for s in block.spans}) == 1:
        return block.count <= rules.limit(table)
    return (
        block.count <= rules.limit(table)
        and not any(block.start <= start and end <= block.end for start, end in rules.barriers.get(table, ()))
        and all(
            end - start <= gap_max and (cross is None or cross(table, start, end)) for start, end in holes(spans, block.start, block.end)
        )
    )


@settings(max_examples=300, deadline=None)
@given(small_maps())
def test_no_partition_is_cheaper(case: tuple[list[Span], Rules]) -> None:
    spans, rules = case
    plan = plan_blocks(spans, rules)
    best = min(
        (sum(rules.cost.of_ns(b.table, b.count) for b in blocks), len(blocks))
        for blocks in ([block_of(sorted(part)) for part in parts] for parts in partitions(spans))
        if all(allowed(block, spans, rules) for block in blocks)
    )
    assert (sum(rules.cost.of_ns(b.table, b.count) for b in plan), len(plan)) == best
    assert all(allowed(block, spans, rules) for block in plan)


@settings(max_examples=150, deadline=None)
@given(span_lists(), st.integers(7, 125), st.integers(0, 40), costs)
def test_plan_covers_every_span_once_within_limits(spans: list[Span], registers: int, gap: int, cost: Cost) -> None:
    rules = Rules(cost, registers_max=registers, gap_max=gap)
    blocks = plan_blocks(spans, rules)
    assert sorted(s for b in blocks for s in b.spans) == sorted(spans)
    for block in blocks:
        same_table = [span for span in spans if span.table == block.table]
        assert {span.table for span in block.spans} == {block.table}
        assert block.start == min(s.start for s in block.spans)
        assert block.end == max(s.end for s in block.spans)
        assert allowed(block, same_table, rules)


@settings(max_examples=150, deadline=None)
@given(span_lists())
def test_splitting_ends_at_indivisible_blocks_and_loses_nothing(spans: list[Span]) -> None:
    todo = plan_blocks(spans, Rules(dear_requests))
    leaves = []
    while todo:
        block = todo.pop()
        halves = split_block(block)
        if halves is None:
            assert len({(s.start, s.count) for s in block.spans}) == 1
            leaves.append(block)
        else:
            assert halves[0].spans + halves[1].spans == block.spans
            todo += halves
    assert sorted(s for b in leaves for s in b.spans) == sorted(spans)


def test_a_long_run_is_cut_as_seldom_as_it_can_be() -> None:
    blocks = plan_blocks([Span("holding", n, 1, n) for n in range(126)], Rules(dear_requests, gap_max=0))
    assert len(blocks) == 2
    assert sum(block.count for block in blocks) == 126


def test_a_hole_is_read_over_when_that_is_cheaper_than_a_request() -> None:
    spans = [Span("holding", 0, 1, 0), Span("holding", 11, 1, 1)]  # ten registers of hole, 2 bytes each
    assert len(plan_blocks(spans, Rules(Cost(99, 5.0, 0)))) == 2
    assert len(plan_blocks(spans, Rules(Cost(101, 5.0, 0)))) == 1


def test_greedy_merging_would_have_needed_more() -> None:
    # From the left, 0..9 and 11..16 fill a request of 17, and 18..27 and 29..34 another: what a hole costs decides where to cut.
    rows = [(0, 10), (11, 17), (18, 28), (60, 61)]
    spans = [Span("holding", start, 1, 0) for a, b in rows for start in range(a, b)]
    blocks = plan_blocks(spans, Rules(Cost(100, 5.0, 0), registers_max=17))
    assert [b.end - b.start for b in blocks] in ([17, 10, 1], [10, 17, 1])


def test_a_slow_line_reads_over_less_and_asks_for_less() -> None:
    slow = DeviceOptions(transport="rtu", serial_port="/dev/ttyS1", baud=1200)
    fast = DeviceOptions(transport="rtu", serial_port="/dev/ttyS1", baud=115200)
    spans = [Span("holding", 0, 1, 0), Span("holding", 40, 1, 1)]
    assert len(plan_blocks(spans, Rules(line_cost(slow)))) == 2
    assert len(plan_blocks(spans, Rules(line_cost(fast)))) == 1
    registers, bits = longest_request(slow)
    assert line_cost(slow).least("holding", registers) <= 500_000 < line_cost(slow).least("holding", registers + 1)
    assert bits < bits_max
    assert longest_request(fast) == (125, 2000)


def test_the_time_on_a_serial_line_is_that_of_its_characters() -> None:
    # 8 bytes asked, 5 + 2 * 10 answered, 11 bits each, twice 3.5 characters of silence at 9600 baud
    cost = line_cost(DeviceOptions(transport="rtu", serial_port="/dev/ttyS1", baud=9600))
    assert cost.least("holding", 10) == pytest.approx((33 + 7) * 11 / 9600 * 1e6, abs=2)
    assert cost.least("coil", 9) == cost.least("holding", 1)


def test_a_split_goes_through_the_widest_hole() -> None:
    block = plan_blocks([Span("holding", n, 1, i) for i, n in enumerate((0, 1, 3, 20, 21, 22, 23))], Rules(dear_requests))[0]
    halves = split_block(block)
    assert halves is not None
    assert [(b.start, b.count) for b in halves] == [(0, 4), (20, 4)]


def test_a_value_longer_than_a_request_is_a_fault_of_the_config() -> None:
    with pytest.raises(ValueError, match="16 registers"):
        plan_blocks([Span("holding", 0, 16, 0)], Rules(dear_requests, registers_max=10))
