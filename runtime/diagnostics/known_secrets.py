"""The secrets that a configuration holds by value: what option models mark, such as a webhook's address, which lets in whoever knows it.

Room: hall, diagnostics. Whoever redacts gives them to the `Redactor`. It reads no file that an option names. Pure.
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel

from runtime.config import Config, parse_config
from runtime.config_faults import ConfigError

_URL_VALUE: Final = re.compile(r"""\burl["']?\s{0,8}=\s{0,8}["']([a-z][a-z0-9+.-]{0,20}://[^"'\s]{1,2000})["']""", re.IGNORECASE)
PATH_CHARS_MIN: Final = 8
"""A shorter path of an address is nobody's secret, and stands in too many texts."""


def known_secrets(config: Config) -> list[str]:
    """Return every marked value of a configuration, addresses also without their host, as errors name them."""
    sections = [getattr(config, each.name) for each in fields(config)]  # every one that there is: `marked` passes over what is no model
    models = [*sections, *(each.options for each in config.devices), *(each.options for each in config.notify.targets)]
    return _with_paths([text for model in models for text in marked(model)])


def secrets_in_text(text: str) -> list[str]:
    """Return the same of a config text, as well as it can be told: one that is not valid may hold a secret in any address."""
    try:
        return known_secrets(parse_config(text))
    except ConfigError:
        return _with_paths([found for found in _URL_VALUE.findall(text) if len(urlsplit(found).path) >= PATH_CHARS_MIN])


def marked(options: object) -> list[str]:
    """Return the values of the fields of a model that are marked secret (`json_schema_extra={"secret": True}`), nested models included."""
    found: list[str] = []
    if isinstance(options, BaseModel):
        for name, field in type(options).model_fields.items():
            value, extra = getattr(options, name), field.json_schema_extra
            if isinstance(extra, dict) and extra.get("secret"):
                found += [each for each in (value if isinstance(value, list | tuple) else [value]) if isinstance(each, str)]
            else:
                found += marked(value)
    elif isinstance(options, list | tuple):
        found += [text for each in options for text in marked(each)]
    return found


def _with_paths(values: list[str]) -> list[str]:
    found = list(values)
    for value in values:
        if "://" in value:
            parts = urlsplit(value)
            path = parts.path + (f"?{parts.query}" if parts.query else "")
            found += [each for each in (path, parts.path) if len(each) >= PATH_CHARS_MIN]
    return found
