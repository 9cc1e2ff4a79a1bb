"""The section [web] of the config file.

Room: hall. `config_model` puts it into the file's model. It opens nothing.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from drivers.option_error import OptionError
from runtime.config_shapes import Strict, shaped

LOOPBACK = ("127.0.0.1", "::1", "localhost")
HostName = Annotated[str, shaped(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?", "config_web_name")]


class Web(Strict):
    """[web]."""

    enabled: bool = True
    host: str = "127.0.0.1"
    port: int = Field(default=8480, ge=0, le=65535)
    tls: bool = False
    """TLS on loopback too; any other address has it anyway."""
    hosts: list[HostName] = Field(default=[], max_length=20)
    """Further names by which browsers reach it, besides the machine's own."""
    verifier: str = Field(default="", max_length=200, pattern=r"^(https://[!-~]+)?$")
    open_view: bool = False
    """Whether whoever reaches the page may look without an account; there is only loopback to reach it by."""

    @field_validator("host")
    @classmethod
    def _is_an_address(cls, host: str) -> str:
        try:
            ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
        except ValueError as error:
            raise OptionError("config_web_host", value=host[:80]) from error
        return host

    @model_validator(mode="after")
    def _looks_from_here_alone(self) -> Self:
        if self.open_view and self.host not in LOOPBACK:
            raise OptionError("config_web_open_view", value=self.host)
        return self
