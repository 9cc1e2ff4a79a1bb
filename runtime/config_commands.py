"""Rules of setpoints and of methods, from what the config file says about them.

Room: hall. `config` calls it with what it has judged; `commands` takes what it returns. It opens nothing and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime import config_writes as model
from runtime.config_faults import Faults, Place
from runtime.config_references import References
from runtime.config_writes import Method, Write
from runtime.setpoint import Interlock, SetpointRules


@dataclass(frozen=True, slots=True)
class MethodConfig:
    """A method that may be called: `owner` and `method` are the driver's names of it, `arguments` the types of what it takes."""

    name: str
    owner: str
    method: str
    arguments: tuple[str, ...]
    rules: SetpointRules


def setpoint_rules(write: Write | None) -> SetpointRules | None:
    """Return the rules of a tag, None where it has none: then nobody commands it."""
    if write is None:
        return None
    return SetpointRules(
        write.min, write.max, write.max_step, _interlocks(write.interlock), round(write.known_for_s * 1000), write.read_back,
        write.read_back_tolerance, write.read_back_s, write.max_rate, write.risk, tuple(write.approvers), write.programs,
    )  # fmt: skip


def method_config(raw: Method) -> MethodConfig:
    """Return a method with its rules; what it did is not read back, for nobody knows where."""
    rules = SetpointRules(
        interlocks=_interlocks(raw.interlock), known_for_ms=round(raw.known_for_s * 1000), read_back=False, risk=raw.risk,
        approvers=tuple(raw.approvers), programs=raw.programs,
    )  # fmt: skip
    return MethodConfig(raw.name, raw.object, raw.method, tuple(raw.arguments), rules)


def _interlocks(rows: list[model.Interlock]) -> tuple[Interlock, ...]:
    return tuple(Interlock(each.tag, each.equals, each.min, each.max) for each in rows)


def check_methods(faults: Faults, references: References, place: Place, where: str, methods: list[Method]) -> None:
    """Method names are unique on their device; the tags that their interlocks name are looked for with those of tags."""
    seen: set[str] = set()
    for at, method in enumerate(methods):
        here, there = (*place, "methods", at), f"{where}.methods.{method.name}"
        if method.name in seen:
            faults.add(here, there, "config_name_twice", name=method.name)
        seen.add(method.name)
        references.add_tag(f"{place[1]}/{method.name}()", here, there, (), tuple(each.tag for each in method.interlock))
