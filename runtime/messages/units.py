"""The sign that people know for a unit's UCUM code: `Cel` is °C. Pure.

Room: hall. Pages show signs; the ledger, the configuration, the API and exported files keep the code. The browser gets the same table
with its words (`unit.Cel`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SIGNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Cel": "°C", "[degF]": "°F", "degF": "°F", "Ohm": "Ω", "mOhm": "mΩ", "kOhm": "kΩ", "MOhm": "MΩ", "um": "µm", "us": "µs",
        "uA": "µA", "uV": "µV", "ug": "µg", "uL": "µL", "uS/cm": "µS/cm", "um/s": "µm/s", "m2": "m²", "m3": "m³", "m3/h": "m³/h",
        "m3/s": "m³/s", "m/s2": "m/s²", "kg/m3": "kg/m³", "g/m3": "g/m³", "W/m2": "W/m²", "W.h": "Wh", "kW.h": "kWh", "MW.h": "MWh",
        "V.A": "VA", "kV.A": "kVA", "N.m": "N·m", "[pH]": "pH", "[ppm]": "ppm",
    }
)  # fmt: skip


def unit_sign(code: str) -> str:
    """Return the sign of a unit; what has none stays as it is."""
    return SIGNS.get(code, code)


def unit_words() -> dict[str, str]:
    """Return the table as words of a page."""
    return {f"unit.{code}": sign for code, sign in SIGNS.items()}
