"""What it costs to make values of a block's bytes, against pymodbus' `convert_from_registers` on the same registers in the same run.

    python benchmarks/poll_decode.py [--pairs 7] [--json]

Ours is the decoder of a planned block: from an answer's bytes to values, scaled, in the order of the block. Theirs is the conversion of
registers that it has as numbers already, not scaled, in the way that asks least of it: one call for the whole block where all its tags
have one type; one for each tag in the mixed map, with the type of as many registers where pymodbus has no such type. Answers differ from
one decoding to the next, and clocks tick by a second. Sides run in turn, `pairs` times; medians are printed.

JSON keys:
  decode_ratio   the worst of `decode_required`. Must <= 0.10
  decode_required  map -> ratio: plain, int16 with a decimal scale, float32 with linear scales, and the map of all types mixed
  decode_others  map -> ratio of what is shown besides; `mixed_to_scan` ends with the scan's columns in tag order (`Layout.scan`)
  decode_ns      map -> ours, CPU nanoseconds per tag
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

sys.path.insert(0, str(Path(__file__).parents[1]))

from pymodbus.client.mixin import ModbusClientMixin

from drivers.modbus.address import Address, flag_kinds, float_kinds, part_kinds, time_kinds
from drivers.modbus.config import DeviceOptions
from drivers.modbus.cost import Cost
from drivers.modbus.encode import encode_registers
from drivers.modbus.layout import Layout
from drivers.modbus.missing import bounds
from drivers.modbus.planner import Rules, plan_blocks
from drivers.modbus.tag_options import Kind, parse_address
from drivers.reading import Tag, TagGroup, Value

ANSWERS, ROUNDS = 40, 10
TYPES = ModbusClientMixin.DATATYPE
THEIRS = {"string": TYPES.STRING, 1: TYPES.UINT16, 2: TYPES.UINT32, 4: TYPES.UINT64}
convert = ModbusClientMixin.convert_from_registers


def uniform(data: str, count: int, *scalings: dict[str, Any]) -> list[Address]:
    """Return as many tags of one type as fill a request, with the scalings in turn."""
    step = parse_address({"address": "holding:0", "data": data}).count
    scaled = scalings or ({},)
    return [parse_address({"address": f"holding:{n * step}", "data": data, **scaled[n % len(scaled)]}) for n in range(count)]


def one_of_each(kinds: Sequence[str]) -> list[Address]:
    """Return a tag of each type, in all four orders by turns, scaled as such a tag would be."""
    made: list[Address] = []
    at = 0
    for n, kind in enumerate(kinds):
        raw: dict[str, Any] = {"address": f"holding:{at}", "data": kind}
        raw |= {"byte_order": ("big", "little")[n % 2], "word_order": ("big", "little")[n // 2 % 2]}
        raw |= {"length": 8} if kind == "string" else {"parts": "YMDhms"} if kind in part_kinds else {}
        raw |= {"bit": 3, "bit_count": 4} if kind in ("bits32", "bits64") else {"bit": 5} if kind == "bits" else {}
        if kind not in (*flag_kinds, *time_kinds, "string"):
            raw |= ({}, {"scale": 0.1}, {"scale": 0.01}, {"scale": 0.25, "offset": 3.0})[n % 4]
        made.append(parse_address(raw))
        at += made[-1].count
    return made


def some_value(address: Address, tick: int, dice: random.Random) -> Value:
    """Return a value that the address can hold, so that no decoding fails."""
    if address.kind == "string":
        return "".join(dice.choices("abcdefgh 0123", k=12)).strip()
    if address.kind in time_kinds:
        return f"2026-03-01T23:59:{tick % 60:02}Z"
    if address.kind in float_kinds:
        return dice.uniform(-500, 500)
    low, high = bounds(address.kind)
    return float(address.scaling.apply(dice.randint(low, high) // 2))


def answers_for(addresses: list[Address], dice: random.Random) -> list[bytes]:
    """Return answers with different values in every tag."""
    made = []
    for tick in range(ANSWERS):
        registers = [dice.randrange(65536) for _ in range(addresses[-1].start + addresses[-1].count)]
        for address in addresses:
            if address.kind in flag_kinds or address.written_by_mask:
                continue
            registers[address.start : address.start + address.count] = encode_registers(address, some_value(address, tick, dice))
        made.append(struct.pack(f">{len(registers)}H", *registers))
    return made


def ours(addresses: list[Address], raws: list[bytes], *, to_scan: bool) -> Callable[[], None]:
    """Return what decodes every answer once."""
    group = TagGroup(1, "d", "g", 1000, tuple(Tag(n, f"t{n}", "d", "int", "", a) for n, a in enumerate(addresses)))
    layout = Layout(group, DeviceOptions(host="plc"))
    arrangement = layout.arrange(plan_blocks(layout.spans, Rules(Cost(1000, 1.0, 0))), {})
    scan, (block,) = layout.scan, arrangement.reads
    if any(value is None for raw in raws for value in scan(arrangement, [raw], 0).values):
        raise ValueError("a benchmark that decodes rubbish measures something else")

    decode = block.decoder.decode  # compiled by the scans above

    def whole_way() -> None:
        for raw in raws:
            scan(arrangement, [raw], 0)

    def run() -> None:
        for raw in raws:
            decode(raw, {})

    return whole_way if to_scan else run


def theirs(addresses: list[Address], raws: list[bytes]) -> Callable[[], None]:
    """Return what converts every answer once."""
    blocks = [list(struct.unpack(f">{len(raw) // 2}H", raw)) for raw in raws]
    kinds = {address.kind for address in addresses}
    if len(kinds) == 1 and (kind := getattr(TYPES, addresses[0].kind.upper(), None)) is not None:

        def whole() -> None:
            for registers in blocks:
                convert(registers, kind)

        return whole
    plan = [(slice(a.start, a.start + a.count), THEIRS.get(a.kind) or THEIRS.get(a.count, TYPES.UINT16)) for a in addresses]

    def each() -> None:
        for registers in blocks:
            for cut, of_type in plan:
                convert(registers[cut], of_type)

    return each


def cost(run: Callable[[], None], tags: int, rounds: int) -> float:
    """Return CPU nanoseconds per tag."""
    started = time.process_time_ns()
    for _ in range(rounds):
        run()
    return (time.process_time_ns() - started) / rounds / ANSWERS / tags


def measure(pairs: int = 7) -> dict[str, Any]:
    """Measure every map and print a line for each."""
    linear = ({"scale": 0.25, "offset": 3.0}, {"scale": 1.7, "offset": -4.0}, {"scale": 0.3})
    required = {
        "plain": uniform("int16", 124),
        "int16_decimal": uniform("int16", 124, {"scale": 0.1}),
        "float32_linear": uniform("float32", 62, *linear),
        "mixed": one_of_each(get_args(Kind)),
    }
    others = {
        "float32": uniform("float32", 62),
        "int32": uniform("int32", 62),
        "int16_decimal_offset": uniform("int16", 124, {"scale": 0.1, "offset": -40.0}),
        "int16_linear": uniform("int16", 124, *linear),
        "int16_missing": uniform("int16", 124, {"missing": "sunspec"}),
        "mixed_to_scan": one_of_each(get_args(Kind)),
        "clocks": one_of_each(time_kinds),
    }
    dice, ratios, ns = random.Random(20261125), {}, {}
    for name, addresses in (required | others).items():
        raws = answers_for(addresses, dice)
        mine, other, tags = ours(addresses, raws, to_scan=name.endswith("to_scan")), theirs(addresses, raws), len(addresses)
        rows = [(a := cost(mine, tags, ROUNDS * 4), a / cost(other, tags, ROUNDS)) for _ in range(pairs)]
        ns[name], ratios[name] = round(statistics.median(row[0] for row in rows), 1), round(statistics.median(row[1] for row in rows), 4)
        print(f"{name}: {len(addresses)} tags, {ns[name]} ns per tag, {ratios[name]} of convert_from_registers")
    chosen = {name: ratios[name] for name in required}
    shown = {name: ratios[name] for name in others}
    return {"decode_ratio": max(chosen.values()), "decode_required": chosen, "decode_others": shown, "decode_ns": ns}


def main() -> None:
    """Measure, and with --json print the figures as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measure(options.pairs)
    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
