"""The options of a Modbus device; those of its tags are in `tag_options.py`.

Room: ground, driver `modbus`. Called by `factory.py`. Validates only; opens nothing.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from drivers.option_error import OptionError

Order = Literal["big", "little"]


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
    """Most unwanted registers read over to save a request; None: as many as cost less bus time than a request. Coils: 16 times as many."""
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
