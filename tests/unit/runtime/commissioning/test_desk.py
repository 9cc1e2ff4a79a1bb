"""Whatever a face sends to the desk, the answer is data or one worded refusal, and a device is asked within bounds."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger_client import cbor
from ledger_client.disk import RealDisk
from runtime.bus_budget import accept_config
from runtime.commissioning.desk import Desk
from runtime.commissioning.looks import new_case
from runtime.commissioning.methods import ACTION_OF
from runtime.faces.feed import RequestRefusedError, Session
from runtime.layout import Layout
from runtime.messages.catalogue import catalogue
from runtime.revisions import Revision
from tests.rigs.clock import StillClock

TEXT = """[gateway]
name = "g"
commissioning = true
[devices.meter]
type = "modbus"
host = "127.0.0.1"
port = 9
[[devices.meter.groups]]
name = "fast"
period_ms = 1000
tags = [{ name = "u", address = "holding:0" }]
"""
FEW = 1000 if os.environ.get("WITNESSMARK_TEST_SIZE") == "full" else 30
"""Examples of what takes long."""
SESSION = Session("web", 0)


class Registers:
    """A polled line whose units hold their own addresses."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int]] = []

    async def registers(self, device: str, table: str, start: int, count: int, deadline_s: float) -> dict[int, int]:
        self.asked.append((table, start, count))
        return {at: at & 0xFFFF for at in range(start, start + count)}

    async def probe(self, device: str, unit: int, table: str, start: int, count: int, deadline_s: float) -> dict[int, int]:
        return await self.registers(device, table, start, count, deadline_s)

    async def identify(self, device: str, unit: int | None, deadline_s: float) -> dict[str, str]:
        return {}


def answered(method: str, params: dict[str, Any]) -> tuple[str, Registers]:
    """Return the code of the refusal, `ok` for an answer that the feed can carry."""
    field = Registers()
    revision = Revision(1, 0, TEXT, accept_config(TEXT).config)

    async def run() -> str:
        with ThreadPoolExecutor(1) as work, tempfile.TemporaryDirectory() as folder:
            layout = Layout(Path(folder))
            desk = Desk(field, RealDisk(), layout, StillClock(), work, lambda: revision, lambda: {"meter/u": 1}, lambda *_: None)
            try:
                cbor.encode(await desk.answer(SESSION, method, params))
            except RequestRefusedError as refused:
                cbor.encode(refused.params)
                return refused.code
            return "ok"

    code = asyncio.run(run())
    assert code == "ok" or code in catalogue("en"), code
    return code, field


SCALARS = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=12) | st.binary(max_size=8)
ANYTHING = st.recursive(
    SCALARS | st.sampled_from(["meter", "holding:0", "40001", "text", "devices.meter.port", "1.5 V"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
METER = {"where": {"device": "meter"}}
GOOD: tuple[tuple[str, dict[str, Any]], ...] = (
    ("bench.read", {**METER, "address": "holding:65530", "count": 125}),
    ("bench.detect", {**METER, "near": ["holding:0"], "shows": ["u=5.0 V"], "case": new_case()}),
    ("bench.ways", {"address": "holding:7", "words": [1, None, 3, 65535]}),
    ("bench.scaling", {"points": [[0, 0], [1000, 10], [500, 5]]}),
    ("bench.scan", {"device": "meter", "units": "1-3", "only_plan": True}),
    ("bench.scan", {"hosts": "127.0.0.1", "port": 9, "transport": "tcp", "units": "1-3", "only_plan": True}),
    ("bench.scan_state", {}),
    ("bench.scan_cancel", {}),
    ("bench.templates", {}),
    ("bench.places", {}),
    ("config.judge", {"text": TEXT, "against": ""}),
    ("draft", {"kind": "device", "device": "d", "raw": {"type": "modbus", "host": "h", "groups": []}, "comments": ["c"]}),
    ("draft", {"kind": "template", "device": "d", "template": "sdm630", "options": {"host": "h"}}),
    ("draft", {"kind": "copy", "device": "meter", "name": "m2", "changes": {"port": 10}}),
    ("draft", {"kind": "remove", "device": "meter"}),
    ("draft", {"kind": "tag", "device": "meter", "group": "fast", "period_ms": 1000, "tag": {"name": "v", "address": "holding:1"}}),
    ("draft", {"kind": "setting", "table": "gateway", "key": "commissioning", "value": False}),
    ("draft", {"kind": "values", "values": {"devices.meter.port": 10}}),
    ("draft", {"kind": "text", "text": TEXT}),
    ("tags.table", {"device": "meter", "every": True}),
    ("tags.judge", {"device": "meter", "columns": ["group", "name", "address"], "rows": [["fast", "u", "holding:1"]], "remove": True}),
    ("tags.judge", {"device": "meter", "data": b"group,name,address\nfast,u,holding:1\n", "encoding": "utf-8"}),
    ("tags.sheet", {"device": "meter", "semicolons": True}),
)


def test_the_good_ones_are_answered() -> None:
    assert [(method, answered(method, params)[0]) for method, params in GOOD] == [(method, "ok") for method, _ in GOOD]
    assert {method for method, _ in GOOD} | {"bench.offers", "bench.browse", "config.revision"} == set(ACTION_OF)


@given(st.sampled_from(GOOD), st.data())
def test_a_good_one_with_anything_in_one_place_is_answered_or_refused_in_words(
    good: tuple[str, dict[str, Any]], data: st.DataObject
) -> None:
    method, params = good[0], dict(good[1])
    if not params:
        return
    name = data.draw(st.sampled_from(sorted(params)))
    inner = params[name]
    if isinstance(inner, dict) and inner and data.draw(st.booleans()):
        params[name] = {**inner, data.draw(st.sampled_from(sorted(inner))): data.draw(ANYTHING)}
    else:
        params[name] = data.draw(ANYTHING)
    _, field = answered(method, params)
    assert all(start >= 0 and 1 <= count <= 125 and start + count <= 0x10000 for _, start, count in field.asked)


LOOK = {"at_s": 1.0, "shown": {"u": "5.0 V"}, "reads": [{"holding:0": 50}]}


@settings(max_examples=FEW)
@given(ANYTHING, st.sampled_from(["at_s", "shown", "reads", "look", "near", "looks", "version"]))
def test_a_case_of_anything(odd: Any, place: str) -> None:
    case: dict[str, Any] = {**new_case(), "near": {"u": "holding:0"}, "looks": [dict(LOOK)]}
    if place in LOOK:
        case["looks"][0][place] = odd
    elif place == "look":
        case["looks"][0] = odd
    else:
        case[place] = odd
    answered("bench.detect", {**METER, "near": ["holding:0"], "shows": ["u=5.0 V"], "case": case})


def test_the_same_is_asked_and_answered_in_json() -> None:
    for method, params in GOOD:
        if "data" not in params:
            assert answered(method, {"json": json.dumps(params).encode()})[0] == "ok", method
    for packed in (b"", b"[]", b"\xff", b"[" * 100_000, b'{"address": ' + b"9" * 5000 + b"}"):
        assert answered("bench.read", {"json": packed})[0] == "bench_shape"


def test_a_revision_is_a_number_that_there_is() -> None:
    for number in (0, -1, 7, True, "1", "../../x", None, 1.0):
        assert answered("config.revision", {"number": number})[0] == "revision_unknown"
