"""A device of the config file that names a template becomes what it would be if the template had been written into it.

Room: hall. `config` calls `with_template` before it judges a device. Only templates that come with Witnessmark may be named: a recorded
revision must mean the same at the next start, so one's own are written out by `witnessmark templates show` instead.
"""

from __future__ import annotations

from typing import Any

from drivers.option_error import OptionError
from runtime.config_faults import Faults, Place
from runtime.config_model import TemplateUse


def with_template(faults: Faults, place: Place, where: str, raw: Any) -> Any:
    """Return the whole table of a device: `raw` itself when it names no template or is none; None when its template cannot be used."""
    if not isinstance(raw, dict) or "template" not in raw:
        return raw
    used = {key: value for key, value in raw.items() if key in TemplateUse.model_fields}
    if faults.judge(TemplateUse, used, place, where) is None:
        return None
    from drivers.templates import Library, expanded  # 1 MB that a configuration without templates does not need

    try:
        template = Library().find(raw["template"]).template
        if raw.get("type", template.type) != template.type:
            raise OptionError("template_type", name=raw["template"], type=template.type)
        return expanded(raw, template)
    except OptionError as error:
        faults.add((*place, "template"), f"{where}.template", error.code, **error.params)
        return None
