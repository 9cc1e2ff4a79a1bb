"""The options of a tag of a Modbus device, and the frozen address that they make.

Room: ground, driver `modbus`. Called by `factory.py`. Validates only; opens nothing but the zone that a clock's tag names.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from drivers.modbus.address import (
    Address,
    TextForm,
    TimeForm,
    bit_tables,
    epoch_kinds,
    flag_kinds,
    float_kinds,
    part_kinds,
    time_kinds,
    whole_kinds,
)
from drivers.modbus.config import Order
from drivers.modbus.missing import missing_of
from drivers.modbus.notation import addresses, read_notation
from drivers.one_of_a_kind import one_of_a_kind
from drivers.option_error import OptionError
from drivers.scaling import Scaling

Kind = Literal[
    "bool", "bits", "bits32", "bits64", "int8", "uint8", "int16", "uint16", "int24", "uint24", "int32", "uint32", "int48", "uint48",
    "int64", "uint64", "float16", "float32", "float64", "signmag16", "signmag32", "signmag64", "bcd16", "bcd32", "bcd64",
    "m10k32", "m10k48", "m10k64", "string", "unix_s32", "unix_s64", "unix_ms64", "sunspec_s32", "cp56", "s7_datetime",
    "datetime_registers", "datetime_bytes", "datetime_bcd",
]  # fmt: skip

numeric_kinds: Final = (*whole_kinds, *float_kinds)
kinds_of: Final[dict[str, tuple[str, ...]]] = {
    "bit": ("bits", "bits32", "bits64"),
    "bit_count": ("bits", "bits32", "bits64"),
    "byte": ("int8", "uint8", "string"),
    "length": ("string",),
    "encoding": ("string",),
    "padding": ("string",),
    "parts": part_kinds,
    "zone": time_kinds,
    "time_as": time_kinds,
    "fraction_bits": whole_kinds,
    "scale_factor": numeric_kinds,
    "missing": (*numeric_kinds, *flag_kinds, *epoch_kinds, "string"),
    "scale": numeric_kinds,
    "offset": numeric_kinds,
}
"""Option -> the data types that it goes with."""

_offset_pattern: Final = re.compile(r"([+-])([01][0-9]):([0-5][0-9])")
_widths: Final = re.compile(r"(?:int|uint|float|signmag|bcd|m10k|bits|unix_s|unix_ms|sunspec_s)(8|16|24|32|48|64)")


class TagOptions(BaseModel):
    """Keys of a tag of a Modbus device, besides the common ones."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    address: str
    """A notation of `notation.py`: `holding:100`, `holding1:101`, `400101`, `4x0101`, `%MW100`."""
    data: Kind | None = None
    """Default: bool in the bit tables, uint16 in the register tables."""
    bit: int = Field(default=0, ge=0, le=63)
    bit_count: int = Field(default=1, ge=1, le=64)
    byte: Literal["high", "low"] | None = None
    """The half of the register of an 8-bit number (None: low), or of each register of a text with one character a register."""
    length: int | None = Field(default=None, ge=1, le=125)
    """Registers of a string."""
    encoding: Literal["utf-8", "latin-1", "ascii"] = "utf-8"
    padding: Literal["nul", "space"] = "nul"
    parts: str | None = Field(default=None, max_length=24)
    """What stands in each register or byte of a `datetime_` type: Y M D h m s, u milliseconds, - anything else."""
    zone: str = "UTC"
    time_as: Literal["text", "ms"] = "text"
    byte_order: Order | None = None
    word_order: Order | None = None
    order: str | None = Field(default=None, max_length=8)
    """The bytes as they come over the wire, A the most significant: `CDAB`. In place of the other two."""
    scale: float = 1.0
    offset: float = 0.0
    fraction_bits: int = Field(default=0, ge=0, le=63)
    scale_factor: str | None = None
    """Address of the register that holds the power of ten of the value, as in SunSpec."""
    missing: Literal["sunspec", "nan"] | list[int | float | str] | None = None

    @field_validator("address", "scale_factor")
    @classmethod
    def _is_address(cls, address: str | None) -> str | None:
        if address is not None:
            read_notation(address)
        return address

    @field_validator("zone")
    @classmethod
    def _is_zone(cls, zone: str) -> str:
        zone_of(zone)
        return zone

    @model_validator(mode="after")
    def _is_sound(self, info: ValidationInfo) -> Self:
        wrong = (info.context or {}).get("wrong", ())  # it was given, and is a fault already
        kind, (table, start) = self.kind, read_notation(self.address)
        if table in bit_tables and kind != "bool":
            raise OptionError("config_data_table", data=kind, table=table)
        if table in bit_tables and (self.missing is not None or self.byte_order or self.word_order or self.order):
            raise OptionError("config_bit_table_plain", table=table)
        for key, kinds in kinds_of.items():
            if kind not in kinds and getattr(self, key) != type(self).model_fields[key].default:
                raise _misplaced(key, kind)
        for key, needed_by in (("length", ("string",)), ("parts", part_kinds)):
            if kind in needed_by and getattr(self, key) is None and key not in wrong:
                raise OptionError("config_needs", key=key, when=f'data = "{kind}"')
        if kind in kinds_of["bit"] and self.bit + self.bit_count > 16 * self.register_count:
            raise OptionError("config_bits_inside", last=self.bit + self.bit_count, bits=16 * self.register_count)
        if start + self.register_count > addresses:
            raise OptionError("config_address_beyond", address=self.address)
        self._check_time_parts()
        self._check_order()
        self._check_scaling()
        missing_of(self.missing, kind)
        return self

    @property
    def kind(self) -> str:
        """The data type in force."""
        if self.data is not None:
            return self.data
        return "bool" if read_notation(self.address)[0] in bit_tables else "uint16"

    @property
    def register_count(self) -> int:
        """Registers of the value (1 for a bit of a bit table)."""
        if self.length is not None:
            return self.length
        if self.parts is not None:
            return len(self.parts) if self.kind == "datetime_registers" else (len(self.parts) + 1) // 2
        if self.kind in ("cp56", "s7_datetime"):
            return 4
        width = _widths.fullmatch(self.kind)
        return (int(width[1]) + 15) // 16 if width else 1

    def _check_time_parts(self) -> None:
        if self.parts is None:
            return
        counts = Counter(self.parts)
        years = counts.pop("Y", 0)
        counts.pop("-", None)
        wide_year = years == 2 and "YY" in self.parts and self.kind == "datetime_bytes"
        whole_ms = self.kind == "datetime_registers" or "u" not in counts
        if not (years == 1 or wide_year) or not {"M", "D"} <= counts.keys() <= set("MDhmsu") or max(counts.values()) > 1 or not whole_ms:
            raise OptionError("config_time_parts", value=self.parts)

    def _check_order(self) -> None:
        if self.order is None:
            return
        if self.kind in ("int8", "uint8", "string", *part_kinds):
            raise _misplaced("order", self.kind)
        letters = "ABCDEFGH"[: self.register_count * 2]
        if sorted(self.order) != list(letters):
            raise OptionError("config_order", value=self.order, letters=letters)
        if self.byte_order or self.word_order:
            raise OptionError("config_order_twice")

    def _check_scaling(self) -> None:
        if self.scale_factor is not None:
            table, _ = read_notation(self.scale_factor)
            if table in bit_tables:
                raise OptionError("config_data_table", data="scale_factor", table=table)
            if (self.scale, self.offset, self.fraction_bits) != (1.0, 0.0, 0):
                raise OptionError("config_scale_factor_alone")
        try:
            self.scaling()
        except ValueError as error:
            raise OptionError("config_scaling", scale=self.scale, offset=self.offset) from error

    def scaling(self) -> Scaling:
        """Return the scaling in force. Raises ValueError for a useless one."""
        return Scaling(self.scale * 2.0**-self.fraction_bits, self.offset)


def parse_address(raw: dict[str, object]) -> Address:
    """Return the frozen address of a tag's raw options. Raises pydantic.ValidationError with every fault."""
    return make_address(TagOptions.model_validate(raw))


def make_address(options: TagOptions) -> Address:
    """Return the frozen address of validated options."""
    table, start = read_notation(options.address)
    byte = options.byte or ("low" if options.kind in ("int8", "uint8") else "")
    return Address(
        table=table,
        start=start,
        kind=options.kind,
        count=options.register_count,
        byte_order=options.byte_order,
        word_order=options.word_order,
        bit=options.bit,
        bit_count=options.bit_count,
        scaling=one_of_a_kind(options.scaling()),
        order=options.order or "",
        byte=byte,
        missing=missing_of(options.missing, options.kind),
        scale_factor=read_notation(options.scale_factor) if options.scale_factor is not None else None,
        text=one_of_a_kind(TextForm(options.encoding, options.padding)),
        time=one_of_a_kind(TimeForm(zone_of(options.zone), options.time_as == "ms", options.parts or "")),
    )


def zone_of(name: str) -> tzinfo:
    """Return the zone `UTC`, `+08:00` or `Europe/Berlin`. Raises OptionError `config_zone` when this machine does not know it."""
    if name == "UTC":
        return UTC
    if offset := _offset_pattern.fullmatch(name):
        minutes = int(offset[2]) * 60 + int(offset[3])
        return timezone(timedelta(minutes=minutes if offset[1] == "+" else -minutes))
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:  # a folder, a hostile path, an unknown name
        raise OptionError("config_zone", value=name[:80]) from error


def _misplaced(key: str, kind: str) -> OptionError:
    return OptionError("config_option_for_data", key=key, data=kind, kinds=" ".join(kinds_of.get(key, ())) or "-")
