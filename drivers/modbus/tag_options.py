"""The options of a tag of a Modbus device, and the frozen address that they make.

Room: ground, driver `modbus`. Called by `factory.py`. Validates only; opens nothing.
"""

from __future__ import annotations

import re
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from drivers.modbus.address import Address, bit_tables
from drivers.modbus.config import Order
from drivers.option_error import OptionError
from drivers.scaling import Scaling

Kind = Literal[
    "bool", "bits", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "bcd16", "bcd32", "string"
]

register_counts: Final = {"32": 2, "64": 4}
address_pattern: Final = re.compile(r"(coil|discrete|holding|input):[0-9]{1,5}")


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
