"""The shape of what the config file says about writing: limits of setpoints, methods that may be called, and [commands].

Room: hall. A part of `config_model`, which has the devices and tags that these belong to; `config_commands` makes rules of them.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from drivers.option_error import OptionError
from runtime.config_shapes import Strict, TagName, Text


class Commands(Strict):
    """[commands]: what holds for every setpoint and call that people give."""

    clock_needed: Literal["any", "set", "disciplined"] = "set"
    confirm_within_s: float = Field(default=30.0, ge=5, le=300)
    approve_within_s: float = Field(default=900.0, ge=30, le=86_400)
    signed_approvals: bool = False


class Interlock(Strict):
    """One condition of write = { interlock = […] }: another tag must have this value, or one between these limits."""

    tag: Text
    equals: bool | int | float | str | None = None
    min: float | None = Field(default=None, allow_inf_nan=False)
    max: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if (self.equals is not None) == (self.min is not None or self.max is not None):
            raise OptionError("config_interlock_condition", tag=self.tag)
        return self


class Write(Strict):
    """write = {…} of a tag: what a setpoint must keep to, and whether it is read back."""

    min: float | None = Field(default=None, allow_inf_nan=False)
    max: float | None = Field(default=None, allow_inf_nan=False)
    max_step: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    interlock: list[Interlock] = Field(default=[], max_length=16)
    known_for_s: float = Field(default=10.0, gt=0, le=3600)
    max_rate: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    risk: Literal["low", "normal", "high"] = "normal"
    approvers: list[Text] = Field(default=[], max_length=16)
    programs: bool = False
    read_back: bool = True
    read_back_tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    read_back_s: float = Field(default=2.0, gt=0, le=20)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise OptionError("config_min_above_max", min=self.min, max=self.max)
        _check_approvers(self.risk, self.approvers)
        return self

    @property
    def limits_numbers(self) -> bool:
        """Whether it says something that only a number can keep to."""
        return any(each is not None for each in (self.min, self.max, self.max_step, self.max_rate)) or self.read_back_tolerance > 0


class Method(Strict):
    """[[devices.NAME.methods]]: a method of a device that may be called."""

    name: TagName
    object: Text
    method: Text
    arguments: list[Text] = Field(default=[], max_length=20)
    risk: Literal["low", "normal", "high"] = "normal"
    approvers: list[Text] = Field(default=[], max_length=16)
    programs: bool = False
    interlock: list[Interlock] = Field(default=[], max_length=16)
    known_for_s: float = Field(default=10.0, gt=0, le=3600)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _check_approvers(self.risk, self.approvers)
        return self


def _check_approvers(risk: str, approvers: list[str]) -> None:
    if approvers and risk != "high":
        raise OptionError("config_approvers_need_high", risk=risk)
