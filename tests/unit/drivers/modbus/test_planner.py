"""The block planner: every value covered exactly once, no request over its limit, no value cut, one table per request."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.address import bit_tables
from drivers.modbus.planner import Block, Span, bits_max, plan_blocks, split_block


@st.composite
def span_lists(draw: st.DrawFn) -> list[Span]:
    spans = []
    for index in range(draw(st.integers(1, 60))):
        table = draw(st.sampled_from(["coil", "discrete", "holding", "input"]))
        count = 1 if table in bit_tables else draw(st.sampled_from([1, 1, 2, 4, 7]))
        spans.append(Span(table, draw(st.integers(0, 600)), count, index))
    return spans


def check(block: Block, max_registers: int, max_gap: int) -> None:
    bits = block.table in bit_tables
    assert 1 <= block.count <= (bits_max if bits else max_registers)
    assert block.start == min(s.start for s in block.spans)
    assert block.start + block.count == max(s.end for s in block.spans)
    assert all(s.table == block.table for s in block.spans)
    wanted = {n for s in block.spans for n in range(s.start, s.end)}
    hole = 0
    for n in range(block.start, block.start + block.count):
        hole = 0 if n in wanted else hole + 1
        assert hole <= max_gap * (16 if bits else 1)


@settings(max_examples=150, deadline=None)
@given(span_lists(), st.integers(7, 125), st.integers(0, 40))
def test_plan_covers_every_span_once_within_limits(spans: list[Span], max_registers: int, max_gap: int) -> None:
    blocks = plan_blocks(spans, max_registers, max_gap)
    assert sorted(s for b in blocks for s in b.spans) == sorted(spans)
    for block in blocks:
        check(block, max_registers, max_gap)


@settings(max_examples=150, deadline=None)
@given(span_lists())
def test_splitting_ends_at_indivisible_blocks_and_loses_nothing(spans: list[Span]) -> None:
    todo = plan_blocks(spans, 125, 40)
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


def test_greedy_plan_is_small() -> None:
    # 125 + 1 registers in a row: two requests, the second starting right where the first ended
    blocks = plan_blocks([Span("holding", n, 1, n) for n in range(126)], 125, 0)
    assert [(b.start, b.count) for b in blocks] == [(0, 125), (125, 1)]


def test_a_split_goes_through_the_widest_hole() -> None:
    block = plan_blocks([Span("holding", n, 1, i) for i, n in enumerate((0, 1, 3, 20, 21, 22, 23))], 125, 32)[0]
    halves = split_block(block)
    assert halves is not None
    assert [(b.start, b.count) for b in halves] == [(0, 4), (20, 4)]


def test_a_value_longer_than_a_request_is_a_fault_of_the_config() -> None:
    with pytest.raises(ValueError, match="16 registers"):
        plan_blocks([Span("holding", 0, 16, 0)], 10, 0)
