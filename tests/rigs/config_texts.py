"""Every text that a configuration lets somebody choose, found by the models that judge it; and a configuration with markup in them all.

Room: tests. The base is `witnessmark.example.toml`, which has every option, and a plant that runs. Who adds a field has it covered here;
who adds a model (a section, a table, a driver) of which the base has no example is told so.
"""

from __future__ import annotations

import copy
import json
import tomllib
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from drivers.registry import driver_types, load_factory
from runtime import config
from runtime.config import ConfigError, parse_config
from runtime.config_faults import Faults, Place
from runtime.config_model import Anchor
from tests.rigs.hostile import texts
from tests.tidy.source import ROOT, plain_text

OURS: Final = ("runtime.", "drivers.")
PLACES_TRIED: Final = 2
"""Places of one field at which a text is tried: of devices that run, and then such as have the field already."""
WANTS_ITSELF: Final = {
    "drivers.templates.template.Template": "files of ours, not of a configuration; test_templates reads them all",
    "drivers.templates.template.Recorded": "the same",
}
"""Models that are no part of a configuration."""
NOT_RUN: Final = {
    "Feed.group": "the core does not start without that group",
    "Feed.web_user": "the core does not start without that user",
    "Evidence.policy_file": "the core does not start without that file",
}
"""Fields that are let in, and refused by a start: left as they are in a gateway that is to run."""
FILES: Final = {
    "security": "basic256sha256", "server_fingerprint": "sha256:" + "0" * 64, "certificate_file": "a.pem", "key_file": "b.pem",
    "user_file": "u.txt", "password_file": "c.txt",
}  # fmt: skip
"""Options that go together: alone each would be refused, whatever stands in it."""
NEEDED_BY: Final = {"devices": ("filler",), "alarms": ("filler", "press", "pump", "io"), "notify": ("io",), "models": ("filler",)}
"""Section -> devices that others of it speak of."""
MORE: Final = """
[devices.metered]
template = "sdm120"
enabled = false
host = "127.0.0.1"
prefix = "m "
without = ["frequency"]
[[devices.capper.methods]]
name = "reset"
object = "ns=2;s=Capper"
method = "ns=2;s=Reset"
arguments = ["int16"]
risk = "high"
approvers = ["alice"]
interlock = [{ tag = "capper/torque", max = 10.0 }]
"""


@dataclass(frozen=True, slots=True)
class Text:
    """A field that is a text, and where in the configuration it stands. `kind`: itself, one of a list, a key or a value of a table."""

    model: str
    name: str
    kind: str
    place: Place

    @property
    def field(self) -> str:
        """What it is called here: `Tag.unit`."""
        return f"{self.model}.{self.name}" + ("" if self.kind == "text" else f" ({self.kind})")


@dataclass(slots=True)
class Spoilt:
    """A configuration with markup in it: `let_in` is number -> field, `refused` are fields that take none."""

    raw: dict[str, Any]
    let_in: dict[int, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """It as a file."""
        return toml_of(self.raw)


def base(running: str) -> dict[str, Any]:
    """Return what runs, the example beside it with its devices switched off, and what the example has no room for."""
    raw, example, more = (tomllib.loads(text) for text in (running, plain_text(ROOT / "witnessmark.example.toml"), MORE))
    for device in example["devices"].values():
        device["enabled"] = False
    example["devices"]["capper"]["method_calls"] = True
    example["devices"]["capper"]["methods"] = more["devices"]["capper"]["methods"]
    example["devices"]["capper"] |= FILES
    example["devices"]["press"] |= {"cert_file": "a.pem", "key_file": "b.pem"}
    example["devices"]["filler"] |= {"transport": "tls", "ca_file": "c.pem", "client_cert_file": "a.pem", "client_key_file": "b.pem"}
    example["devices"]["lab"]["groups"][0]["tags"].append({"name": "shift", "data": "text", "choices": ["early", "late"]})
    example["syslog"] |= {"cert_file": "a.pem", "key_file": "b.pem"}
    example["web"]["verifier"] = "https://verify.example"
    example["ldap"] |= {"bind_dn": "cn=reader", "bind_password_file": "c.txt"}
    example["ldap"] |= {"url": "ldaps://127.0.0.1:9", "base": "dc=works", "roles": {"admin": ["cn=bosses"], "viewer": ["cn=all"]}}
    example["oidc"] |= {
        "issuer": "https://127.0.0.1:9", "client_id": "gateway", "redirect_uri": "https://gateway.example/login/sso/back",
        "roles": {"admin": ["bosses"]},
    }  # fmt: skip
    example["syslog"]["host"] = "127.0.0.1"
    example["web"]["hosts"] = ["gateway.example"]
    filling = example["models"]["define"][0]
    filling["gates"] = [{"tag": "filler/fill_level", "values": [6]}]
    filling["ratios"] = [{"name": "energy", "unit": "kWh", "over": "filler/flow", "under": "filler/fill_level"}]
    found = {**example, **{name: {**example.get(name, {}), **table} for name, table in raw.items() if isinstance(table, dict)}}
    beside = {name + "_2" if name in raw["devices"] else name: device for name, device in example["devices"].items()}
    found["devices"] = {**raw["devices"], **beside, "metered": more["devices"]["metered"]}
    found["alarms"] = [*raw.get("alarms", []), *example["alarms"]]
    found["notify"] = {**example["notify"], "targets": [*raw.get("notify", {}).get("targets", []), *example["notify"]["targets"]]}
    return found


def spoilt(raw: dict[str, Any], keep: Mapping[str, str] = types.MappingProxyType({})) -> Spoilt:
    """Put a hostile text wherever the models let one in, one field after the other; `keep`: fields that stay as they are, and why."""
    by_field: dict[str, list[Text]] = {}
    for each in texts_of(raw):
        by_field.setdefault(each.field, []).append(each)
    found = Spoilt(raw)
    for number, (name, places) in enumerate(sorted(by_field.items()), start=1):
        if name in keep:
            continue
        changed = next((done for each in _chosen(found.raw, places) if (done := _let_in(found.raw, each, number))), None)
        if changed is None:
            found.refused.append(name)
        else:
            found.raw, found.let_in[number] = changed, name
    parse_config(found.text)
    return found


def texts_of(raw: dict[str, Any]) -> list[Text]:
    """Return every text at every place where its model was asked to judge."""
    found = [each for model, place in judged(raw) for each in _of_model(model, raw, place)]
    for at, anchor in enumerate(raw.get("anchors", [])):  # options of anchors are judged by hand, not by a model
        own = {name: value for name, value in anchor.items() if name not in Anchor.model_fields}
        found += [Text("Anchor", name, "list" if isinstance(value, list) else "text", ("anchors", at)) for name, value in own.items()
                  if isinstance(value, str) or (isinstance(value, list) and value and isinstance(value[0], str))]  # fmt: skip
    return list(dict.fromkeys(found))


def judged(raw: dict[str, Any]) -> list[tuple[type[BaseModel], Place]]:
    """Return which model judges which place of a configuration that is right."""
    seen: list[tuple[type[BaseModel], Place]] = []

    class Watched(Faults):
        def judge(self, model: Any, raw: Any, place: Place, where: str, *others: Any, **named: Any) -> Any:
            seen.append((model, place))
            return super().judge(model, raw, place, where, *others, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "Faults", Watched)
        parse_config(toml_of(raw))
    return seen


def without_an_example(raw: dict[str, Any]) -> set[str]:
    """Return the models of ours that have texts and of which a configuration has no example."""
    for name in driver_types():
        load_factory(name)
    reached = {model for top, place in judged(raw) for model in _nested(top, raw, place)}
    texts_in = {model for model in _all_models(BaseModel) if any(_shapes(each.annotation) for each in model.model_fields.values())}
    missing = {model for model in texts_in if not any(issubclass(each, model) for each in reached)}
    return {f"{each.__module__}.{each.__qualname__}" for each in missing} - WANTS_ITSELF.keys()


def toml_of(raw: Mapping[str, Any]) -> str:
    """Write a table as a file: a header for each section and each device, the rest within."""
    lines = []
    for name, table in raw.items():
        tables = {f"devices.{json.dumps(key)}": value for key, value in table.items()} if name == "devices" else {name: table}
        for header, each in tables.items():
            if isinstance(each, dict):
                lines += [f"[{header}]", *(f"{json.dumps(key)} = {_value(value)}" for key, value in each.items())]
            else:
                lines += [line for row in each for line in (f"[[{header}]]", *(f"{json.dumps(k)} = {_value(v)}" for k, v in row.items()))]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    return value.isoformat() if isinstance(value, date) else json.dumps(value)


def _chosen(raw: dict[str, Any], places: list[Text]) -> list[Text]:
    """Return places of one field that are unlike each other: of what runs, then where something stands already."""
    apart = list({each.place[:2]: each for each in reversed(places)}.values())[::-1]
    filled = [each for each in places if _at(raw, each.place).get(each.name)]
    return list(dict.fromkeys([*apart[:PLACES_TRIED], *filled[:PLACES_TRIED]]))


def _let_in(raw: dict[str, Any], text: Text, number: int) -> dict[str, Any] | None:
    """Return the configuration with a hostile text there, None when every one is refused."""
    usual, part = _at(raw, text.place).get(text.name), _part(raw, text.place)
    said = usual if isinstance(usual, str) else usual[0] if isinstance(usual, list) and usual and isinstance(usual[0], str) else ""
    for hostile in texts(number, said):
        changed = copy.deepcopy(part)
        _put(_at(changed, text.place), text, hostile)
        try:
            parse_config(toml_of(changed))
        except ConfigError:
            continue
        return {**raw, **changed, "devices": {**raw["devices"], **changed["devices"]}}
    return None


def _part(raw: dict[str, Any], place: Place) -> dict[str, Any]:
    """Return what is needed to judge one place: the whole file is a hundred times that work."""
    section = str(place[0]) if place else ""
    if not section:
        return raw
    devices = {name: raw["devices"][name] for name in (*NEEDED_BY.get(section, ()), *([str(place[1])] if section == "devices" else []))}
    sections = {name: raw[name] for name in ("gateway", "models" if section == "alarms" else section) if name != "devices"}
    return {**sections, section: raw[section], "devices": devices}


def _put(table: dict[str, Any], text: Text, hostile: str) -> None:
    now = table.get(text.name)
    if text.kind == "text":
        table[text.name] = hostile
    elif text.kind == "list":
        table[text.name] = [hostile, *(now if isinstance(now, list) else [])[1:]]
    elif text.kind == "key":
        first = next(iter((now or {"x": ""}).items()))
        table[text.name] = {**(now or {}), hostile: copy.deepcopy(first[1])}
    else:
        table[text.name] = {**dict.fromkeys(now or {"x": ""}, hostile)}


def _at(raw: Any, place: Place) -> Any:
    for part in place:
        raw = raw[part]
    return raw


def _of_model(model: type[BaseModel], raw: dict[str, Any], place: Place) -> Iterator[Text]:
    """Yield the texts of a model and of those within it that the configuration has an example of."""
    try:
        table = _at(raw, place)
    except (KeyError, IndexError):
        return  # of a template that was written out
    if not isinstance(table, dict):
        return
    for name, option in model.model_fields.items():
        for kind, inner in _shapes(option.annotation):
            if inner is None:
                yield Text(_called(model), name, kind, place)
            else:
                for each in _examples(table.get(name), kind):
                    yield from _of_model(inner, raw, (*place, name, *each))


def _called(model: type[BaseModel]) -> str:
    """Return what a model is called here: those of drivers have the same names, so with the driver's."""
    ground, room, *_ = model.__module__.split(".")
    return f"{room} {model.__name__}" if ground == "drivers" else model.__name__


def _nested(model: type[BaseModel], raw: dict[str, Any], place: Place) -> Iterator[type[BaseModel]]:
    """Yield a model and those within it of which there is an example."""
    yield model
    try:
        table = _at(raw, place)
    except (KeyError, IndexError):
        return
    for name, option in model.model_fields.items() if isinstance(table, dict) else ():
        for kind, inner in _shapes(option.annotation):
            for each in _examples(table.get(name), kind) if inner is not None else ():
                yield from _nested(inner, raw, (*place, name, *each))  # type: ignore[arg-type]


def _examples(value: Any, kind: str) -> list[Place]:
    """Return the ways from a field to the tables in it."""
    if kind == "text":
        return [()] if isinstance(value, dict) else []
    if kind == "list":
        return [(at,) for at, each in enumerate(value or []) if isinstance(each, dict)]
    return [(key,) for key in value or {}]


def _shapes(annotation: Any, kind: str = "text") -> list[tuple[str, type[BaseModel] | None]]:
    """Return (kind, model or None for a plain text) of what an annotation lets in; choices and numbers are nothing."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation is str:
        return [(kind, None)]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [(kind, annotation)]
    if origin is Annotated:
        return _shapes(inner[0], kind)
    if origin in {Union, types.UnionType}:
        return [found for each in inner for found in _shapes(each, kind)]
    if origin is dict and kind != "text":
        return []  # rows that models judge one by one
    if origin is dict:
        return [*(("key", None) for _ in _shapes(inner[0])), *_shapes(inner[1], "value")]
    if origin in {list, tuple, set, frozenset}:
        return [found for each in inner for found in _shapes(each, "list")]
    assert annotation is Any or origin is Literal or annotation is type(None) or _is_plain(annotation), annotation
    return []


def _is_plain(annotation: Any) -> bool:
    return isinstance(annotation, type) and (annotation in {bool, int, float, date, object} or issubclass(annotation, Enum))


def _all_models(of: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for each in of.__subclasses__():
        if each.__module__.startswith(OURS):
            yield each
        yield from _all_models(each)
