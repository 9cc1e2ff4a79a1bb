"""From what pydantic says of a value to a message code of ours with the value that stands there. Pure.

Room: hall. `config_faults` calls `coded` for every error of a model, so that no English of a library reaches a person who reads Chinese.
Error types: pydantic's "Validation Errors" page. One that is not known here keeps the library's own text.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

from drivers.option_error import OptionError
from runtime.config_meant import closest, texts_of, value_meant

Params = dict[str, str | int | float]
SHOWN_MAX: Final = 60

CODES: Final[Mapping[str, str]] = {
    "missing": "config_key_missing",
    "extra_forbidden": "config_key_unknown",
    "string_type": "config_not_text",
    "int_type": "config_not_int",
    "int_from_float": "config_not_int",
    "float_type": "config_not_number",
    "bool_type": "config_not_bool",
    "finite_number": "config_not_finite",
    "dict_type": "config_not_table",
    "model_type": "config_not_table",
    "list_type": "config_not_list",
    "greater_than": "config_not_above",
    "greater_than_equal": "config_below_min",
    "less_than": "config_not_below",
    "less_than_equal": "config_above_max",
    "literal_error": "config_not_one_of",
    "string_too_short": "config_text_too_short",
    "string_too_long": "config_text_too_long",
    "too_short": "config_too_few",
    "too_long": "config_too_many",
    "string_pattern_mismatch": "config_shape",
}
LIMITS: Final = ("ge", "gt", "le", "lt", "min_length", "max_length")


def coded(error: Mapping[str, Any], keys: Collection[str] = ()) -> tuple[str, Params]:
    """Return code and parameters of one entry of `ValidationError.errors()`; the parameter `value` is what stands in the file.

    `keys` are those that its table may have; `meant` is there where something that there is comes close to what is not.
    """
    context = error.get("ctx") or {}
    if isinstance(own := context.get("error"), OptionError):
        return own.code, {name: shown(given) if name == "value" else given for name, given in own.params.items()}
    code = CODES.get(error["type"])
    if code == "config_key_missing" and error["loc"] == ("gateway",):
        return "config_gateway_missing", {}
    if code is None:
        return "config_value", {"detail": str(error["msg"]).removeprefix("Value error, ")}
    if code == "config_not_list" and isinstance(error.get("input"), dict):
        return "config_not_list_table", {}
    params: Params = {"value": shown(error.get("input"))}
    limit = next((context[name] for name in LIMITS if name in context), None)
    if isinstance(limit, int | float):
        params["limit"] = int(limit) if limit == int(limit) else limit
    if "pattern" in context:
        params["pattern"] = str(context["pattern"])
    if "expected" in context:
        params["expected"] = str(context["expected"]).replace(" or ", ", ").replace("'", '"')
    if meant := _meant(code, error, keys):
        params["meant"] = meant
    return code, params


def _meant(code: str, error: Mapping[str, Any], keys: Collection[str]) -> str:
    key = error["loc"][-1] if error["loc"] else ""
    if code == "config_key_unknown":
        return closest(str(key), sorted(keys))
    if code == "config_not_one_of":
        return value_meant(key, error.get("input"), texts_of(str((error.get("ctx") or {}).get("expected", ""))), keys)
    return ""


def shown(value: object) -> str:
    """Return a value as it would stand in the file, cut to SHOWN_MAX characters."""
    if isinstance(value, dict):
        return "{…}"
    if isinstance(value, list):
        return "[…]" if value else "[]"
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool | int) else str(value)
    return text if len(text) <= SHOWN_MAX else text[: SHOWN_MAX - 1] + "…"
