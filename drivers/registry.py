"""Which driver types exist, and how one is made.

Room: ground. Called by `runtime.config` (the options of a type) and `runtime.app` (one driver per device). Built-in types
stand in a literal table; others come from installed packages through the entry-point group `witnessmark.drivers`
(`<type> = "package.module"`, a module with the names of `Factory`). Nothing is imported before its type is asked for, so
a missing optional library costs only the devices that need it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast, runtime_checkable

from pydantic import BaseModel

from drivers.driver import Clock, Driver, DriverError
from drivers.load import Addresses, LineLoad
from drivers.reading import Status
from drivers.shared import Shared

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Told = TypeVar("Told")
entry_point_group: Final = "witnessmark.drivers"
SHOWN_MAX: Final = 5
"""Kinds of a tuple's elements that are named where it is told wrongly."""

built_in: Final = MappingProxyType(
    {
        "gpio": "drivers.gpio.factory",
        "manual": "drivers.manual.factory",
        "modbus": "drivers.modbus.factory",
        "mqtt": "drivers.mqtt.factory",
        "opcua": "drivers.opcua.factory",
        "replay": "drivers.replay.factory",
        "virtual": "drivers.virtual.factory",
    }
)
"""Type name -> factory module."""


class Factory(Protocol):
    """What a driver's factory module has. Options are validated by pydantic at the edge; addresses are frozen."""

    DEVICE_OPTIONS: type[BaseModel]
    TAG_OPTIONS: type[BaseModel]
    EXTRA: str
    """Witnessmark's extra that brings the library which `make` imports. Empty: it needs none."""

    def make_tag_address(self, options: BaseModel) -> object:
        """Return the frozen address of one tag."""
        ...

    def value_type(self, options: BaseModel) -> str:
        """Return the decoded type of one tag, one of `drivers.reading.type_names`."""
        ...

    def exponent(self, options: BaseModel) -> int | None:
        """Return the power of ten of the tag's last digit where the device fixes it (scale 0.1: -1), else None."""
        ...

    def make(self, name: str, device_options: BaseModel, clock: Clock, shared: Shared) -> Driver:
        """Return the driver of one device; imports the protocol library, opens nothing."""
        ...


@runtime_checkable
class Loading(Protocol):
    """What a factory module may have besides: the bus time of a device's groups."""

    def line_load(self, options: BaseModel, groups: Sequence[Addresses]) -> LineLoad:
        """Return the load; `groups` are the frozen addresses of each. Raises ValueError for a value that no request can hold."""
        ...


@runtime_checkable
class Advising(Protocol):
    """What a factory module may have besides: options that work and are not wise."""

    def advice(self, options: BaseModel) -> list[tuple[str, str, dict[str, str | int | float]]]:
        """Return (option, message code, params) for each."""
        ...


@runtime_checkable
class Claiming(Protocol):
    """What a factory module may have besides: things of the machine that only one device can have."""

    def claims(self, options: BaseModel) -> list[tuple[str, str]]:
        """Return (option, what it is) for each, in words that are the same for every device that claims it."""
        ...


@runtime_checkable
class Sharing(Protocol):
    """What a factory module may have besides: things of the machine that devices of this type share, and no other type can have."""

    def shares(self, options: BaseModel) -> list[tuple[str, str]]:
        """Return (option, what it is) for each, in the words that `claims` of other types have for it: a serial port by its path."""
        ...


@runtime_checkable
class Agreeing(Protocol):
    """What a factory module may have besides: things that devices of its type share, and that have one set of settings for all of them."""

    def alike(self, options: BaseModel) -> list[tuple[str, str, str]]:
        """Return (option, what it is a setting of, its value) for each setting that all devices of this type must have alike for it."""
        ...


@runtime_checkable
class Parting(Protocol):
    """What a factory module with `alike` may have besides: the option by which a device has such a thing for itself."""

    APART: str


@runtime_checkable
class Reaching(Protocol):
    """What a factory module may have besides: what of the field a device is, so that two which are the same one are found."""

    def reaches(self, options: BaseModel) -> list[tuple[str, str]]:
        """Return (option, what it is) for each, in words that are the same for every device that reaches the same."""
        ...


@runtime_checkable
class Unwritable(Protocol):
    """What a factory module may have besides: tags that nothing can write, by what their configuration says of them."""

    def unwritable(self, address: object) -> list[tuple[str, str, dict[str, str | int | float]]]:
        """Return (option, message code, params) for each reason why a tag with this address cannot be written."""
        ...


@runtime_checkable
class Undivided(Protocol):
    """What a factory module may have besides: options with which a device can have one group only."""

    def one_group(self, options: BaseModel) -> str | None:
        """Return the option that makes it so, None where there may be more groups."""
        ...


@runtime_checkable
class Originating(Protocol):
    """What a factory module may have besides: what of a device's options belongs into the signed descriptor of each of its tags."""

    def origin(self, options: BaseModel) -> str:
        """Return it in a few words; empty: nothing."""
        ...


@runtime_checkable
class Occasional(Protocol):
    """What a factory module may have besides: its values come one by one, so each is collected and none is repeated by a heartbeat."""

    OCCASIONAL: bool


@runtime_checkable
class Polled(Protocol):
    """What a factory module may have besides: False where no device of its type pushes, so that no group can be subscribed to."""

    PUSHES: bool


@runtime_checkable
class Reckoning(Protocol):
    """What a factory module may have besides: its values are made of other tags'."""

    def inputs(self, address: object) -> tuple[str, ...]:
        """Return the tags (`device/tag`) that a tag with this address is made of."""
        ...


def driver_types(found: Iterable[EntryPoint] | None = None) -> list[str]:
    """Return the names of all driver types, sorted. Raises DriverError `driver_duplicate` when a name has two owners."""
    return sorted(_places(found))


def load_factory(type_name: str, found: Iterable[EntryPoint] | None = None) -> Factory:
    """Return the factory of a type. Raises DriverError `driver_unknown`, `driver_duplicate` or `library_missing`.

    A built-in type is not looked for among packages, none of which could take its name: that reads the metadata of all of them, 1 MB.
    """
    places = dict[str, "str | EntryPoint"](built_in) if found is None and type_name in built_in else _places(found)
    place = places.get(type_name)
    if place is None:
        raise DriverError("driver_unknown", Status.BAD_CONFIGURATION_ERROR, type=type_name, known=", ".join(sorted(places)))
    try:
        loaded = importlib.import_module(place) if isinstance(place, str) else place.load()
    except ImportError as error:
        raise _library_missing(error, type_name) from error
    return cast(Factory, loaded)


def load_config(type_name: str, name: str, raw: Mapping[str, object]) -> BaseModel:
    """Validate the options that a device of this type has besides the common ones; return them frozen.

    Raises pydantic.ValidationError with every fault at once (validators find the device's name in their context), or
    DriverError as `load_factory`.
    """
    return load_factory(type_name).DEVICE_OPTIONS.model_validate(dict(raw), context={"device": name})


def make_driver(type_name: str, name: str, config: BaseModel, clock: Clock, shared: Shared | None = None) -> Driver:
    """Return a driver for the device `name`. Opens nothing. Devices on one serial line need the same `shared`.

    Raises DriverError `library_missing` (params library, extra) when the protocol's library is not installed.
    """
    factory = load_factory(type_name)
    try:
        return factory.make(name, config, clock, shared if shared is not None else Shared())
    except ImportError as error:
        raise _library_missing(error, factory.EXTRA) from error


def line_load(type_name: str, options: BaseModel, groups: Sequence[Addresses]) -> LineLoad | None:
    """Return what a device's groups ask of its line; None when its type does not tell. Raises ValueError as `Loading`, DriverError."""
    factory = load_factory(type_name)
    if not isinstance(factory, Loading):
        return None
    load = _told(factory, "line_load", factory.line_load(options, groups), LineLoad)
    if len(load.groups) != len(groups):
        raise _wrongly(factory, "line_load", f"LineLoad[{len(load.groups)}]", f"LineLoad[{len(groups)}]")
    return load


def advice_on(type_name: str, options: BaseModel) -> list[tuple[str, str, dict[str, str | int | float]]]:
    """Return (option, code, params) of what a device's options make worth saying; empty when its type says nothing."""
    factory = load_factory(type_name)
    return _rows(factory, "advice", factory.advice(options), (str, str, dict)) if isinstance(factory, Advising) else []


def claims_of(type_name: str, options: BaseModel) -> list[tuple[str, str]]:
    """Return (option, what) of what a device needs for itself; empty when its type claims nothing."""
    factory = load_factory(type_name)
    return _rows(factory, "claims", factory.claims(options), (str, str)) if isinstance(factory, Claiming) else []


def shares_of(type_name: str, options: BaseModel) -> list[tuple[str, str]]:
    """Return (option, what) of what a device needs for its type; empty when its type shares nothing."""
    factory = load_factory(type_name)
    return _rows(factory, "shares", factory.shares(options), (str, str)) if isinstance(factory, Sharing) else []


def alike_of(type_name: str, options: BaseModel) -> list[tuple[str, str, str]]:
    """Return (option, what, value) of the settings that devices of one thing must have alike; empty when its type names none."""
    factory = load_factory(type_name)
    return _rows(factory, "alike", factory.alike(options), (str, str, str)) if isinstance(factory, Agreeing) else []


def apart_by(type_name: str) -> str | None:
    """Return the option with a value of its own for which a device needs nothing alike; None where its type has none."""
    factory = load_factory(type_name)
    return factory.APART if isinstance(factory, Parting) and isinstance(factory.APART, str) else None


def reached_by(type_name: str, options: BaseModel) -> list[tuple[str, str]]:
    """Return (option, what) of what of the field a device is; empty when its type does not tell."""
    factory = load_factory(type_name)
    return _rows(factory, "reaches", factory.reaches(options), (str, str)) if isinstance(factory, Reaching) else []


def unwritable_for(type_name: str, address: object) -> list[tuple[str, str, dict[str, str | int | float]]]:
    """Return (option, code, params) of what keeps a tag from being written; empty where it may be, or its type does not tell."""
    factory = load_factory(type_name)
    return _rows(factory, "unwritable", factory.unwritable(address), (str, str, dict)) if isinstance(factory, Unwritable) else []


def one_group_of(type_name: str, options: BaseModel) -> str | None:
    """Return the option with which a device can have one group only; None where there may be more."""
    factory = load_factory(type_name)
    told = factory.one_group(options) if isinstance(factory, Undivided) else None
    return None if told is None else _told(factory, "one_group", told, str, "str | None") or None


def origin_of(factory: Factory, options: BaseModel | None) -> list[str]:
    """Return what a device's options add to the descriptors of its tags, as words."""
    if options is None or not isinstance(factory, Originating):
        return []
    return _told(factory, "origin", factory.origin(options), str).split()


def inputs_of(type_name: str, address: object) -> tuple[str, ...]:
    """Return the tags (`device/tag`) that a tag is made of; empty where it is read from a device."""
    factory = load_factory(type_name)
    if not isinstance(factory, Reckoning):
        return ()
    wanted = "tuple[str, ...]"
    told = _told(factory, "inputs", factory.inputs(address), tuple, wanted)
    if not all(isinstance(each, str) for each in told):
        raise _wrongly(factory, "inputs", _shape(told), wanted)
    return told


def is_occasional(factory: Factory) -> bool:
    """Tell whether a type's values come one by one; its groups are pushed."""
    return isinstance(factory, Occasional) and factory.OCCASIONAL


def can_push(type_name: str) -> bool:
    """Tell whether a group of this type may be subscribed to: not where the type says that it does not push."""
    factory = load_factory(type_name)
    return not isinstance(factory, Polled) or factory.PUSHES is not False


def _told(factory: object, name: str, told: object, kind: type[Told], wanted: str = "") -> Told:
    """Return what a factory told. Raises DriverError `driver_told_wrongly` where it is of another kind: most are of other packages."""
    if not isinstance(told, kind):
        raise _wrongly(factory, name, _shape(told), wanted or kind.__name__)
    return told


def _rows(factory: object, name: str, told: object, kinds: tuple[type, ...]) -> list[Any]:
    """Return the rows that a factory told. Raises DriverError as `_told`, also for one that is no tuple of such."""
    wanted = f"tuple[{', '.join(kind.__name__ for kind in kinds)}]"
    rows: list[Any] = _told(factory, name, told, list, f"list[{wanted}]")
    for row in rows:
        if not isinstance(row, tuple) or len(row) != len(kinds) or not all(map(isinstance, row, kinds)):
            raise _wrongly(factory, name, f"list[{_shape(row)}]", f"list[{wanted}]")
    return rows


def _wrongly(factory: object, name: str, returned: str, wanted: str) -> DriverError:
    where = f"{getattr(factory, '__name__', type(factory).__name__)}.{name}()"
    return DriverError("driver_told_wrongly", Status.BAD_CONFIGURATION_ERROR, function=where, returned=returned, wanted=wanted)


def _shape(told: object) -> str:
    """Return the kind of a value, of a tuple with those in it."""
    kinds = [type(each).__name__ for each in told[:SHOWN_MAX]] if isinstance(told, tuple) else []
    return (
        f"tuple[{', '.join(kinds)}{', …' if isinstance(told, tuple) and len(told) > SHOWN_MAX else ''}]" if kinds else type(told).__name__
    )


def _places(found: Iterable[EntryPoint] | None) -> dict[str, str | EntryPoint]:
    places: dict[str, str | EntryPoint] = dict(built_in)
    for point in _installed() if found is None else found:
        if point.name in places:
            raise DriverError("driver_duplicate", Status.BAD_CONFIGURATION_ERROR, type=point.name)
        places[point.name] = point
    return places


@cache
def _installed() -> tuple[EntryPoint, ...]:
    """Return the drivers of other packages. Looked for once: it reads files, and a configuration asks for each of its tags."""
    from importlib.metadata import entry_points

    return tuple(entry_points(group=entry_point_group))


def _library_missing(error: ImportError, extra: str) -> DriverError:
    library = (error.name or str(error)).partition(".")[0]
    if library == "drivers":
        raise error  # a fault of ours, not of the installation
    return DriverError("library_missing", Status.BAD_CONFIGURATION_ERROR, library=library, extra=extra)
