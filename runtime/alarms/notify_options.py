"""The shape of [notify] in the config file: what pydantic accepts at the edge.

Room: hall, alarms. `notify_config` alone uses these models; past it only the dataclasses of `notify_plan` flow. It knows no device and
opens nothing.
"""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from drivers.option_error import OptionError
from runtime.alarms.options import Priority
from runtime.config_shapes import Name, Strict, Text

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Where http is as good as https."""


def _clock_time(text: str) -> str:
    if text:
        try:
            found = time.fromisoformat(text)
        except ValueError as error:
            raise OptionError("config_alarm_time", value=text[:80]) from error
        if found.tzinfo is not None or len(text) != 5:
            raise OptionError("config_alarm_time", value=text[:80])
    return text


ClockTime = Annotated[str, AfterValidator(_clock_time)]


class Notify(Strict):
    """[notify]."""

    zone: Text = "UTC"
    targets: list[dict[str, Any]] = Field(default=[], max_length=16)


class TargetKind(BaseModel):
    """What every target must say; the rest is judged by its kind."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: Name
    type: Literal["email", "webhook", "light"]


class Target(Strict):
    """[[notify.targets]]: the keys that every type has."""

    name: Name
    type: Literal["email", "webhook", "light"]
    priorities: list[Priority] = Field(default=["low", "medium", "high"], min_length=1, max_length=3)


class Told(Target):
    """Of targets that are told in words: escalation and quiet hours."""

    after_min: float = Field(default=0.0, ge=0, le=1440)
    repeat_min: float = Field(default=0.0, ge=0, le=1440)
    lang: Literal["en", "zh"] = "en"
    quiet_from: ClockTime = ""
    quiet_to: ClockTime = ""
    quiet_breaks: list[Priority] = Field(default=["high"], max_length=3)

    @model_validator(mode="after")
    def _whole_night(self, info: ValidationInfo) -> Self:
        if not (info.context or {}).get("wrong") and bool(self.quiet_from) != bool(self.quiet_to):
            raise OptionError("config_alarm_quiet_half")
        return self


class Email(Strict):
    """Keys of type = "email"."""

    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    ca_file: str = ""
    user_file: str = ""
    password_file: str = ""
    sender: Annotated[str, Field(min_length=3, max_length=254)]
    to: list[Annotated[str, Field(min_length=3, max_length=254)]] = Field(min_length=1, max_length=20)

    @model_validator(mode="after")
    def _makes_sense(self, info: ValidationInfo) -> Self:
        wrong = (info.context or {}).get("wrong", ())
        if "sender" not in wrong and "to" not in wrong:
            for address in (self.sender, *self.to):
                if address.count("@") != 1 or any(sign.isspace() or ord(sign) < 32 for sign in address) or not address.isascii():
                    raise OptionError("config_alarm_address", value=address[:80])
        if bool(self.user_file) != bool(self.password_file):
            raise OptionError("config_alarm_password_half")
        if self.password_file and self.security == "none":
            raise OptionError("config_alarm_password_bare")
        return self


class Webhook(Strict):
    """Keys of type = "webhook"."""

    url: Annotated[str, Field(max_length=2000, json_schema_extra={"secret": True})]
    """Whoever knows it can post there: diagnostics never show it."""
    hmac_file: str = ""
    ca_file: str = ""

    @model_validator(mode="after")
    def _leads_somewhere(self, info: ValidationInfo) -> Self:
        if "url" in (info.context or {}).get("wrong", ()):
            return self
        try:
            parts = urlsplit(self.url)
            bare = parts.scheme == "http" and parts.hostname in LOOPBACK
            good = (parts.scheme == "https" or bare) and parts.hostname and (parts.port is None or parts.port > 0)
        except ValueError:
            good, parts = False, urlsplit("")
        if not good or parts.username is not None or parts.password is not None or parts.fragment or not self.url.isascii():
            raise OptionError("config_alarm_url")
        if any(sign.isspace() or ord(sign) < 33 for sign in self.url):
            raise OptionError("config_alarm_url")
        return self


class Light(Strict):
    """Keys of type = "light": an output that is on while somebody is called."""

    tag: Text
    on: bool | int | float | str = True
    off: bool | int | float | str = False
    lit_while: Literal["unacked", "active"] = "unacked"


class EmailTarget(Told, Email):
    """type = "email"."""


class WebhookTarget(Told, Webhook):
    """type = "webhook"."""


class LightTarget(Target, Light):
    """type = "light"."""
