"""The options of a Modbus device and of its tags, and the frozen address that a tag gets.

Room: ground, driver `modbus`. Called by `factory.py`. Validates only; opens nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from drivers.option_error import OptionError
from drivers.scaling import Scaling

Order = Literal["big", "little"]
Kind = Literal[
    "bool", "bits", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "bcd16", "bcd32", "string"
]

register_counts: Final = {"32": 2, "64": 4}
tables: Final = ("coil", "discrete", "holding", "input")
bit_tables: Final = ("coil", "discrete")
float_kinds: Final = ("float16", "float32", "float64")
unscaled: Final = Scaling()
address_pattern: Final = re.compile(r"(coil|discrete|holding|input):[0-9]{1,5}")


class DeviceOptions(BaseModel):
    """Keys of `[devices.X]` for type `modbus`, besides the common ones."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    transport: Literal["tcp", "rtu"] = "tcp"
    host: str | None = None
    port: int = Field(default=502, ge=1, le=65535)
    serial_port: str | None = None
    baud: int = Field(default=19200, ge=300, le=4_000_000)
    parity: Literal["none", "even", "odd"] = "even"
    stop_bits: Literal[1, 2] = 1
    unit_id: int = Field(default=1, ge=0, le=255)
    byte_order: Order = "big"
    word_order: Order = "big"
    max_registers: int = Field(default=125, ge=1, le=125)
    max_gap: int | None = Field(default=None, ge=0, le=124)
    """Unwanted registers read over to save a request; None: 32 on TCP, 10 on a serial line. Coils: 16 times as many."""
    request_timeout_s: float = Field(default=1.0, gt=0, le=60)
    """How long to wait for one answer; the deadline of the whole read stands above it."""

    @model_validator(mode="after")
    def _has_an_end_point(self) -> Self:
        if self.transport == "tcp" and not self.host:
            raise OptionError("config_needs", key="host", when='transport = "tcp"')
        if self.transport == "rtu" and not self.serial_port:
            raise OptionError("config_needs", key="serial_port", when='transport = "rtu"')
        if self.transport == "rtu" and not 1 <= self.unit_id <= 247:
            raise OptionError("config_unit_id_serial", value=self.unit_id)
        return self

    @property
    def gap_registers(self) -> int:
        """The merge gap in force."""
        if self.max_gap is not None:
            return self.max_gap
        return 32 if self.transport == "tcp" else 10


@dataclass(frozen=True, slots=True)
class Address:
    """Where one value stands on a Modbus unit and how it is read. Orders None mean the device's.

    `start` is the 0-based protocol address (a manual's 40001 is holding 0); `count` is in registers, or 1 bit in the
    bit tables. `bit` and `bit_count` are for kind `bits`: bit 0 is the least significant one of the register.
    """

    table: str
    start: int
    kind: str
    count: int
    byte_order: str | None = None
    word_order: str | None = None
    bit: int = 0
    bit_count: int = 1
    scaling: Scaling = unscaled


class TagOptions(BaseModel):
    """Keys of a tag of a Modbus device, besides the common ones."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    address: str
    """Table and 0-based protocol address: `holding:100`."""
    data: Kind | None = None
    """Default: bool in the bit tables, uint16 in the register tables."""
    bit: int = Field(default=0, ge=0, le=15)
    bit_count: int = Field(default=1, ge=1, le=16)
    length: int | None = Field(default=None, ge=1, le=125)
    """Registers of a string."""
    byte_order: Order | None = None
    word_order: Order | None = None
    scale: float = 1.0
    offset: float = 0.0

    @field_validator("address")
    @classmethod
    def _is_address(cls, address: str) -> str:
        if not address_pattern.fullmatch(address):
            raise OptionError("config_modbus_address", value=address[:80])
        return address

    @model_validator(mode="after")
    def _is_sound(self) -> Self:
        kind, table = self.kind, self.address.partition(":")[0]
        if (table in bit_tables) != (kind == "bool") and not (kind == "bool" and table not in bit_tables):
            raise OptionError("config_data_table", data=kind, table=table)
        if (kind == "string") != (self.length is not None):
            raise OptionError("config_length")
        if kind != "bits" and (self.bit, self.bit_count) != (0, 1):
            raise OptionError("config_bits")
        if self.bit + self.bit_count > 16:
            raise OptionError("config_bits_inside", last=self.bit + self.bit_count)
        if kind in ("bool", "bits", "string") and (self.scale, self.offset) != (1.0, 0.0):
            raise OptionError("config_not_scalable", data=kind)
        _check_scaling(self.scale, self.offset)
        if int(self.address.partition(":")[2]) + self.register_count > 65536:
            raise OptionError("config_address_beyond", address=self.address)
        return self

    @property
    def kind(self) -> str:
        """The data type in force."""
        if self.data is not None:
            return self.data
        return "bool" if self.address.partition(":")[0] in bit_tables else "uint16"

    @property
    def register_count(self) -> int:
        """Registers of the value (1 for a bit of a bit table)."""
        return self.length if self.length is not None else register_counts.get(self.kind[-2:], 1)


def parse_address(raw: dict[str, object]) -> Address:
    """Return the frozen address of a tag's raw options. Raises pydantic.ValidationError with every fault."""
    return make_address(TagOptions.model_validate(raw))


def make_address(options: TagOptions) -> Address:
    """Return the frozen address of validated options."""
    table, _, start = options.address.partition(":")
    return Address(
        table=table,
        start=int(start),
        kind=options.kind,
        count=options.register_count,
        byte_order=options.byte_order,
        word_order=options.word_order,
        bit=options.bit,
        bit_count=options.bit_count,
        scaling=Scaling(options.scale, options.offset),
    )


def _check_scaling(scale: float, offset: float) -> None:
    try:
        Scaling(scale, offset)
    except ValueError as error:
        raise OptionError("config_scaling", scale=scale, offset=offset) from error
