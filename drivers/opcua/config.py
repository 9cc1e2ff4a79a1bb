"""The options of an OPC UA device and of its tags, and the frozen address that a tag gets.

Room: ground, driver `opcua`. Called by `factory.py`. Validates only; opens nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from drivers.option_error import OptionError

ValueType = Literal["bool", "int", "float32", "float64", "text"]

endpoint_pattern: Final = re.compile(r"opc\.tcp://[^\s/:@]+(:[0-9]{1,5})?(/\S*)?")
node_pattern: Final = re.compile(r"(ns=\d{1,5};)?(i=\d{1,10}|s=.{1,4096}|g=[0-9a-fA-F-]{36}|b=[A-Za-z0-9+/=]{1,4096})", re.DOTALL)
"""The text form of a node id (OPC UA Part 6, 5.3.1.10)."""


class DeviceOptions(BaseModel):
    """Keys of `[devices.X]` for type `opcua`, besides the common ones."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    endpoint: str
    """Address of the server, without user or password."""
    security: Literal["none"] = "none"
    session_timeout_s: float = Field(default=30.0, ge=5, le=3600)
    """How long the server keeps a session that it hears nothing from; a lost connection occupies a slot for so long."""
    request_timeout_s: float = Field(default=2.0, gt=0, le=60)
    """How long to wait for one answer; the deadline of the whole read stands above it."""
    subscription_interval_ms: int | None = Field(default=None, ge=10, le=3_600_000)
    """Publishing and sampling interval of pushed groups; None: the group's period."""
    queue_size: int = Field(default=10, ge=1, le=1000)
    """Samples of one tag that the server keeps between two notifications. More are lost, which is told."""
    max_nodes: int = Field(default=1000, ge=1, le=10_000)
    """Nodes in one request; halved when the server says that it is too many."""

    @field_validator("endpoint")
    @classmethod
    def _is_endpoint(cls, endpoint: str) -> str:
        if not endpoint_pattern.fullmatch(endpoint):
            shown = endpoint if "@" not in endpoint else "opc.tcp://…"  # what stands before an @ may be a password
            raise OptionError("config_opcua_endpoint", value=shown[:80])
        return endpoint


@dataclass(frozen=True, slots=True)
class Address:
    """One variable node and the type that its values must have."""

    node: str
    type: str


class TagOptions(BaseModel):
    """Keys of a tag of an OPC UA device, besides the common ones."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    node: str
    """Node id: `ns=2;s=Filler.Speed`."""
    data: ValueType = "float64"

    @field_validator("node")
    @classmethod
    def _is_node_id(cls, node: str) -> str:
        if not node_pattern.fullmatch(node):
            raise OptionError("config_opcua_node", value=node[:80])
        return node


def parse_address(raw: dict[str, object]) -> Address:
    """Return the frozen address of a tag's raw options. Raises pydantic.ValidationError with every fault."""
    return make_address(TagOptions.model_validate(raw))


def make_address(options: TagOptions) -> Address:
    """Return the frozen address of validated options."""
    return Address(options.node, options.data)
