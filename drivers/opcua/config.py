"""The options of an OPC UA device and of its tags, and the frozen address that a tag gets.

Room: ground, driver `opcua`. Called by `factory.py`. Validates only; opens nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from drivers.opcua.nodes import NodeName, Step, parse_node, parse_part
from drivers.option_error import OptionError

ValueType = Literal["bool", "int", "float32", "float64", "text"]
Policy = Literal["none", "basic256sha256", "aes128_sha256_rsaoaep", "aes256_sha256_rsapss"]

endpoint_pattern: Final = re.compile(r"opc\.tcp://(\[[0-9a-fA-F:.]+\]|[^\s/:@\[\]]+)(:[0-9]{1,5})?(/\S*)?")
fingerprint_pattern: Final = re.compile(r"sha256:[0-9a-fA-F]{64}")


class DeviceOptions(BaseModel):
    """Keys of `[devices.X]` for type `opcua`, besides the common ones."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    endpoint: str
    """Address of the server, without user or password."""
    security: Policy = "none"
    """Security policy of the channel."""
    security_mode: Literal["sign", "sign_and_encrypt"] = "sign_and_encrypt"
    server_fingerprint: str | None = None
    """SHA-256 of the server's certificate. None: connecting is refused, and the refusal says which fingerprint the server shows."""
    certificate_file: str | None = None
    """Our certificate, PEM or DER. Where neither it nor the key exists, both are made."""
    key_file: str | None = None
    """Our private key, PEM, mode 0600."""
    user_file: str | None = None
    password_file: str | None = None
    """Files with user and password; the latter of mode 0600."""
    session_timeout_s: float = Field(default=30.0, ge=5, le=3600)
    """How long the server keeps a session that it hears nothing from; a lost connection occupies a slot for so long."""
    request_timeout_s: float = Field(default=2.0, gt=0, le=60)
    """How long to wait for one answer; the deadline of the whole read stands above it."""
    subscription_interval_ms: int | None = Field(default=None, ge=10, le=3_600_000)
    """Publishing and sampling interval of pushed groups; None: the group's period."""
    queue_size: int = Field(default=10, ge=1, le=1000)
    """Samples of one tag that the server keeps between two notifications, or while a lost connection is opened again."""
    max_nodes: int = Field(default=1000, ge=1, le=10_000)
    """Nodes in one request where the server names no limit, or a higher one; halved when the server says that it is too many."""
    method_calls: bool = False
    """Whether the door may call methods of this server; device writes must be on as well."""

    @field_validator("endpoint")
    @classmethod
    def _is_endpoint(cls, endpoint: str) -> str:
        if not endpoint_pattern.fullmatch(endpoint):
            shown = endpoint if "@" not in endpoint else "opc.tcp://…"  # what stands before an @ may be a password
            raise OptionError("config_opcua_endpoint", value=shown[:80])
        return endpoint

    @field_validator("server_fingerprint")
    @classmethod
    def _is_fingerprint(cls, value: str | None) -> str | None:
        if value is not None and not fingerprint_pattern.fullmatch(value):
            raise OptionError("config_opcua_fingerprint", value=value[:80])
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        files = (self.certificate_file, self.key_file)
        if self.security != "none" and not all(files):
            raise OptionError("config_opcua_files", security=self.security)
        if self.security == "none" and (any(files) or self.server_fingerprint or self.user_file or self.password_file):
            raise OptionError("config_opcua_no_security")
        if (self.user_file is None) != (self.password_file is None):
            raise OptionError("config_opcua_user")
        return self


@dataclass(frozen=True, slots=True)
class Address:
    """One variable node, the type that a tag's values must have, the way into its value, and a deadband for the server or None."""

    node: str
    type: str
    part: tuple[Step, ...] = ()
    server_deadband: float | None = None

    @property
    def name(self) -> NodeName:
        """The node id as it was written."""
        return parse_node(self.node)


class TagOptions(BaseModel):
    """Keys of a tag of an OPC UA device, besides the common ones."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    node: str
    """Node id: `nsu=urn:maker:filler;s=Filler.Speed`, or with an index, `ns=2;s=Filler.Speed`."""
    data: ValueType = "float64"
    part: str | None = None
    """Way into an array or a structure: `[3]`, `[1,2]`, `Motor.Speed`, `Motors[2].Speed`."""
    server_deadband: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """Pushed groups only: let the server hold back changes up to this (absolute, in the value's unit). None: it reports every change."""

    @field_validator("node")
    @classmethod
    def _is_node_id(cls, node: str) -> str:
        try:
            parse_node(node)
        except ValueError as error:
            raise OptionError("config_opcua_node", value=node[:80]) from error
        return node

    @field_validator("part")
    @classmethod
    def _is_part(cls, part: str | None) -> str | None:
        try:
            parse_part(part or "")
        except ValueError as error:
            raise OptionError("config_opcua_part", value=(part or "")[:80]) from error
        return part

    @model_validator(mode="after")
    def _deadband_fits(self) -> Self:
        if self.server_deadband is not None and (self.part or self.data in {"bool", "text"}):
            raise OptionError("config_opcua_deadband")
        return self


def parse_address(raw: dict[str, object]) -> Address:
    """Return the frozen address of a tag's raw options. Raises pydantic.ValidationError with every fault."""
    return make_address(TagOptions.model_validate(raw))


def make_address(options: TagOptions) -> Address:
    """Return the frozen address of validated options."""
    return Address(options.node, options.data, parse_part(options.part or ""), options.server_deadband)
