"""What a template of a device is, and what a device becomes that uses one. Pure.

Room: ground. `library.py` reads the files, `runtime.config` calls `expanded`. It judges only the template's own form: options and tags are
judged by the driver afterwards, as if they had been written into the configuration.

A template is TOML: `title`, `source` (where its facts are from), `type` (of the driver), `parameters` (blanks with their usual values),
`device` (usual options), `groups` as in a configuration, and `recorded` answers with the values that they must give. `{name}` in any text
stands for a parameter, and an address such as `holding:+71` counts from the parameter `base`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from drivers.option_error import OptionError

own_keys: Final = ("template", "parameters", "prefix", "without")
"""Keys of a device that speak of its template and are gone from what it becomes."""
Parameter = str | int | float
_blank: Final = re.compile(r"\{([a-z_]{1,32})\}")
_relative: Final = re.compile(r"(holding|input|coil|discrete):\+([0-9]{1,5})")


class Recorded(BaseModel):
    """Answers of a device: `frames` of Modbus (request and answer PDU in hexadecimal) or `nodes` of OPC UA; and what they must give.

    `values` are by tag; `bad` names the tags that must have none, with their OPC UA status. `made` says how the answers came about.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str = Field(max_length=64)
    made: str = Field(max_length=200)
    frames: list[list[str]] = []
    nodes: dict[str, Any] = {}
    parameters: dict[str, Parameter] = {}
    values: dict[str, Any]
    bad: dict[str, int] = {}


class Template(BaseModel):
    """One template file. `groups` are as in a configuration."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    title: str = Field(max_length=100)
    source: list[str] = Field(min_length=1)
    note: str = Field(default="", max_length=1000)
    type: str
    parameters: dict[str, Parameter] = {}
    device: dict[str, Any] = {}
    groups: list[dict[str, Any]] = Field(min_length=1)
    recorded: list[Recorded] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Found:
    """A template with its name."""

    name: str
    template: Template


def parse_template(raw: Mapping[str, Any]) -> Template:
    """Return the template of a parsed file. Raises pydantic.ValidationError."""
    return Template.model_validate(dict(raw))


def expanded(raw: Mapping[str, Any], template: Template) -> dict[str, Any]:
    """Return the table of a device as if the template had been written into it.

    What the device says itself stands above: options, periods, keys of tags with the same name, tags and groups of its own. Raises
    OptionError for a parameter that the template lacks, a tag to leave out that it lacks, or a shape that cannot be merged.
    """
    parameters = dict(template.parameters)
    for name, value in _table(raw, "parameters").items():
        if name not in parameters or type(value) is not type(parameters[name]):
            if not template.parameters:
                raise OptionError("template_no_parameters", name=str(name)[:40])
            known = ", ".join(f"{each} = {usual!r}" for each, usual in template.parameters.items())
            raise OptionError("template_parameter", name=str(name)[:40], known=known)
        parameters[name] = value
    prefix, without = raw.get("prefix", ""), raw.get("without", [])
    if not isinstance(prefix, str) or not isinstance(without, list):
        raise OptionError("template_keys")
    names = {tag["name"] for group in template.groups for tag in group["tags"]}
    if unknown := [str(each)[:40] for each in without if each not in names]:
        raise OptionError("template_without", names=", ".join(unknown))
    groups = [_filled(group, parameters) for group in template.groups]
    for group in groups:
        group["tags"] = [{**tag, "name": prefix + tag["name"]} for tag in group["tags"] if tag["name"] not in without]
    own = {key: value for key, value in raw.items() if key not in own_keys and key != "groups"}
    merged = _merged([group for group in groups if group["tags"]], raw.get("groups", []))
    return {"type": template.type, **_filled(template.device, parameters), **own, "groups": merged}


def _merged(groups: list[dict[str, Any]], own: Any) -> list[dict[str, Any]]:
    if not isinstance(own, list) or not all(isinstance(group, Mapping) for group in own):
        raise OptionError("template_keys")
    by_name = {group["name"]: group for group in groups}
    places = {tag["name"]: tag for group in groups for tag in group["tags"]}
    for given in own:
        group = by_name.get(given.get("name"))
        if group is None:
            groups.append(dict(given))
            continue
        tags = given.get("tags", [])
        if not isinstance(tags, list) or not all(isinstance(tag, Mapping) for tag in tags):
            raise OptionError("template_keys")
        group.update({key: value for key, value in given.items() if key != "tags"})
        for tag in tags:
            known = places.get(tag.get("name"))
            if known is None:
                group["tags"].append(dict(tag))
            else:
                known.update(tag)
    return groups


def _filled(value: Any, parameters: Mapping[str, Parameter]) -> Any:
    """Return a copy with every blank and relative address filled."""
    if isinstance(value, Mapping):
        return {key: _filled(each, parameters) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_filled(each, parameters) for each in value]
    if not isinstance(value, str):
        return value
    if (found := _relative.fullmatch(value)) and isinstance(base := parameters.get("base"), int):
        return f"{found[1]}:{base + int(found[2])}"
    return _blank.sub(lambda blank: str(parameters.get(blank[1], blank[0])), value)


def _table(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    table = raw.get(key, {})
    if not isinstance(table, Mapping):
        raise OptionError("template_keys")
    return table
