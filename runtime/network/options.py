"""The section [network] of the config file.

Room: hall, network. `config_model` puts it into the file's model. It opens nothing.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from runtime.config_shapes import Strict


class Network(Strict):
    """[network]: how the gateway's own network is changed from the page, and how long a change waits to be confirmed."""

    backend: Literal["auto", "networkmanager", "networkd", "ip", "none"] = "auto"
    confirm_within_s: int = Field(default=120, ge=15, le=600)
