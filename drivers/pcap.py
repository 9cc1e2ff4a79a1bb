"""A capture file that Wireshark and tshark open, made of recorded frames. Pure.

Room: ground. The command line calls it with what a flight recorder showed. Format: pcap 2.4 with microseconds (the libpcap file format).

Modbus TCP becomes Ethernet, IPv4 and TCP around each frame (link type 1), always on port 502, so that it is dissected without being told;
addresses are made up (10.0.0.1 is the gateway). What went through TLS is shown as it was inside. Serial frames become "RTAC serial"
records (link type 250): a header of 12 bytes with time, direction and control lines; Wireshark asks once which protocol they carry
("Decode as": Modbus RTU).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from drivers.recorder import Frame

ETHERNET: Final = 1
RTAC_SERIAL: Final = 250
DATA_TX: Final = 1
DATA_RX: Final = 2
"""Event types of an RTAC serial record: data that begins to be sent, to be received."""
MODBUS_PORT: Final = 502
CLIENT_FROM: Final = 49152
GATEWAY: Final = bytes((10, 0, 0, 1))
DEVICE: Final = bytes((10, 0, 0, 2))


def capture(framing: str, frames: Iterable[Frame]) -> bytes:
    """Return the whole file. `framing` mbap gives TCP, all else serial records."""
    is_tcp = framing == "mbap"
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, ETHERNET if is_tcp else RTAC_SERIAL)
    sent: dict[tuple[int, bool], int] = {}
    records = []
    for frame in frames:
        if is_tcp:
            here, there = (frame.connection, frame.sent), (frame.connection, not frame.sent)
            packet = _ethernet(frame, sent.get(here, 1), sent.get(there, 1))
            sent[here] = sent.get(here, 1) + len(frame.data)
        else:
            packet = _rtac(frame)
        micros = round(frame.wall_ms * 1000)
        records.append(struct.pack("<IIII", micros // 1_000_000, micros % 1_000_000, len(packet), len(packet)) + packet)
    return head + b"".join(records)


def _rtac(frame: Frame) -> bytes:
    micros = round(frame.wall_ms * 1000)
    event = DATA_TX if frame.sent else DATA_RX
    return struct.pack(">IIBBH", micros // 1_000_000 & 0xFFFFFFFF, micros % 1_000_000, event, 0, 0) + frame.data


def _ethernet(frame: Frame, sequence: int, acknowledged: int) -> bytes:
    source, target = (GATEWAY, DEVICE) if frame.sent else (DEVICE, GATEWAY)
    client = CLIENT_FROM + frame.connection
    ports = (client, MODBUS_PORT) if frame.sent else (MODBUS_PORT, client)
    push_and_ack = 5 << 12 | 0x18
    tcp = struct.pack(">HHIIHHHH", *ports, sequence, acknowledged, push_and_ack, 65535, 0, 0)
    pseudo = source + target + struct.pack(">BBH", 0, 6, len(tcp) + len(frame.data))
    tcp = tcp[:16] + struct.pack(">H", _checksum(pseudo + tcp + frame.data)) + tcp[18:]
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp) + len(frame.data), 0, 0x4000, 64, 6, 0) + source + target
    ip = ip[:10] + struct.pack(">H", _checksum(ip)) + ip[12:]
    macs = b"\x02\0" + target + b"\x02\0" + source
    return macs + b"\x08\x00" + ip + tcp + frame.data


def _checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
