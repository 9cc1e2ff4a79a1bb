"""The layout of a group: answers become columns in tag order, whatever was split, postponed or refused."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.config import DeviceOptions
from drivers.modbus.layout import Layout
from drivers.modbus.tag_options import parse_address
from drivers.reading import Status, Tag, TagGroup

options = DeviceOptions(host="plc")


def holding(*starts: int) -> TagGroup:
    tags = tuple(Tag(n, f"t{n}", "dev", "int", "", parse_address({"address": f"holding:{start}"})) for n, start in enumerate(starts))
    return TagGroup(1, "dev", "g", 100, tags)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=40), st.data())
def test_columns_stand_in_tag_order_after_any_history(starts: list[int], data: st.DataObject) -> None:
    layout = Layout(holding(*starts), options)
    missing = data.draw(st.sets(st.sampled_from(starts), max_size=3))
    for _ in range(300):  # a device whose holes answer exception 2: refuse until only readable blocks are left
        refused = [i for i, b in enumerate(layout.blocks) if missing & set(range(b.block.start, b.block.start + b.block.count))]
        if not refused:
            break
        layout.refuse(refused[0], Status.BAD_CONFIGURATION_ERROR)
        if layout.blocks and data.draw(st.booleans()):
            layout.postpone(0)
    lost = data.draw(st.sets(st.integers(0, max(0, len(layout.blocks) - 1)), max_size=2)) if layout.blocks else set()
    answers: list[bytes | int] = []
    dark = set()
    for i, read in enumerate(layout.blocks):
        block = read.block
        answers.append(Status.BAD_TIMEOUT if i in lost else struct.pack(f">{block.count}H", *range(block.start, block.start + block.count)))
        dark |= {span.index for span in block.spans} if i in lost else set()
    scan = layout.scan(answers, 5)
    for n, start in enumerate(starts):
        status = scan.statuses[n] if scan.statuses else 0
        if start in missing:
            assert (scan.values[n], status) == (None, Status.BAD_CONFIGURATION_ERROR)
        elif n in dark:
            assert (scan.values[n], status) == (None, Status.BAD_TIMEOUT)
        else:
            assert (scan.values[n], status) == (start, 0)


def test_bytes_that_mean_nothing_are_a_decoding_error_of_that_tag_only() -> None:
    tags = (
        Tag(0, "bcd", "dev", "int", "", parse_address({"address": "holding:0", "data": "bcd16"})),
        Tag(1, "plain", "dev", "int", "", parse_address({"address": "holding:1"})),
    )
    scan = Layout(TagGroup(1, "dev", "g", 100, tags), options).scan([b"\xaa\xaa\x00\x07"], 5)
    assert scan.values == [None, 7]
    assert scan.statuses == [Status.BAD_DECODING_ERROR, 0]
