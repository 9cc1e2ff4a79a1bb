"""The bus time that a device's groups take once its map is known: what a plan costs before anything is asked.

Room: ground, driver `modbus`; pure. `factory.py` calls it for the runtime, which adds up the devices on one line.
"""

from __future__ import annotations

from collections.abc import Sequence

from drivers.load import Addresses, GroupLoad, LineLoad
from drivers.modbus.config import DeviceOptions, is_serial
from drivers.modbus.cost import line_cost
from drivers.modbus.end_point import line_of
from drivers.modbus.layout import Layout
from drivers.modbus.learned import LearnedMap
from drivers.modbus.planner import plan_blocks
from drivers.reading import Tag, TagGroup


def line_load(options: DeviceOptions, groups: Sequence[Addresses]) -> LineLoad:
    """Return the load of a device's groups, each by the best plan that there may be: holes that turn out closed cost more."""
    line = line_of(options)
    rules = LearnedMap().rules(options, hopeful=True)
    cost = line_cost(options)
    loads = []
    for addresses in groups:
        tags = tuple(Tag(n, "", "", "int", "", address) for n, address in enumerate(addresses))
        blocks = plan_blocks(Layout(TagGroup(0, "", "", 1, tags), options).spans, rules)
        least_us = round(sum(cost.least(block.table, block.count) for block in blocks))
        pauses_us = round(options.turnaround_ms * 1000) * len(blocks)
        usual_us = round(sum(cost.of(block.table, block.count) for block in blocks))
        loads.append(GroupLoad(len(blocks), least_us + pauses_us, usual_us + pauses_us))
    main = line.points[0]
    name = main.serial_port or f"{main.host}:{main.port}"
    return LineLoad(line.key, name, is_serial(options.transport), tuple(loads))
