"""The options of a device of virtual tags and of its tags, and the frozen address that a tag gets.

Room: ground, driver `virtual`. Called by `factory.py`. Validates only; whether a formula's tags exist, `runtime.config_references` judges.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from drivers.option_error import OptionError
from drivers.virtual.formula import Formula, parse
from drivers.virtual.tokens import FormulaError

Data = Literal["float64", "int", "bool", "text"]


class DeviceOptions(BaseModel):
    """Keys of `[devices.X]` for type `virtual`, besides the common ones."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    stale_after_s: float = Field(default=60.0, gt=0, le=86_400)
    """How old a polled input may be and still be good."""


class TagOptions(BaseModel):
    """Keys of a virtual tag, besides the common ones."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    formula: str
    data: Data = "float64"

    @field_validator("formula")
    @classmethod
    def _makes_sense(cls, text: str) -> str:
        try:
            formula = parse(text)
        except FormulaError as error:
            raise OptionError(error.code, **error.params) from error
        if not formula.inputs:
            raise OptionError("config_formula_constant")
        return text


@dataclass(frozen=True)
class Address:
    """A formula, and the type of its result. Two are the same when they are written the same."""

    text: str
    data: Data

    @cached_property
    def formula(self) -> Formula:
        """The formula, parsed once."""
        return parse(self.text)


def make_address(options: TagOptions) -> Address:
    """Return the frozen address of validated options."""
    return Address(options.formula, options.data)
