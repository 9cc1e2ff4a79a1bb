"""The gateway configuration for the running sim board: config.toml with its ports filled in.

Room: ground, sim board. The demo and the tests call it with the JSON line that `boards.sim` printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Final

PLACEHOLDERS: Final = ("filler_port", "meter_port", "capper_port")


def gateway_config(ports: Mapping[str, object], host: str = "127.0.0.1") -> str:
    """Return the text of the configuration. Raises KeyError when a port is missing.

    It is plain replacing, not `str.format`: TOML has braces of its own.
    """
    text = files("boards.sim").joinpath("config.toml").read_text(encoding="utf-8").replace("{host}", host)
    for name in PLACEHOLDERS:
        text = text.replace("{" + name + "}", str(ports[name]))
    return text
