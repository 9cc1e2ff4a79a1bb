"""What is wrong with a config file, where, and on which line.

Room: hall. `config` collects faults, `check`, `run` and the door show them all at once. It judges nothing. A place is named
as a person names it (`devices.filler.groups.fast.tags.level`); the line is found by walking the text, because the parsers
keep none: a place whose line is not found is shown without one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from drivers.driver import DriverError
from runtime.config_meant import keys_at
from runtime.config_words import coded
from runtime.messages.catalogue import word

Place = tuple[str | int, ...]
Above = Mapping[str, Collection[str]]
"""Headings of the tables around one, the nearest first, with the keys that each may have and lacks."""
Model = TypeVar("Model", bound=BaseModel)
HEADER: Final = re.compile(r"^\s*(\[{1,2})([^\]]+)\]{1,2}\s*(#.*)?$")
"""Of a table, with its brackets and its name. This and the others take a time that grows with the line and no faster."""
_BRACE: Final = re.compile(r"\"(?:\\.|[^\"\\])*[\"\\]?|'[^']*'?|[][{}#]")
"""A bracket, or a text; one that does not end goes to the end of its line."""
KEY: Final = re.compile(r"^\s*([A-Za-z0-9_-]+|\"[^\"]*\")((?:\s*\.\s*[A-Za-z0-9_-]+)*)\s*=(.*)$")
_PART: Final = re.compile(r"\"[^\"]*\"|[^.\s]+")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")
DEPTH_MAX: Final = 16
"""Parts of a heading or key of which a line is kept: no place of ours has more."""
BEGINS: Final = -1
"""As the last part of a place: the first line of anything within it. Only the topmost two parts of a place have one."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to mend. `where` is the dotted place, `code` and `params` are worded by the message catalogue."""

    where: str
    code: str
    params: Mapping[str, str | int | float]
    line: int | None = None

    def text(self, file: str = "", lang: str = "en") -> str:
        """Return `file:line: place: what is wrong`; without a file `place: what is wrong`, line first where there is one."""
        line = "" if self.line is None else str(self.line) if file else word("config_line", {"line": self.line}, lang)
        at = ":".join(filter(None, (file, line)))
        at += ": " if at else ""
        return f"{at}{self.where + ': ' if self.where else ''}{word(self.code, self.params, lang)}"

    def plain(self) -> dict[str, Any]:
        """Return it as plain data, with its English text."""
        return {
            "where": self.where,
            "code": self.code,
            "params": dict(self.params),
            "line": self.line,
            "text": word(self.code, self.params),
        }


class ConfigError(Exception):
    """The file cannot be used. `faults` holds every one that was found."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.text() for fault in faults[:3]) + (" …" if len(faults) > 3 else ""))

    @property
    def first(self) -> str:
        """The first fault in words, without its full stop, to stand within another sentence."""
        return self.faults[0].text().rstrip(".")


class Faults:
    """Collects faults with the places that they stand at."""

    def __init__(self, text: str) -> None:
        self._lines = line_index(text)
        self.found: list[Fault] = []

    def add(self, place: Place, where: str, code: str, /, **params: str | int | float) -> None:
        """Note one fault. `place` is the path by keys and indexes, `where` the same by names."""
        self.found.append(Fault(where, code, params, self._line(place)))

    def add_told(self, device: str, error: DriverError) -> None:
        """Note once, at a device's type, what the package of its driver tells wrongly."""
        if not any((fault.where, fault.params) == (f"devices.{device}.type", error.params) for fault in self.found):
            self.add(("devices", device, "type"), f"devices.{device}.type", error.cause, **error.params)

    def add_pydantic(
        self,
        error: ValidationError,
        place: Place,
        where: str,
        model: type[BaseModel] | None = None,
        beside: Collection[str] = (),
        above: Above = MappingProxyType({}),
    ) -> None:
        """Note every fault of a model that stands at `place`; `beside` are keys of the same table that another model judges.

        `above` has those of the tables around it: a key that is one of theirs has most likely slipped below a heading too many.
        """
        for each in error.errors(include_url=False):
            loc = each["loc"]
            named = ".".join([where, *map(str, loc)] if where else map(str, loc))
            keys = keys_at(model, loc) if model is not None else frozenset()
            code, params = coded(each, keys.union(beside) if len(loc) == 1 else keys)
            if code == "config_key_unknown" and len(loc) == 1 and (*place, *loc) in self._lines:  # a key on a line of its own
                heading = next((name for name, there in above.items() if loc[0] in there), None)
                if heading is not None:
                    code, params = "config_key_above", {"heading": heading}
            self.add((*place, *loc), named, code, **params)

    def judge(
        self,
        model: type[Model],
        raw: Any,
        place: Place,
        where: str,
        context: Mapping[str, Any] | None = None,
        beside: Collection[str] = (),
        above: Above = MappingProxyType({}),
    ) -> Model | None:
        """Return what a model makes of a table, or note every fault of it and return None; `beside` and `above` as in `add_pydantic`.

        Checks of a whole table run only when each key of it is right, so the wrong keys are taken away and the rest is judged again;
        validators find the names of those in their context as `wrong`, and do not miss them.
        """
        try:
            return model.model_validate(raw, context=context)
        except ValidationError as error:
            self.add_pydantic(error, place, where, model, beside, above)
            kinds = {each["loc"][0]: each["type"] for each in error.errors(include_url=False, include_input=False) if each["loc"]}
        # A wrong choice says nothing of what goes with it, and a required key cannot be taken away.
        required = {name for name, field in model.model_fields.items() if field.is_required()}
        if kinds and isinstance(raw, dict) and not kinds.keys() & required and "literal_error" not in kinds.values():
            try:
                rest = {key: value for key, value in raw.items() if key not in kinds}
                model.model_validate(rest, context={**(context or {}), "wrong": frozenset(kinds)})
            except ValidationError as error:
                self.add_pydantic(error, place, where, model, beside, above)
        return None

    def _line(self, place: Place) -> int | None:
        """Return its own line, else that of what it stands in; where that has no heading, the first line of anything within it.

        The first line of all devices is none for a fault of one of them.
        """
        for length in range(len(place), 0, -1):
            line = self._lines.get(place[:length])
            if line is None and (length == 2 or len(place) == 1):
                line = self._lines.get((*place[:length], BEGINS))
            if line is not None:
                return line
        return None


def line_index(text: str) -> Mapping[Place, int]:
    """Return the line (1-based) of each table, array element and key of a TOML text, as far as simple reading finds it.

    A place of one part or two also has a line with `BEGINS` behind it.
    """
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    listed: Place | None = None  # the array that we are inside of
    depth = 0  # and how many arrays deep
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if header := HEADER.match(line):
            listed = None
            table = _table_place(header[2], counts, repeated=header[1] == "[[")
            _note(lines, table, number)
        elif listed is not None:
            rows, change = _tables_in(line)
            for _ in range(rows):
                lines[*listed, counts.get(listed, 0)] = number
                counts[listed] = counts.get(listed, 0) + 1
            depth += change
            listed = listed if depth > 0 else None
        elif key := KEY.match(line):
            place = (*table, *parts_of(key[1] + key[2])[:DEPTH_MAX])
            _note(lines, place, number)
            if key[3].strip().startswith("["):
                rows, depth = _tables_in(key[3])
                for at in range(rows):
                    lines[*place, at] = number
                    counts[place] = at + 1
                listed = place if depth > 0 else None
    return lines


def _note(lines: dict[Place, int], place: Place, number: int) -> None:
    """Note where something stands; `[device.x]` is also where `device` begins."""
    lines.setdefault(place, number)
    for length in range(1, min(len(place), 3)):
        lines.setdefault((*place[:length], BEGINS), number)


def _tables_in(line: str) -> tuple[int, int]:
    """Return how many inline tables begin in a line, and how many lists more begin than end in it.

    Tables within another one, and what stands in a text or a comment, are none.
    """
    rows = depth = lists = 0
    for found in _BRACE.finditer(line):
        piece = found[0]
        if piece == "#":
            break
        rows += piece == "{" and depth == 0
        lists += (piece == "[") - (piece == "]")
        depth = depth + 1 if piece == "{" else max(depth - 1, 0) if piece == "}" else depth
    return rows, lists


def _table_place(header: str, counts: dict[Place, int], *, repeated: bool) -> Place:
    place: Place = ()
    parts = parts_of(header)[:DEPTH_MAX]
    for at, part in enumerate(parts):
        place = (*place, part)
        if at < len(parts) - 1:
            if place in counts:
                place = (*place, counts[place] - 1)
        elif repeated:
            counts[place] = counts.get(place, 0) + 1
            place = (*place, counts[place] - 1)
    return place


def parts_of(name: str) -> list[str]:
    """Return the parts of a dotted name as a heading or key writes it."""
    return [part.strip('"') for part in _PART.findall(name)]


def dotted(parts: Iterable[str]) -> str:
    """Return a dotted name as a heading writes it, with quotation marks about the parts that need them."""
    return ".".join(part if _PLAIN.fullmatch(part) else json.dumps(part, ensure_ascii=False) for part in parts)
