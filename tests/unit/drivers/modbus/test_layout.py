"""The layout of a group: answers become columns in tag order, whatever was split, postponed, refused or read twice."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.config import DeviceOptions
from drivers.modbus.cost import Cost
from drivers.modbus.layout import Answer, Layout, ReadBlock
from drivers.modbus.planner import Rules, plan_blocks
from drivers.modbus.tag_options import parse_address
from drivers.reading import Status, Tag, TagGroup

options = DeviceOptions(host="plc")


def holding(*starts: int) -> TagGroup:
    tags = tuple(Tag(n, f"t{n}", "dev", "int", "", parse_address({"address": f"holding:{start}"})) for n, start in enumerate(starts))
    return TagGroup(1, "dev", "g", 100, tags)


def answer(read: ReadBlock) -> bytes:
    return struct.pack(f">{read.block.count}H", *range(read.block.start, read.block.end))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=40), st.integers(0, 40), st.data())
def test_columns_stand_in_tag_order_in_any_arrangement(starts: list[int], gap: int, data: st.DataObject) -> None:
    layout = Layout(holding(*starts), options)
    missing = data.draw(st.sets(st.sampled_from(starts), max_size=3))
    unreadable = {span.index: int(Status.BAD_CONFIGURATION_ERROR) for span in layout.spans if span.start in missing}
    blocks = plan_blocks([span for span in layout.spans if span.index not in unreadable], Rules(Cost(100, 1.0, 0), gap_max=gap))
    arrangement = layout.arrange(data.draw(st.permutations(blocks)), unreadable)
    lost = data.draw(st.sets(st.sampled_from(range(len(blocks))), max_size=2)) if blocks else set()
    answers: list[Answer] = [int(Status.BAD_TIMEOUT) if i in lost else answer(read) for i, read in enumerate(arrangement.reads)]
    dark = {span.index for i in lost for span in arrangement.reads[i].block.spans}
    scan = layout.scan(arrangement, answers, 5)
    for n, start in enumerate(starts):
        status = scan.statuses[n] if scan.statuses else 0
        if start in missing:
            assert (scan.values[n], status) == (None, Status.BAD_CONFIGURATION_ERROR)
        elif n in dark:
            assert (scan.values[n], status) == (None, Status.BAD_TIMEOUT)
        else:
            assert (scan.values[n], status) == (start, 0)
    pieces = data.draw(st.permutations(list(zip(arrangement.reads, answers, strict=True))))
    again = layout.scan_of(pieces, unreadable, 5)
    assert (again.values, again.statuses) == (scan.values, scan.statuses)


def test_data_counts_where_a_block_failed_and_came_in_pieces() -> None:
    layout = Layout(holding(1, 2, 3), options)
    whole, first, second = (layout.compile(block) for block in (
        *plan_blocks(layout.spans, Rules(Cost(100, 1.0, 0))), *plan_blocks(layout.spans, Rules(Cost(100, 1.0, 0), registers_max=2))
    ))  # fmt: skip
    scan = layout.scan_of([(first, answer(first)), (whole, int(Status.BAD_TIMEOUT))], {}, 5)
    given = {span.index for span in first.block.spans}
    assert scan.values == [n + 1 if n in given else None for n in range(3)]
    assert scan.statuses == [0 if n in given else Status.BAD_TIMEOUT for n in range(3)]
    assert layout.scan_of([(first, answer(first))], {}, 5).statuses == [0 if n in given else Status.BAD_NO_COMMUNICATION for n in range(3)]
    assert layout.scan_of([(first, answer(first)), (second, answer(second))], {}, 5).statuses is None


def test_bytes_that_mean_nothing_are_a_decoding_error_of_that_tag_only() -> None:
    tags = (
        Tag(0, "bcd", "dev", "int", "", parse_address({"address": "holding:0", "data": "bcd16"})),
        Tag(1, "plain", "dev", "int", "", parse_address({"address": "holding:1"})),
    )
    layout = Layout(TagGroup(1, "dev", "g", 100, tags), options)
    arrangement = layout.arrange(plan_blocks(layout.spans, Rules(Cost(100, 1.0, 0))), {})
    scans = layout.scan(arrangement, [b"\xaa\xaa\x00\x07"], 5), layout.scan_of([(arrangement.reads[0], b"\xaa\xaa\x00\x07")], {}, 5)
    for scan in scans:
        assert scan.values == [None, 7]
        assert scan.statuses == [Status.BAD_DECODING_ERROR, 0]
