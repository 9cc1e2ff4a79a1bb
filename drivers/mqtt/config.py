"""The options of an MQTT device and of its tags, and the frozen addresses that tags get.

Room: ground, driver `mqtt`. Called by `factory.py`. Validates only; opens nothing, reads no file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from drivers.host import check_host
from drivers.option_error import OptionError

ValueType = Literal["bool", "int", "float32", "float64", "text"]
TimeFormat = Literal["iso", "unix_s", "unix_ms", "unix_us", "unix_ns"]
QualityFormat = Literal["word", "opcua", "opcda"]

topic_bytes_max: Final = 65_535
"""Bytes of a topic name (MQTT 5.0, 1.5.4)."""
pointer_pattern: Final = re.compile(r"(/([^~/]|~[01])*)*")
"""A JSON pointer (RFC 6901, 3)."""
json_age_s: Final = 60.0
"""How old a JSON topic's last value may be when nothing else is said: nobody tells when a publisher has died."""


def _topic(text: str) -> str:
    wrong = not text or len(text.encode("utf-8", "replace")) > topic_bytes_max or text.startswith("$share/")
    if wrong or any(mark in text for mark in "+#\x00"):
        raise OptionError("config_mqtt_topic", value=text[:80])
    return text


def _pointer(text: str) -> str:
    if not pointer_pattern.fullmatch(text):
        raise OptionError("config_mqtt_pointer", value=text[:80])
    return text


def _element(text: str) -> str:
    """Check one level of a Sparkplug topic."""
    if any(mark in text for mark in "/+#\x00"):
        raise OptionError("config_mqtt_element", value=text[:80])
    return text


Topic = Annotated[str, AfterValidator(_topic)]
Pointer = Annotated[str, AfterValidator(_pointer)]
Element = Annotated[str, Field(max_length=200), AfterValidator(_element)]


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """What one connection needs. Files are paths; they are read at each connect, so that a renewed certificate is taken."""

    host: str
    port: int
    client_id: str
    session_expiry_s: int
    keep_alive_s: int
    connect_timeout_s: float
    request_timeout_s: float
    tls: bool
    ca_file: str | None
    cert_file: str | None
    key_file: str | None
    username: str | None
    password_file: str | None
    qos: int
    payload_bytes_max: int
    queue_size: int
    host_id: str

    @property
    def key(self) -> tuple[str | int, ...]:
        """Devices with the same key share one connection."""
        return ("mqtt", self.host, self.port, self.client_id, self.username or "")

    @property
    def place(self) -> dict[str, str | int]:
        """What faults say of it."""
        return {"host": self.host, "port": self.port}


class DeviceOptions(BaseModel):
    """Keys of `[devices.X]` for type `mqtt`, besides the common ones."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    host: Annotated[str, Field(min_length=1, max_length=253), AfterValidator(check_host)]
    port: int = Field(default=1883, ge=1, le=65_535)
    payload: Literal["json", "sparkplug"] = "json"
    client_id: str = Field(default="", max_length=65)
    """With one, the broker keeps the session, and QoS 1 messages with it, while the gateway is away; empty: a new session each time."""
    session_expiry_s: int = Field(default=3600, ge=0, le=604_800)
    keep_alive_s: int = Field(default=15, ge=2, le=3600)
    connect_timeout_s: float = Field(default=5.0, gt=0, le=60)
    request_timeout_s: float = Field(default=2.0, gt=0, le=60)
    """How long the broker may owe an answer before the connection is given up."""
    tls: bool = False
    ca_file: str | None = None
    """Trusted certificates; none: the system's."""
    cert_file: str | None = None
    key_file: str | None = None
    username: str | None = None
    password_file: str | None = None
    qos: int = Field(default=1, ge=0, le=2)
    payload_bytes_max: int = Field(default=65_536, ge=64, le=8_388_608)
    queue_size: int = Field(default=1000, ge=1, le=100_000)
    """Messages between the network thread and the event loop, and scans of one pushed group that nobody has taken yet."""
    max_age_s: float | None = Field(default=None, gt=0, le=31_536_000)
    late_after_s: float = Field(default=60.0, gt=0, le=31_536_000)
    group_id: Element | None = None
    edge_node_id: Element | None = None
    device_id: Element = ""
    host_id: Element = ""
    """Our name as the Sparkplug primary host; with one, we say on its STATE topic that we are there."""
    rebirth: bool = True
    """Whether the edge node may be asked for a new birth."""

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if (self.payload == "sparkplug") != bool(self.group_id and self.edge_node_id):
            raise OptionError("config_mqtt_node")
        if self.payload == "json" and (self.device_id or self.host_id):
            raise OptionError("config_mqtt_node")
        if not self.tls and (self.ca_file or self.cert_file or self.key_file):
            raise OptionError("config_mqtt_tls")
        if bool(self.cert_file) != bool(self.key_file):
            raise OptionError("config_mqtt_certificate")
        if self.password_file and not self.username:
            raise OptionError("config_mqtt_password")
        return self

    def broker(self) -> BrokerSettings:
        """Return the settings of the connection that this device needs."""
        return BrokerSettings(
            self.host, self.port, self.client_id, self.session_expiry_s, self.keep_alive_s, self.connect_timeout_s, self.request_timeout_s,
            self.tls, self.ca_file, self.cert_file, self.key_file, self.username, self.password_file, self.qos, self.payload_bytes_max,
            self.queue_size, self.host_id,
        )  # fmt: skip

    def age_ms_max(self, own_s: float | None) -> int | None:
        """Return how old a tag's last value may be (ms), None for any age: a Sparkplug node says itself when it is gone."""
        limit_s = own_s if own_s is not None else self.max_age_s
        if limit_s is None:
            return round(json_age_s * 1000) if self.payload == "json" else None
        return round(limit_s * 1000)


@dataclass(frozen=True, slots=True)
class JsonAddress:
    """A value in the payloads of one topic. `pointer`, `time` and `quality` are JSON pointers as tuples of their parts."""

    topic: str
    content: str
    pointer: tuple[str, ...]
    type: str
    time: tuple[str, ...] | None
    time_format: str
    quality: tuple[str, ...] | None
    quality_format: str
    command_topic: str | None
    command_pointer: tuple[str, ...]
    max_age_s: float | None


@dataclass(frozen=True, slots=True)
class MetricAddress:
    """One metric of a Sparkplug edge node or of its device."""

    metric: str
    type: str
    max_age_s: float | None


Address = JsonAddress | MetricAddress


class TagOptions(BaseModel):
    """Keys of a tag of an MQTT device, besides the common ones. Either `topic` (JSON) or `metric` (Sparkplug)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    topic: Topic | None = None
    content: Literal["json", "text"] = "json"
    pointer: Pointer = ""
    time: Pointer | None = None
    time_format: TimeFormat = "iso"
    quality: Pointer | None = None
    quality_format: QualityFormat = "word"
    command_topic: Topic | None = None
    command_pointer: Pointer = ""
    metric: str | None = Field(default=None, min_length=1, max_length=1000)
    data: ValueType = "float64"
    max_age_s: float | None = Field(default=None, gt=0, le=31_536_000)

    @model_validator(mode="after")
    def _one_kind(self, info: ValidationInfo) -> Self:
        """Judge what goes together; the device's options, where the caller knows them, say which payload it has."""
        context = info.context or {}
        if not context.get("wrong", frozenset()) & {"topic", "metric"}:  # it was given, and is a fault already
            self._check_kind(context.get("options"))
        if self.content == "text" and (self.pointer or self.time is not None or self.quality is not None):
            raise OptionError("config_mqtt_text")
        return self

    def _check_kind(self, device: object) -> None:
        if isinstance(device, DeviceOptions) and (device.payload == "sparkplug") != (self.metric is not None):
            raise OptionError("config_mqtt_payload", payload=device.payload)
        if (self.topic is None) == (self.metric is None):
            raise OptionError("config_mqtt_tag")
        if self.metric is not None and self.model_fields_set - {"metric", "data", "max_age_s"}:
            raise OptionError("config_mqtt_tag")


def make_address(options: TagOptions) -> Address:
    """Return the frozen address of validated options."""
    if options.topic is None:
        return MetricAddress(str(options.metric), options.data, options.max_age_s)
    return JsonAddress(
        options.topic, options.content, pointer_parts(options.pointer), options.data,
        None if options.time is None else pointer_parts(options.time), options.time_format,
        None if options.quality is None else pointer_parts(options.quality), options.quality_format,
        options.command_topic, pointer_parts(options.command_pointer), options.max_age_s,
    )  # fmt: skip


def pointer_parts(pointer: str) -> tuple[str, ...]:
    """Return the unescaped parts of a JSON pointer (RFC 6901, 4)."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def parse_address(raw: dict[str, object]) -> Address:
    """Return the frozen address of a tag's raw options. Raises pydantic.ValidationError with every fault."""
    return make_address(TagOptions.model_validate(raw))
