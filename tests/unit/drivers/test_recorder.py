"""The flight recorder: bounded, frozen on faults; its frames in words and as a capture file."""

from __future__ import annotations

import itertools
import random
import struct

from drivers.modbus import request as rq
from drivers.modbus.address import Address
from drivers.modbus.explain import Known, explain, tags_max
from drivers.modbus.framing import Ascii, Mbap, Rtu
from drivers.modbus.tag_options import parse_address
from drivers.pcap import ETHERNET, RTAC_SERIAL, capture
from drivers.reading import Tag
from drivers.recorder import FlightRecorder, Frame, again_s, cut_bytes, frames_max, frozen_frames_max, frozen_max


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def recorder_of(time: Time) -> FlightRecorder:
    return FlightRecorder("plc:502", "mbap", time, lambda: 1_700_000_000_000 + round(time.now * 1000))


def test_it_holds_the_last_frames_and_no_more() -> None:
    time = Time()
    recorder = recorder_of(time)
    for n in range(frames_max * 3):
        time.now += 0.01
        recorder.note(0, n % 2 == 0, n.to_bytes(2, "big") * 2000)
    shown = recorder.show()["frames"]
    assert len(shown) == frames_max
    assert shown[-1][3][:2] == (frames_max * 3 - 1).to_bytes(2, "big")
    assert all(len(row[3]) <= cut_bytes for row in shown)
    assert abs(shown[-1][0] - (1_700_000_000_000 + time.now * 1000)) < 1
    assert all(b[0] > a[0] for a, b in itertools.pairwise(shown))


def test_a_fault_keeps_what_came_before_it_and_the_first_of_a_series_stays() -> None:
    time = Time()
    recorder = recorder_of(time)
    for n in range(100):
        recorder.note(0, True, bytes((n,)))
    recorder.freeze("no_answer", {"unit": 1})
    for _ in range(50):
        time.now += 1
        recorder.note(0, True, b"later")
        recorder.freeze("no_answer", {"unit": 2})
    faults = recorder.show()["faults"]
    assert [(fault["cause"], fault["params"]) for fault in faults] == [("no_answer", {"unit": 1})]
    assert [row[3] for row in faults[0]["frames"]] == [bytes((n,)) for n in range(100 - frozen_frames_max, 100)]
    for n in range(10):
        time.now += again_s + 1
        recorder.freeze("bad_answer", {"unit": n})
    assert len(recorder.summary()["faults"]) == frozen_max
    assert recorder.show()["faults"][-1]["params"] == {"unit": 9}


def tags_of(unit: int) -> list[Known]:
    rows = {
        "level": {"address": "holding:10", "data": "int16", "scale": 0.1},
        "text": {"address": "holding:20", "data": "string", "length": 2},
    }
    rows |= {"far": {"address": "holding:500"}, "on": {"address": "coil:3"}}
    made = []
    for n, (name, raw) in enumerate(rows.items()):
        address = parse_address({**raw, "byte_order": "big", "word_order": "big"} if "coil" not in str(raw) else raw)
        assert isinstance(address, Address)
        made.append(Known(Tag(n, name, "d", "int", "", address), address))
    return made if unit == 7 else []


def test_frames_are_told_in_words_with_the_values_of_the_tags() -> None:
    for framing, wire in (("mbap", Mbap()), ("rtu", Rtu()), ("ascii", Ascii())):
        read = rq.read_request(7, "holding", 8, 16)
        words = bytes(4) + struct.pack(">h", -215) + bytes(18) + b"abcd" + bytes(4)

        def answer(request: rq.Request, pdu: bytes, wire: Mbap | Rtu | Ascii = wire) -> bytes:
            return wire.wrap(rq.Request(request.unit_id, pdu, len(pdu)), 5)

        coils = rq.read_request(7, "coil", 0, 8)
        write = rq.write_registers_request(7, 10, [3], single=True)
        pieces = [
            (True, wire.wrap(read, 5)), (False, answer(read, bytes((3, 32)) + words)),
            (True, wire.wrap(read, 5)), (False, answer(read, b"\x83\x02")),
            (True, wire.wrap(coils, 5)), (False, answer(coils, b"\x01\x01\x08")),
            (True, wire.wrap(write, 5)), (False, answer(write, b"\x06\x00\x0a\x00\x03")),
            (True, wire.wrap(write, 5)), (False, answer(write, b"\x06\x00\x0a\x00\x04")),
        ]  # fmt: skip
        texts = explain(framing, [Frame(0.0, 0, sent, data) for sent, data in pieces], tags_of)
        assert texts[:2] == ["unit 7: read holding:8, 16", "level = -21.5, text = abcd"]
        assert texts[3] == "refused: 2 (illegal address)"
        assert texts[5] == "on = True"
        assert texts[6:8] == ["unit 7: write register at 10: 0003", "confirmed"]
        assert texts[9] == "confirms something else"


def test_a_piece_tells_of_its_own_answer_only_and_of_so_many_values() -> None:
    read = rq.read_request(7, "holding", 8, 16)
    whole = Mbap().wrap(rq.Request(7, bytes((3, 32)) + bytes(32), 34), 5)
    pieces = [whole * 20, whole[:20], whole[:9]]
    frames = [each for piece in pieces for each in (Frame(0.0, 0, True, Mbap().wrap(read, 5)), Frame(0.0, 0, False, piece))]
    assert explain("mbap", frames, tags_of)[1::2] == ["level = 0.0, text = ", "level = 0.0", "0 bytes"]

    made = []
    for n in range(tags_max + 3):
        address = parse_address({"address": f"holding:{n}", "byte_order": "big", "word_order": "big"})
        made.append(Known(Tag(n, f"t{n}", "d", "int", "", address), address))
    asks = rq.read_request(7, "holding", 0, 40)
    answer = rq.Request(7, bytes((3, 80)) + bytes(80), 82)
    frames = [Frame(0.0, 0, True, Mbap().wrap(asks, 5)), Frame(0.0, 0, False, Mbap().wrap(answer, 5))] * 3
    texts = explain("mbap", frames, lambda unit: made)[1::2]
    assert texts[0].endswith(f"t{tags_max - 1} = 0 and 3 more")
    assert len(set(texts)) == 1


def test_no_bytes_make_it_raise() -> None:
    rng = random.Random(5)
    for _ in range(3000):
        frames = [Frame(0.0, rng.randrange(2), rng.random() < 0.5, rng.randbytes(rng.randrange(20))) for _ in range(4)]
        for framing in ("mbap", "rtu", "ascii"):
            assert len(explain(framing, frames, tags_of)) == 4


def test_a_capture_file_is_well_formed() -> None:
    frames = [Frame(1_700_000_000_123.5, 0, True, b"abcde"), Frame(1_700_000_000_130.0, 0, False, b"xyz")]
    for framing, link, extra in (("mbap", ETHERNET, 54), ("rtu", RTAC_SERIAL, 12)):
        file = capture(framing, frames)
        assert struct.unpack("<IHHiIII", file[:24]) == (0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
        at, seen = 24, []
        while at < len(file):
            seconds, micros, size, whole = struct.unpack("<IIII", file[at : at + 16])
            assert size == whole
            seen.append((seconds, micros, file[at + 16 : at + 16 + size]))
            at += 16 + size
        assert [(s, u) for s, u, _ in seen] == [(1_700_000_000, 123_500), (1_700_000_000, 130_000)]
        assert [packet[extra:] for _, _, packet in seen] == [b"abcde", b"xyz"]
