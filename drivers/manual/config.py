"""The options of a manual station and of its tags, and the frozen address that a tag gets.

Room: ground, driver `manual`. Called by `factory.py`. Validates only; opens nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from drivers.option_error import OptionError

Data = Literal["bool", "int", "float64", "text"]


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise OptionError("config_pattern", value=text[:80], detail=str(error)) from error
    return text


Pattern = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_pattern)]
Place = Annotated[str, Field(min_length=1, max_length=200)]
Person = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Gauge(_Options):
    """gauge = {…} of a station: a serial port on which an instrument or a scanner sends lines by itself."""

    serial_port: Place
    by: Person
    """Who works at it: its readings are this login's."""
    baud: int = Field(default=9600, ge=300, le=921_600)
    parity: Literal["none", "even", "odd"] = "none"
    data_bits: Literal[7, 8] = 8
    stop_bits: Literal[1, 2] = 1
    encoding: Literal["ascii", "utf-8", "windows-1252", "cp437", "gbk"] = "ascii"
    """A line with bytes that are no characters of it is a bad reading."""


class DeviceOptions(_Options):
    """Keys of `[devices.X]` for type `manual`, besides the common ones."""

    people: list[Person] = []
    """Who may enter here; empty: whoever may act."""
    gauge: Gauge | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """What an entered value must keep to, and when the next one is due. `line`: how a gauge's line is read."""

    data: Data
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    line: str | None = None
    every_ms: int | None = None
    late_ms: int = 86_400_000


class TagOptions(_Options):
    """Keys of a manual tag, besides the common ones."""

    data: Data = "float64"
    min: float | None = Field(default=None, allow_inf_nan=False)
    max: float | None = Field(default=None, allow_inf_nan=False)
    choices: list[str] = Field(default=[], max_length=64)
    pattern: Pattern | None = None
    line: Pattern | None = None
    every_s: float | None = Field(default=None, ge=1, le=32_000_000, allow_inf_nan=False)
    late_max_s: float = Field(default=86_400.0, ge=0, le=32_000_000, allow_inf_nan=False)

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Self:
        if self.data in ("bool", "text") and (self.min is not None or self.max is not None):
            raise OptionError("config_no_limits", type=self.data)
        if self.min is not None and self.max is not None and self.min > self.max:
            raise OptionError("config_min_above_max", min=self.min, max=self.max)
        if self.data != "text" and (self.choices or self.pattern is not None):
            raise OptionError("config_manual_text_only", type=self.data)
        station = (info.context or {}).get("options")
        if isinstance(station, DeviceOptions) and (station.gauge is None) is not (self.line is None):
            raise OptionError("config_manual_line")
        return self


def make_address(options: TagOptions) -> Address:
    """Return the frozen address of validated options."""
    every_ms = round(options.every_s * 1000) if options.every_s is not None else None
    return Address(
        options.data, options.min, options.max, tuple(options.choices), options.pattern, options.line, every_ms,
        round(options.late_max_s * 1000),
    )  # fmt: skip


def parse_address(raw: dict[str, object]) -> Address:
    """Return the frozen address of a tag's raw options. Raises pydantic.ValidationError with every fault."""
    return make_address(TagOptions.model_validate(raw))
