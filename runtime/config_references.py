"""Tags that a configuration names elsewhere: in interlocks, and in what other tags are reckoned from. Pure.

Room: hall. `config` tells it of every device and tag while it judges them, also of those with faults, and asks at the end. A tag that is
faulty itself is there; of a device whose tags cannot be told, any tag may be: so no fault is hidden by another, and none makes a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runtime.config_faults import Faults, Place


@dataclass(frozen=True, slots=True)
class _Naming:
    """A tag that names others: `inputs` in its formula, `locks` in its interlocks."""

    place: Place
    where: str
    inputs: tuple[str, ...]
    locks: tuple[str, ...]


class References:
    """Collects the tags of one configuration, by `device/tag`, and those that they name."""

    def __init__(self) -> None:
        self._there: set[str] = set()
        self._vague: set[str] = set()
        self._naming: dict[str, _Naming] = {}

    def add_device(self, device: str, groups: Any) -> None:
        """Note a device with the tags of its table `groups`, judged or not; a shape that does not tell them all makes it vague."""
        for group in groups if isinstance(groups, list) and groups else [None]:
            tags = group.get("tags") if isinstance(group, dict) else None
            for tag in tags if isinstance(tags, list) and tags else [None]:
                name = tag.get("name") if isinstance(tag, dict) else None
                if isinstance(name, str):
                    self._there.add(f"{device}/{name}")
                else:
                    self._vague.add(device)

    def add_tag(self, name: str, place: Place, where: str, inputs: tuple[str, ...], locks: tuple[str, ...]) -> None:
        """Note what a tag names that stands at `place`."""
        if inputs or locks:
            self._naming[name] = _Naming(place, where, inputs, locks)

    def check(self, faults: Faults) -> None:
        """Note each tag that is named and not there, and each tag that is reckoned from itself."""
        for tag in self._naming.values():
            for name in filter(self.lacks, tag.locks):
                key = "interlock" if "methods" in tag.place else "write"
                faults.add((*tag.place, key), f"{tag.where}.{key}", "config_interlock_unknown", tag=name)
            for name in filter(self.lacks, tag.inputs):
                faults.add((*tag.place, "formula"), f"{tag.where}.formula", "config_formula_unknown", tag=name)
        for circle in circles({name: tag.inputs for name, tag in self._naming.items() if tag.inputs}):
            first = self._naming[circle[0]]
            path = " -> ".join([*circle, circle[0]])
            faults.add((*first.place, "formula"), f"{first.where}.formula", "config_formula_circle", path=path)

    def lacks(self, name: str) -> bool:
        """Say whether a tag is not there, of a faulty device neither. Every device must have been added."""
        return name not in self._there and name.partition("/")[0] not in self._vague


def circles(inputs: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return the ways on which a name leads to itself, one for each place where that is found."""
    found: list[list[str]] = []
    done: set[str] = set()
    for start in inputs:
        path: dict[str, Iterator[str]] = {}
        following: str | None = start
        while following is not None:
            if following in path:
                names = list(path)
                found.append(names[names.index(following) :])
            elif following in inputs and following not in done:
                path[following] = iter(inputs[following])
            following = None
            while path and following is None:
                name = next(reversed(path))
                following = next(path[name], None)
                if following is None:
                    done.add(name)
                    del path[name]
    return found
