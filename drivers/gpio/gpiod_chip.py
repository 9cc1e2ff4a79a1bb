"""Lines through the kernel's character devices, by libgpiod 2: any Linux gateway.

Room: ground, driver `gpio`; the only file that imports gpiod. `lines.py` opens chips with it, `advice.py` looks at what the machine has.
The kernel debounces, stamps each edge with CLOCK_MONOTONIC as it happens, and numbers the edges of each line, also those for which its
buffer had no room (Linux, include/uapi/linux/gpio.h: gpio_v2_line_event). Each line is one request, so that one that cannot be had
takes none of the others with it.
"""

from __future__ import annotations

import errno
import glob
import os
import select
import time
from datetime import timedelta
from typing import Final

import gpiod
from gpiod.line import Bias, Clock, Direction, Drive, Value
from gpiod.line import Edge as Detection

from drivers.driver import DriverError
from drivers.gpio.chip import (
    Edge,
    Line,
    LineSettings,
    Watched,
    access_denied,
    chip_unknown,
    consumer_bytes_max,
    line_refused,
    line_taken,
    line_unknown,
    no_edges,
)  # fmt: skip
from drivers.gpio.config import DeviceOptions

event_buffer_size: Final = 1024
"""Edges of a line that the kernel keeps for us; the oldest go first, and their numbers tell."""
ours: Final = "witnessmark"
"""How the names begin under which we take lines."""
biases: Final = {"as_is": Bias.AS_IS, "none": Bias.DISABLED, "pull_up": Bias.PULL_UP, "pull_down": Bias.PULL_DOWN}
drives: Final = {"push_pull": Drive.PUSH_PULL, "open_drain": Drive.OPEN_DRAIN, "open_source": Drive.OPEN_SOURCE}
detections: Final = {"none": Detection.NONE, "on": Detection.RISING, "off": Detection.FALLING, "both": Detection.BOTH}


class GpiodChip:
    """See drivers.gpio.chip.Chip."""

    def __init__(self, name: str, consumer: str) -> None:
        """Open the chip of this path, name (`gpiochip0`) or label. Raises DriverError."""
        self.name = name
        self._consumer = consumer.encode()[:consumer_bytes_max].decode(errors="ignore")
        self._chip = _open(name)

    def now_ns(self) -> int:
        """See Chip."""
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC)

    def take_line(self, settings: LineSettings, level: bool | None) -> Line:
        """See Chip."""
        offset = self._offset(settings.at)
        if settings.is_output and level is None and not settings.only_looked_at:
            level = self._present(settings, offset)
        try:
            return GpiodLine(self.name, self._chip, offset, settings, level is True, self._consumer)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise line_taken(self.name, settings.at, self._chip.get_line_info(offset).consumer) from error
            if error.errno in (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENXIO, errno.EPERM):
                raise line_refused(self.name, settings.at, os.strerror(error.errno)) from error
            raise

    def check_free(self, at: int | str) -> None:
        """Raise DriverError when there is no such line, or somebody else has it."""
        info = self._chip.get_line_info(self._offset(at))
        if info.used and not info.consumer.startswith(ours):
            raise line_taken(self.name, at, info.consumer)

    def close(self) -> None:
        """See Chip."""
        self._chip.close()

    def _offset(self, at: int | str) -> int:
        count = self._chip.get_info().num_lines
        if isinstance(at, int):
            if at < count:
                return at
            raise line_unknown(self.name, at, [f"0-{count - 1}"])
        names = [self._chip.get_line_info(offset).name for offset in range(count)]
        if names.count(at) == 1:
            return names.index(at)
        if at in names:
            raise line_refused(self.name, at, f"{names.count(at)} x {at}")
        raise line_unknown(self.name, at, [name for name in names if name])

    def _present(self, settings: LineSettings, offset: int) -> bool:
        """Return the level that a line has, without changing what it is."""
        if self._chip.get_line_info(offset).used:
            return False  # whoever uses it is named when it is taken
        as_it_is = gpiod.LineSettings(direction=Direction.AS_IS, active_low=settings.active_low)
        with self._chip.request_lines({offset: as_it_is}, consumer=self._consumer) as request:
            return request.get_value(offset) is Value.ACTIVE


class GpiodLine:
    """See drivers.gpio.chip.Line."""

    debounces = True

    def __init__(self, chip_name: str, chip: gpiod.Chip, offset: int, settings: LineSettings, level: bool, consumer: str) -> None:
        """Request the line. Raises OSError."""
        self._chip_name, self._offset, self._settings = chip_name, offset, settings
        wanted = self._wanted("none", level)
        self._request = chip.request_lines({offset: wanted}, consumer=consumer, event_buffer_size=event_buffer_size)
        self.fd = self._request.fd
        self._readable = select.poll()
        self._readable.register(self.fd, select.POLLIN)

    def get(self) -> bool:
        """See Line."""
        return self._request.get_value(self._offset) is Value.ACTIVE

    def set(self, level: bool) -> None:
        """See Line."""
        self._request.set_value(self._offset, _value(level))

    def watch(self, edges: Watched) -> None:
        """See Line."""
        try:
            self._request.reconfigure_lines({self._offset: self._wanted(edges, level=False)})
        except OSError as error:
            self.get()  # raises when it is the chip that is gone
            raise no_edges(self._chip_name, self._settings.at) from error

    def take(self, most: int) -> list[Edge]:
        """See Line. One read gives what the kernel has; a chip that was taken away is OSError."""
        ready = self._readable.poll(0)
        if not ready:
            return []
        if not ready[0][1] & select.POLLIN:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        found = self._request.read_edge_events(most)
        rising = gpiod.EdgeEvent.Type.RISING_EDGE
        return [Edge(event.event_type is rising, event.timestamp_ns, event.line_seqno) for event in found]

    def close(self) -> None:
        """See Line."""
        self._request.release()

    def _wanted(self, edges: Watched, level: bool) -> gpiod.LineSettings:
        """Return the library's settings. With `active_low` its edges and values are logical as ours are."""
        settings = self._settings
        if settings.only_looked_at:
            return gpiod.LineSettings(direction=Direction.AS_IS, active_low=settings.active_low)
        return gpiod.LineSettings(
            direction=Direction.OUTPUT if settings.is_output else Direction.INPUT,
            edge_detection=detections[edges],
            bias=biases[settings.bias],
            drive=drives[settings.drive],
            active_low=settings.active_low,
            debounce_period=timedelta(microseconds=settings.debounce_us),
            event_clock=Clock.MONOTONIC,
            output_value=_value(level),
        )


def open_chip(name: str, consumer: str) -> GpiodChip:
    """Open a chip. Raises DriverError `gpio_chip_unknown`, `gpio_access_denied`."""
    return GpiodChip(name, consumer)


def chip_paths() -> list[str]:
    """Return the paths of this machine's chips."""
    return sorted(path for path in glob.glob("/dev/gpiochip*") if gpiod.is_gpiochip_device(path))


def users_of(options: DeviceOptions) -> dict[str, DriverError]:
    """Return the lines that cannot be had now, with why; those that a gateway of ours has are its own. Takes none. Raises DriverError."""
    chip = GpiodChip(str(options.chip), ours)
    faults: dict[str, DriverError] = {}
    try:
        for name in options.lines:
            try:
                chip.check_free(options.settings(name).at)
            except DriverError as fault:
                faults[name] = fault
    finally:
        chip.close()
    return faults


def _open(name: str) -> gpiod.Chip:
    """Open by path or name, else by label. Raises DriverError."""
    path = name if name.startswith("/") else f"/dev/{name}"
    if gpiod.is_gpiochip_device(path):
        return _opened(path, name)
    found, labels = [], []
    for each in chip_paths():
        with _opened(each, name) as chip:
            info = chip.get_info()
        labels.append(f"{info.label} ({info.name})")
        if info.label == name:
            found.append(each)
    if len(found) > 1:
        raise line_refused(name, "*", ", ".join(found))
    if not found:
        raise chip_unknown(name, labels)
    return _opened(found[0], name)


def _opened(path: str, name: str) -> gpiod.Chip:
    try:
        return gpiod.Chip(path)
    except PermissionError as error:
        raise access_denied(path) from error
    except OSError as error:
        raise chip_unknown(name, [os.strerror(error.errno or 0)]) from error


def _value(level: bool) -> Value:
    return Value.ACTIVE if level else Value.INACTIVE
