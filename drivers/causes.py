"""Every cause code that a driver of this room gives, in one place.

Room: ground. The message catalogue words each of them (a test of the runtime compares); the conformance suite accepts
no other from a built-in driver. A plug-in driver prefixes its own codes with its type and a dot: `profinet.no_ar`.
"""

from __future__ import annotations

from typing import Final

cause_codes: Final = (
    # connection
    "connect_failed",  # host/port or serial_port: nothing accepted the connection; of a port, because: see drivers/serial_port.py
    "name_unknown",  # host: no address is known for the name
    "connect_waiting",  # retry_ms: the last connect failed; the next try is not due yet
    "connection_lost",  # the peer closed, or the line broke, in the middle of a request
    "line_busy",  # the line was taken by another unit until the deadline
    "unit_busy",  # another request to the same unit was under way until the deadline
    "line_noisy",  # serial_port or host/port: the line was never silent long enough to begin a frame
    "line_settings_differ",  # place: two devices on one line say differently how it is reached
    "breaker_open",  # unit, retry_ms: it has not answered for a while and was not asked
    "tls_files",  # files, detail: a certificate or key cannot be read
    "tls_refused",  # detail: the two ends do not trust each other
    "tls_not_pinned",  # the server showed another certificate than the one that is pinned
    "broker_refused",  # host, port, code, detail: the broker said no to the connection, or ended it (MQTT reason code)
    "broker_settings_differ",  # host, port: two devices on one connection with different settings
    "password_unreadable",  # file, detail: the file that holds the password cannot be used
    "subscribe_refused",  # code: the broker does not let us see any topic of the group (MQTT reason code)
    # publishers behind a broker
    "publisher_offline",  # node: it said, or its broker said for it, that it is gone
    "birth_missing",  # node: it has not yet said what it publishes
    "messages_lost",  # node: its sequence numbers jumped; nothing is believed until it has said anew what it publishes
    # answers
    "no_answer",  # timeout_ms: connected, asked, heard nothing
    "bad_answer",  # detail: an answer that the protocol does not allow here
    "device_exception",  # code: the device refused (Modbus exception code, OPC UA status)
    "unit_unreachable",  # code: a converter in between answers that it does not reach the unit (Modbus exception 10 or 11)
    "notifications_lost",  # count: pushed values that the server sent and no longer has
    "overflow",  # limit: the device pushed faster than the runtime took; scans were lost
    "registers_range",  # table, start, count, most: no such range of registers can be looked at
    "unit_in_use",  # unit: it is another device of the configuration, which is looked at by its own name
    # lines of the gateway itself
    "gpio_chip_unknown",  # chip, known: no chip of this label, name or path; those that there are
    "gpio_access_denied",  # chip: our user may not open it
    "gpio_line_unknown",  # chip, line, known: the chip has no such line
    "gpio_line_taken",  # chip, line, user: the kernel has given the line to somebody else
    "gpio_no_edges",  # chip, line: its chip does not tell when it changes
    "gpio_line_refused",  # chip, line, detail: the line cannot be used as it is configured
    "gpio_level_differs",  # line, wrote, read: the output was set and has another level
    "gpio_no_pi",  # detail: RPi.GPIO finds no Raspberry Pi
    # writes
    "write_refused",  # code: the device said no; nothing changed
    "write_unknown",  # reason: sent, but not confirmed
    "write_not_supported",  # this address cannot be written
    "write_out_of_range",  # value: the device's type cannot hold the value
    "call_not_allowed",  # this device's methods may not be called
    "call_unusable",  # detail: a node id or an argument that cannot be read
    # values entered by people
    "enter_by",  # by, people: nobody said who, or it is none of those who may enter at this station
    "enter_comma",  # value, first, second: a number that can be read in two ways
    "enter_type",  # type, value: no value of the tag's type
    "enter_limits",  # value, min, max: outside what the tag allows
    "enter_decimals",  # value, decimals: finer than the instrument shows
    "enter_choice",  # value, choices: none of those that the tag allows
    "enter_pattern",  # value, pattern: not shaped as the tag asks
    "pattern_slow",  # limit_ms: a regular expression of the configuration does not come to an end
    "enter_time",  # late_max_s: in the future, or too long ago
    # trust
    "opcua_server_not_pinned",  # endpoint, fingerprint: nobody has said that this certificate is the right one
    "opcua_server_changed",  # endpoint, fingerprint, pinned: another certificate than the configuration names
    "opcua_security_not_offered",  # endpoint, wanted, offered: security policies of the server
    "opcua_password_in_clear",  # endpoint: the server would have the password sent readable
    "opcua_file_unusable",  # file, detail: certificate, key, user or password
    # configuration
    "library_missing",  # library, extra: an optional package is not installed
    "driver_unknown",  # type, known: no driver of this name; the names there are
    "address_unusable",  # detail: a value longer than one request may be
    "driver_told_wrongly",  # function, returned, wanted: a driver's package returns something else than the runtime takes
    "driver_duplicate",  # type: two packages offer the same name
    "subscribe_not_supported",  # this device does not push
    # files
    "capture_unreadable",  # file, detail: not a capture, or damaged
    "capture_ended",  # group: nothing is left to replay
)
