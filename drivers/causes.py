"""Every cause code that a driver of this room gives, in one place.

Room: ground. The message catalogue words each of them (a test of the runtime compares); the conformance suite accepts
no other from a built-in driver. A plug-in driver prefixes its own codes with its type and a dot: `profinet.no_ar`.
"""

from __future__ import annotations

from typing import Final

cause_codes: Final = (
    # connection
    "connect_failed",  # host/port or serial_port: nothing accepted the connection
    "connect_waiting",  # retry_ms: the last connect failed; the next try is not due yet
    "connection_lost",  # the peer closed, or the line broke, in the middle of a request
    "line_busy",  # the line was taken by another unit until the deadline
    "line_settings_differ",  # serial_port: two devices on one line with different baud, parity or stop bits
    # answers
    "no_answer",  # timeout_ms: connected, asked, heard nothing
    "bad_answer",  # detail: an answer that the protocol does not allow here
    "device_exception",  # code: the device refused (Modbus exception code, OPC UA status)
    "overflow",  # limit: the device pushed faster than the runtime took; scans were lost
    # writes
    "write_refused",  # code: the device said no; nothing changed
    "write_unknown",  # reason: sent, but not confirmed
    "write_not_supported",  # this address cannot be written
    "write_out_of_range",  # value: the device's type cannot hold the value
    # configuration
    "library_missing",  # library, extra: an optional package is not installed
    "driver_unknown",  # type, known: no driver of this name; the names there are
    "address_unusable",  # detail: a value longer than one request may be
    "driver_duplicate",  # type: two packages offer the same name
    "subscribe_not_supported",  # this device does not push
    # files
    "capture_unreadable",  # file, detail: not a capture, or damaged
    "capture_ended",  # group: nothing is left to replay
)
