"""Where a line leads and what is spoken on it: what all devices of one line must agree on.

Room: ground, driver `modbus`; pure. Made from a device's options by `line_of`; `line.py` compares, `connecting.py` connects. `factory.py`
tells by `settings_of` what the devices of one line have, so that a difference is found before any of them is asked.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from drivers.modbus.config import DeviceOptions, framing_of, is_serial


@dataclass(frozen=True, slots=True)
class EndPoint:
    """One address of a line: `host` and `port`, or `serial_port`. `framing` is mbap, rtu or ascii; `tls` says what to trust."""

    framing: str
    host: str = ""
    port: int = 0
    serial_port: str = ""
    baud: int = 19200
    parity: str = "even"
    stop_bits: int = 1
    data_bits: int = 8
    tls: TlsTrust | None = None

    @property
    def character_s(self) -> float:
        """How long one character takes on a serial line, 0 on TCP."""
        if not self.serial_port:
            return 0.0
        return (1 + self.data_bits + (self.parity != "none") + self.stop_bits) / self.baud

    @property
    def place(self) -> dict[str, str | int]:
        """What a person is told about it."""
        return {"serial_port": self.serial_port} if self.serial_port else {"host": self.host, "port": self.port}


@dataclass(frozen=True, slots=True)
class TlsTrust:
    """Whom to believe and who we are: paths of PEM files, and the SHA-256 of the one certificate that is expected."""

    ca_file: str = ""
    server_sha256: str = ""
    server_name: str = ""
    client_cert_file: str = ""
    client_key_file: str = ""


@dataclass(frozen=True, slots=True)
class LineShape:
    """All that devices on one line share. `points` holds the main address and then those that stand in for it."""

    points: tuple[EndPoint, ...]
    return_after_s: float
    in_flight: int
    side_connection: bool
    turnaround_s: float

    @property
    def key(self) -> tuple[str | int, ...]:
        """What names the line among the drivers of the process."""
        main = self.points[0]
        return ("modbus", "serial", main.serial_port) if main.serial_port else ("modbus", "tcp", main.host, main.port)


def line_of(options: DeviceOptions) -> LineShape:
    """Return the line that a device with these options is on."""
    framing = framing_of(options.transport)
    # ASCII lines use 7 bits unless told otherwise (MODBUS over Serial Line V1.02, 2.5.2)
    data_bits = options.data_bits or (7 if framing == "ascii" else 8)
    if is_serial(options.transport):
        port = str(options.serial_port)
        points: tuple[EndPoint, ...] = (EndPoint(framing, "", 0, port, options.baud, options.parity, options.stop_bits, data_bits),)
    else:
        tls = None
        if options.transport == "tls":
            tls = TlsTrust(options.ca_file, options.server_sha256, options.server_name, options.client_cert_file, options.client_key_file)
        main = EndPoint(framing, host=str(options.host), port=options.tcp_port, tls=tls)
        points = (main, *(replace(main, host=host, port=port) for host, port in options.backups))
    has_side = framing == "mbap" and not options.single_connection  # a converter to a serial line has one line whatever it accepts
    return_after_s = options.return_after_s if len(points) > 1 else 0.0  # without another address there is nothing to return from
    return LineShape(points, return_after_s, options.in_flight, has_side, options.turnaround_ms / 1000)


def settings_of(options: DeviceOptions) -> dict[str, str | int | float]:
    """Return by option what a device with these options says of its line: alike for two devices of one line that may share it."""
    shape = line_of(options)
    main, backups = shape.points[0], shape.points[1:]
    settings: dict[str, str | int | float] = {"transport": options.transport}
    if main.serial_port:
        settings |= {"baud": main.baud, "parity": main.parity, "stop_bits": main.stop_bits, "data_bits": main.data_bits}
    else:
        settings |= {"in_flight": shape.in_flight, "single_connection": str(not shape.side_connection).lower()}
        settings |= {"backup_hosts": " ".join(f"{each.host}:{each.port}" for each in backups)}
        settings |= {"return_after_s": shape.return_after_s} if backups else {}
        settings |= asdict(main.tls) if main.tls is not None else {}
    return settings | {"turnaround_ms": options.turnaround_ms}
