"""The options of a Tickwire terminal and of its tags, and the address that a tag gets."""

from dataclasses import dataclass
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Kind = Literal["weight", "counter", "alarm"]


class DeviceOptions(BaseModel):
    """Keys of `[devices.X]` for type `tickwire`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    host: str = Field(min_length=1)
    port: int = Field(default=7400, ge=1, le=65535)
    silence_s: float = Field(default=3.0, gt=0, le=60)
    """A terminal that pushes says something at least each second; after this much silence it is taken for gone."""


class TagOptions(BaseModel):
    """Keys of a tag. `scale` is what one step of a weight is worth."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    channel: int = Field(ge=0, le=255)
    kind: Kind = "weight"
    scale: float = Field(default=0.1, gt=0)

    @model_validator(mode="after")
    def _only_weights_are_scaled(self) -> Self:
        if self.kind != "weight" and "scale" in self.model_fields_set:
            raise ValueError("scale is for weights")
        return self


@dataclass(frozen=True, slots=True)
class Address:
    """A channel, and what its number means."""

    channel: int
    kind: Kind
    scale: float
