"""CPU per value of decoding an OPC UA answer, against asyncua's own decoder in the same run.

    python benchmarks/opcua_decode.py [--json]

Two messages: a read of 1,000 doubles, and a notification of 1,000. Ours and the library's alternate, 15 pairs.

JSON keys, of `read` and `publish` each:
  us_per_value          CPU microseconds of ours per value, median
  asyncua_us_per_value  the library's
  ratio                 ours over the library's, median of the pairs' ratios
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

from drivers.opcua.answers import open_answer, publish_answer, read_answer

values = 1_000
pairs = 15


def messages() -> dict[str, tuple[bytes, type, Callable[[bytes], object]]]:
    """Return each message's bytes, the library's class for it, and our reader."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    samples = [ua.DataValue(ua.Variant(n * 0.1), ua.StatusCode(0), SourceTimestamp=now, ServerTimestamp=now) for n in range(values)]
    read = ua.ReadResponse()
    read.Results = samples
    publish = ua.PublishResponse()
    change = ua.DataChangeNotification([ua.MonitoredItemNotification(n, sample) for n, sample in enumerate(samples)])
    publish.Parameters.NotificationMessage.NotificationData = [change]
    return {
        "read": (struct_to_binary(read), ua.ReadResponse, lambda data: read_answer(open_answer(data, 634), values)),
        "publish": (struct_to_binary(publish), ua.PublishResponse, lambda data: publish_answer(open_answer(data, 829))),
    }


def cost_us(work: Callable[[], object]) -> float:
    """Return CPU per value of one run."""
    started = time.process_time_ns()
    work()
    return (time.process_time_ns() - started) / 1000 / values


def main() -> None:
    """Measure and print."""
    figures: dict[str, dict[str, float]] = {}
    for name, (data, kind, ours) in messages().items():
        mine, theirs = [], []
        for _ in range(pairs):
            mine.append(cost_us(lambda ours=ours, data=data: ours(data)))  # type: ignore[misc]
            theirs.append(cost_us(lambda kind=kind, data=data: struct_from_binary(kind, Buffer(data))))  # type: ignore[misc]
        ratio = statistics.median(a / b for a, b in zip(mine, theirs, strict=True))
        figures[name] = {"us_per_value": statistics.median(mine), "asyncua_us_per_value": statistics.median(theirs), "ratio": ratio}
    if "--json" in sys.argv:
        print(json.dumps(figures))
        return
    for name, row in figures.items():
        print(f"{name:8} ours {row['us_per_value']:6.2f} us  asyncua {row['asyncua_us_per_value']:6.2f} us  ratio {row['ratio']:.3f}")


if __name__ == "__main__":
    main()
