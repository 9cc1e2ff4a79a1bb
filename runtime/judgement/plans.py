"""From a model's definition in the configuration to the plan that its manifest will carry. Pure.

Room: hall, judgement. The tenant of `model.learn` calls it in the core, so it imports no numpy. It takes from the tags what the definition
leaves out: range, heartbeat, type. It learns nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from drivers.reading import Tag
from models.input_plan import Gate, InputPlan, PlanError, Ratio, TagInput
from runtime.config import TagConfig
from runtime.config_model import JudgedTag, ModelDefinition
from runtime.faces.feed import RequestRefusedError
from runtime.points import DevicePoints

HOLD_HEARTBEATS: Final = 2.5
HOLD_CELLS: Final = 10
"""A value counts for so many heartbeats, or so many cells, where nothing is said."""


def plan_of(definition: ModelDefinition, devices: Mapping[str, DevicePoints]) -> InputPlan:
    """Return the plan of a definition. Raises RequestRefusedError for a tag that is gone, a text, or a plan that cannot be followed."""
    tags: dict[str, TagInput] = {}
    for each in definition.tags:
        said = JudgedTag(tag=each) if isinstance(each, str) else each
        tag, config = _found(said.tag, devices)
        tags[said.tag] = _tag_input(said, tag, config, definition.grid_ms)
    gates = {gate.tag: (tuple(float(value) for value in gate.values), round(gate.settle_s * 1000)) for gate in definition.gates}
    for name, (values, _) in gates.items():  # a state that is gated is running in the states that count
        if tags[name].role == "state" and not tags[name].running:
            tags[name] = replace(tags[name], running=values)
    try:
        return InputPlan(
            tags=tuple(tags.values()),
            gates=tuple(Gate(tags[name].uid, values, settle_ms) for name, (values, settle_ms) in gates.items()),
            grid_ms=definition.grid_ms,
            window=definition.window,
            missing_share=definition.missing_share,
            features=tuple(definition.features),
            ratios=tuple(Ratio(each.name, each.unit, tags[each.over].uid, tags[each.under].uid) for each in definition.ratios),
        )
    except PlanError as error:
        raise RequestRefusedError(error.code, **error.params) from error


def _found(name: str, devices: Mapping[str, DevicePoints]) -> tuple[Tag, TagConfig]:
    device, _, tag_name = name.partition("/")
    points = devices.get(device)
    found = points.find(tag_name) if points is not None else None
    if found is None:
        raise RequestRefusedError("tag_unknown", tag=name)
    if found[0].type == "text":
        raise RequestRefusedError("config_model_tag_text", tag=name)
    return found


def _tag_input(said: JudgedTag, tag: Tag, config: TagConfig, grid_ms: int) -> TagInput:
    check, heartbeat_ms = config.check, config.report.heartbeat_ms
    hold_ms = max(round(heartbeat_ms * HOLD_HEARTBEATS), grid_ms * HOLD_CELLS) if said.hold_s is None else round(said.hold_s * 1000)
    return TagInput(
        uid=tag.uid,
        name=said.tag,
        unit=tag.unit,
        role=said.role or ("state" if tag.type == "bool" else "level"),
        hold_ms=hold_ms,
        low=check.low if said.low is None else float(said.low),
        high=check.high if said.high is None else float(said.high),
        counter_max=None if said.counter_max is None else float(said.counter_max),
        spike=None if said.spike is None else float(said.spike),
        stuck_ms=None if said.stuck_s is None else round(said.stuck_s * 1000),
        running=tuple(float(value) for value in said.running),
    )
