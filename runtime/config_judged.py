"""Checks of [models] against the devices of the same file, and what [[alarms]] may speak of: tags that are there, and are numbers.

Room: hall. `config` calls it with what it has judged already. It knows the file only: no model, no ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ledger_client.errors import FormatError
from ledger_client.keys import from_cose
from runtime import config_model as model
from runtime.alarms.from_config import Known
from runtime.config_faults import Faults, Place
from runtime.config_references import References

if TYPE_CHECKING:
    from runtime.config import DeviceConfig

NO_NUMBERS = frozenset({"text"})


def check_models(faults: Faults, models: model.Models, devices: Iterable[DeviceConfig | None], references: References) -> None:
    """Note every tag that is unknown, named twice or a text, a name given twice, and keys that are none.

    `references` tells which tags are there, those of faulty devices too: their faults make no others here.
    """
    found = [device for device in devices if device is not None]
    types = {f"{device.name}/{tag.name}": tag.type for device in found for group in device.groups for tag in group.tags}
    for at, key in enumerate(models.trusted_keys):
        try:
            from_cose(bytes.fromhex(key))
        except FormatError as error:
            faults.add(("models", "trusted_keys", at), f"models.trusted_keys.{at}", error.code, **error.params)
    names = Counter(each.name for each in models.define)
    for at, definition in enumerate(models.define):
        place: Place = ("models", "define", at)
        where = f"models.define.{definition.name}"
        if names[definition.name] > 1:
            faults.add(place, where, "config_name_twice", name=definition.name)
        tags = [tag if isinstance(tag, str) else tag.tag for tag in definition.tags]
        for tag in tags:
            if references.lacks(tag):
                faults.add(place, where, "config_model_tag_unknown", tag=tag)
            elif types.get(tag) in NO_NUMBERS:
                faults.add(place, where, "config_model_tag_text", tag=tag)
        for tag in sorted(name for name, count in Counter(tags).items() if count > 1):
            faults.add(place, where, "config_name_twice", name=tag)
        others = [*(gate.tag for gate in definition.gates), *(side for ratio in definition.ratios for side in (ratio.over, ratio.under))]
        for tag in dict.fromkeys(others):
            if tag not in tags:
                faults.add(place, where, "config_model_tag_not_in", tag=tag)
        for judged in (each for each in definition.tags if isinstance(each, model.JudgedTag)):
            if judged.low is not None and judged.high is not None and judged.low >= judged.high:
                faults.add(place, where, "config_range_order", low=judged.low, high=judged.high)


def known_to_alarms(devices: Iterable[DeviceConfig | None], names: Iterable[str], file: model.File | None) -> Known:
    """Return what alarms may name. `names` are those of all devices, faulty ones too: with a faulty one any tag may be there."""
    devices = list(devices)
    found = [device for device in devices if device is not None]
    tags = {
        f"{device.name}/{tag.name}": (tag.type, tag.unit, tag.writable) for device in found for group in device.groups for tag in group.tags
    }
    models = frozenset(each.name for each in file.models.define) if file is not None else None
    return Known(tags if len(found) == len(devices) else None, frozenset(names), models)
