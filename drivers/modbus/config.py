"""The options of a Modbus device; those of its tags are in `tag_options.py`.

Room: ground, driver `modbus`. Called by `factory.py`. Validates only; opens nothing.
"""

from __future__ import annotations

import re
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from drivers.host import check_host, is_host
from drivers.option_error import OptionError

Order = Literal["big", "little"]
Transport = Literal["tcp", "tls", "rtu", "rtu_over_tcp", "ascii", "ascii_over_tcp"]

plain_port: Final = 502
tls_port: Final = 802
"""Registered for Modbus TCP and Modbus/TLS."""
backup_pattern: Final = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:/\s\[\]]+)(:(?P<port>[0-9]{1,5}))?")


def framing_of(transport: str) -> str:
    """Return how frames look on this transport: mbap, rtu or ascii."""
    return transport.partition("_")[0] if transport.startswith(("rtu", "ascii")) else "mbap"


def is_serial(transport: str) -> bool:
    """Tell whether the transport is a serial port of this machine."""
    return transport in ("rtu", "ascii")


class DeviceOptions(BaseModel):
    """Keys of `[devices.X]` for type `modbus`, besides the common ones."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    transport: Transport = "tcp"
    host: str | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    """None: 502, with TLS 802."""
    backup_hosts: list[str] = Field(default=[], max_length=4)
    """Other addresses of the same device, `host` or `host:port`, asked in this order when the one before does not accept a connection."""
    return_after_s: float = Field(default=300.0, ge=1, le=86_400)
    """How long a backup address serves before the first one is tried again."""
    single_connection: bool = False
    """Never open a second connection to this host and port, not even to keep units that do not answer away from those that do."""
    in_flight: int = Field(default=1, ge=1, le=16)
    """Requests on the way at a time (tcp and tls)."""
    turnaround_ms: float = Field(default=0.0, ge=0, le=1000)
    """Pause between an answer and the next request, for devices that need one; on a serial line beyond its own 3.5 characters."""
    ca_file: str = ""
    server_sha256: str = Field(default="", pattern=r"^([0-9a-f]{2}(:?[0-9a-f]{2}){31})?$")
    """SHA-256 of the server's certificate (DER), hexadecimal; pins it."""
    server_name: str = ""
    """The name that the certificate must have, when it is not `host`."""
    client_cert_file: str = ""
    client_key_file: str = ""
    serial_port: str | None = None
    baud: int = Field(default=19200, ge=300, le=4_000_000)
    parity: Literal["none", "even", "odd"] = "even"
    stop_bits: Literal[1, 2] = 1
    data_bits: Literal[7, 8] | None = None
    """None: 7 with ascii, else 8."""
    unit_id: int = Field(default=1, ge=0, le=255)
    byte_order: Order = "big"
    word_order: Order = "big"
    max_registers: int = Field(default=125, ge=1, le=125)
    max_gap: int | None = Field(default=None, ge=0, le=124)
    """Most unwanted registers read over to save a request; None: as many as cost less bus time than a request. Coils: 16 times as many."""
    firmware: str = Field(default="", pattern=r"^((holding|input):[0-9]{1,5}\+[0-9]{1,3}|identification)?$")
    """Registers that change with the unit's firmware or map, first and how many: `holding:40000+8`. `identification`: what function 43
    tells. Empty: nothing is asked for."""
    request_timeout_s: float = Field(default=1.0, gt=0, le=60)
    """How long to wait for one answer; the deadline of the whole read stands above it."""

    @field_validator("host")
    @classmethod
    def _is_host(cls, host: str | None) -> str | None:
        return check_host(host) if host else host

    @model_validator(mode="after")
    def _has_an_end_point(self, info: ValidationInfo) -> Self:
        wrong = (info.context or {}).get("wrong", frozenset())  # it was given, and is a fault already
        when = f'transport = "{self.transport}"'
        if is_serial(self.transport):
            if not self.serial_port:
                raise OptionError("config_needs", key="serial_port", when=when)
        elif not self.host and "host" not in wrong:
            raise OptionError("config_needs", key="host", when=when)
        if self.data_bits == 7 and framing_of(self.transport) != "ascii":
            raise OptionError("config_data_bits", transport=self.transport)
        if framing_of(self.transport) != "mbap":
            if not 1 <= self.unit_id <= 247:
                raise OptionError("config_unit_id_serial", value=self.unit_id)
            if self.in_flight > 1:
                raise OptionError("config_in_flight", transport=self.transport)
        if self.transport == "tls" and not (self.ca_file or self.server_sha256):
            raise OptionError("config_needs", key="ca_file or server_sha256", when=when)
        if bool(self.client_cert_file) != bool(self.client_key_file):
            raise OptionError("config_needs", key="client_cert_file and client_key_file", when="one of them")
        for backup in self.backup_hosts:
            found = backup_pattern.fullmatch(backup)
            if found is None or not is_host(found["host"].strip("[]")):
                raise OptionError("config_backup_host", value=backup[:80])
        table, start, count = self.firmware_registers
        if table and not (1 <= count <= self.max_registers and start + count <= 65536):
            raise OptionError("config_firmware", value=self.firmware, limit=self.max_registers)
        return self

    @property
    def firmware_registers(self) -> tuple[str, int, int]:
        """Table, first register and count of `firmware`; an empty table when there are none."""
        table, _, place = self.firmware.partition(":")
        start, _, count = place.partition("+")
        return (table, int(start), int(count)) if place else ("", 0, 0)

    @property
    def tcp_port(self) -> int:
        """The port in force."""
        return self.port if self.port is not None else tls_port if self.transport == "tls" else plain_port

    @property
    def backups(self) -> list[tuple[str, int]]:
        """The backup addresses, each with its port."""
        split = [backup_pattern.fullmatch(backup) for backup in self.backup_hosts]
        return [(found["host"].strip("[]"), int(found["port"] or self.tcp_port)) for found in split if found is not None]
