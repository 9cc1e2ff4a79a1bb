"""Requests about servers that can be browsed and are not configured yet: how they may be reached, and what they have.

Room: hall, commissioning. `desk` calls it. It opens a driver of its own for one look, reads names and types and never values, and only
while the configuration says `commissioning = true`; a configured device is browsed by its own options at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from drivers.abilities import Bounds, Browser, Found, Offering
from drivers.driver import Driver, DriverError
from drivers.option_error import OptionError
from drivers.registry import load_config, make_driver
from drivers.shared import Shared
from runtime.clock import SystemClock
from runtime.config import Config

TYPE: Final = "opcua"
OFFERS_S: Final = 5.0
SECURED: Final = ("security", "security_mode", "server_fingerprint")
BOUNDS: Final = Bounds(depth=1, count=500, time_s=10.0)


async def offers(asked: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """Return {offers: [{security, mode, fingerprint, logins}]} of the server at {endpoint}."""
    _demand_commissioning(config)
    async with _driver({"endpoint": asked["endpoint"]}) as driver:
        if not isinstance(driver, Offering):
            raise DriverError("browse_not_supported", type=TYPE)
        found = await driver.offers(OFFERS_S)
    return {
        "offers": [
            {"security": each.security, "mode": each.mode, "fingerprint": each.fingerprint, "logins": list(each.logins)} for each in found
        ]
    }


async def browse(asked: Mapping[str, Any], config: Config, own_files: Mapping[str, str]) -> dict[str, Any]:
    """Return {found, stopped}: one level below {start} of a configured {device}, or of {endpoint}, {security, …}.

    Without `start` it begins where tags usually are; `stopped` names the bound that ended it. On a secured channel the server must show the
    fingerprint that is given, and we show our own certificate, which is made at its first use.
    """
    start = asked.get("start")
    if start is not None and not isinstance(start, str):
        raise OptionError("config_opcua_node", value=str(start)[:80])
    found: list[Found] = []
    async with _driver(_options(asked, config, own_files)) as driver:
        if not isinstance(driver, Browser):
            raise DriverError("browse_not_supported", type=TYPE)
        stopped = await driver.browse(start, BOUNDS, found.append)
    rows = [
        {"path": list(each.path), "kind": each.kind, "node": each.node, "type": each.type, "writable": each.writable,
         "options": dict(each.options)}
        for each in found
    ]  # fmt: skip
    return {"found": rows, "stopped": stopped}


def _options(asked: Mapping[str, Any], config: Config, own_files: Mapping[str, str]) -> Mapping[str, Any]:
    if "device" in asked:
        device = next((each for each in config.devices if each.name == asked["device"]), None)
        if device is None:
            raise OptionError("device_unknown", device=str(asked["device"])[:80])
        if device.type != TYPE:
            raise OptionError("browse_not_supported", type=device.type)
        return device.options.model_dump(exclude_unset=True)
    _demand_commissioning(config)
    given = {key: asked[key] for key in SECURED if key in asked}
    return {"endpoint": asked["endpoint"], **given, **(own_files if given.get("security", "none") != "none" else {})}


def _demand_commissioning(config: Config) -> None:
    if not config.gateway.commissioning:
        raise OptionError("commissioning_off")


def _driver(options: Mapping[str, Any]) -> Driver:
    try:
        return make_driver(TYPE, "bench", load_config(TYPE, "bench", options), SystemClock(), Shared(only_looks=True))
    except ValidationError as error:
        raise OptionError("config_opcua_endpoint", value=str(options.get("endpoint"))[:80]) from error
