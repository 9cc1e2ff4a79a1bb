"""The feed's request `stations`: what people can enter where, within what limits, and what is due when.

Room: hall. `app` answers it for the page and for programs; it looks at the manual stations' tags and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from drivers.abilities import Enterable
from runtime.acquisition.poller import DevicePoller
from runtime.door import refuse_unless_may
from runtime.permissions import Actor


def stations_asked(pollers: Iterable[DevicePoller], actor: Actor) -> dict[str, Any]:
    """Return {stations: [{name, asset, people, gauge, tags: [...]}]}. Raises RequestRefusedError for whoever may enter nothing.

    Of each tag: target, uid, type, unit, exponent, min, max, choices, pattern, every_ms (None: at no certain time) and due_ms.
    """
    refuse_unless_may(actor, "manual.enter")
    return {"stations": [_station(poller) for poller in pollers if isinstance(poller.driver, Enterable)]}


def _station(poller: DevicePoller) -> dict[str, Any]:
    from drivers.manual.config import Address, DeviceOptions  # read already where there is such a station

    config, driver = poller.points.config, poller.driver
    assert isinstance(driver, Enterable)
    options = config.options if isinstance(config.options, DeviceOptions) else DeviceOptions()
    rows = []
    for tag in (tag for group in poller.points.groups for tag in group.tags):
        address = tag.address if isinstance(tag.address, Address) else Address("text")
        rows.append({
            "target": f"{config.name}/{tag.name}", "uid": tag.uid, "type": tag.type, "unit": tag.unit, "exponent": tag.exponent,
            "min": address.low, "max": address.high, "choices": list(address.choices), "pattern": address.pattern,
            "every_ms": address.every_ms, "due_ms": driver.due(tag),
        })  # fmt: skip
    return {
        "name": config.name, "asset": config.asset, "people": list(options.people), "gauge": options.gauge is not None, "tags": rows,
    }  # fmt: skip
