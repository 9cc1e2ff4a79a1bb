"""The options of a replayed device and of its tags.

Room: ground, driver `replay`. Called by `factory.py`. Validates only; opens nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class DeviceOptions(BaseModel):
    """Keys of `[devices.X]` for type `replay`, besides the common ones."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    file: str = Field(min_length=1)
    """A capture (see `drivers/capture.py`)."""
    speed: float = Field(default=1.0, gt=0, le=10_000)
    """How fast captured time goes by; times in the scans shrink alike."""
    loop: bool = False
    """Begin again at the end; otherwise reads fail with `capture_ended`."""


@dataclass(frozen=True, slots=True)
class Address:
    """The tag's name in the capture."""

    name: str


class TagOptions(BaseModel):
    """Keys of a tag of a replayed device, besides the common ones."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    captured: str = Field(min_length=1)
    """The tag's name in the capture."""
    data: Literal["bool", "int", "float32", "float64", "text"] = "float64"


def parse_address(raw: dict[str, object]) -> Address:
    """Return the frozen address of a tag's raw options. Raises pydantic.ValidationError with every fault."""
    return make_address(TagOptions.model_validate(raw))


def make_address(options: TagOptions) -> Address:
    """Return the frozen address of validated options."""
    return Address(options.captured)
