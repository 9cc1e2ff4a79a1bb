"""What a model looks at: tags, grid, window, features. The plan stands in the signed manifest, so it is plain, frozen and strict.

Room: ground, models. Who commissions makes it, the manifest carries it, the input stream obeys it. It holds no numpy, so that the core
may read a manifest without it, and it knows no clock, no file and no ledger.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Role = Literal["level", "counter", "state", "clock", "uptime"]
ROLES: Final = ("level", "counter", "state", "clock", "uptime")
"""level: a measured value. counter: it only grows, until it rolls over or is reset; what is looked at is its rate per second.
state: a number that names a state or a recipe. clock, uptime: the device's own times; for rules only, never a feature."""

KINDS: Final = {"mean": ("level", "counter"), "log_sd": ("level", "counter"), "running_share": ("state",), "time_in_state": ("state",)}
"""Kinds of features, and the roles of the tags that have them."""

GRID_MS: Final = (10, 3_600_000)
WINDOW_CELLS: Final = (1, 10_000)
TAGS_MAX: Final = 1024
HOLD_MS_MAX: Final = 7 * 86_400_000
SETTLE_MS_MAX: Final = 86_400_000


class PlanError(Exception):
    """A plan that cannot be followed. `code` is worded in the message catalogues with `params`."""

    def __init__(self, code: str, /, **params: str | int | float) -> None:
        super().__init__(f"{code} {params}")
        self.code = code
        self.params = params


@dataclass(frozen=True, slots=True)
class TagInput:
    """One tag as the model looks at it. `name`: device and tag, as in `filler/pressure`.

    Times are in ms; limits, `scale` and `spike` in the tag's unit (of a counter: its unit per second).

    `hold_ms`: how long a reported value counts. `low`, `high`: engineering limits, beyond which a value is taken as missing.
    `counter_max`: the largest value a counter or an uptime shows before it starts again at 0. `scale`: what is one unit of spread, usually
    the standard deviation of normal operation; it only sets the floor under `log_sd`. `spike`: a value that leaves the middle of its last
    three cells by more is replaced by that middle; None leaves all. `stuck_ms`: after so long without a change a value is taken as
    missing; None never. `running`: the values of a state that mean running.
    """

    uid: int
    name: str
    unit: str = ""
    role: Role = "level"
    hold_ms: int = 10_000
    low: float | None = None
    high: float | None = None
    counter_max: float | None = None
    scale: float = 1.0
    spike: float | None = None
    stuck_ms: int | None = None
    running: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """Rows count only while this tag has had one of `values` for the whole window: the machine runs, the recipe is the learned one.

    `settle_ms`: and only so long after it had another value, beyond the window: temperatures take minutes after a stop.
    """

    uid: int
    values: tuple[float, ...]
    settle_ms: int = 0


@dataclass(frozen=True, slots=True)
class Ratio:
    """A feature made of two counters: how much of `over` went by for one of `under` in the window, such as energy per unit made."""

    name: str
    unit: str
    over: int
    under: int


@dataclass(frozen=True, slots=True)
class InputPlan:
    """The whole recipe from readings to a row of features. Raises PlanError when it cannot be followed.

    `grid_ms`: length of a cell; cells end at multiples of it since the epoch. `window`: cells that features look back over.
    `missing_share`: with a larger share of its tags missing the model abstains. `present_share`: the share of a window's cells that
    must hold a value for a tag's features to count.
    """

    tags: tuple[TagInput, ...]
    gates: tuple[Gate, ...] = ()
    grid_ms: int = 1000
    window: int = 30
    missing_share: float = 0.2
    features: tuple[str, ...] = ("mean", "log_sd")
    present_share: float = 0.8
    ratios: tuple[Ratio, ...] = ()
    layout: tuple[tuple[str, int], ...] = field(init=False, compare=False, repr=False)
    """Features in the order of their columns: (kind, index of the tag), of a ratio ("ratio", its index)."""

    def __post_init__(self) -> None:
        """Refuse a plan that cannot be followed, and lay out the features."""
        _check(self)
        laid = [(kind, i) for kind in self.features for i, tag in enumerate(self.tags) if tag.role in KINDS[kind]]
        laid += [("ratio", i) for i in range(len(self.ratios))]
        if not laid:
            raise PlanError("plan.no_features")
        object.__setattr__(self, "layout", tuple(laid))

    def index_of(self, uid: int) -> int:
        """Return the place of a tag. Raises KeyError."""
        for i, tag in enumerate(self.tags):
            if tag.uid == uid:
                return i
        raise KeyError(uid)

    def feature_names(self) -> tuple[str, ...]:
        """Return one name per feature: the tag's and the kind, of a ratio its own."""
        return tuple(self.ratios[i].name if kind == "ratio" else f"{self.tags[i].name}.{kind}" for kind, i in self.layout)

    @property
    def tag_of_feature(self) -> tuple[int, ...]:
        """Return for each feature the index of the tag that it speaks for; a ratio speaks for what it measures, `over`."""
        return tuple(self.index_of(self.ratios[i].over) if kind == "ratio" else i for kind, i in self.layout)

    @property
    def window_ms(self) -> int:
        """Return how long the window is."""
        return self.window * self.grid_ms

    @property
    def memory_cells(self) -> int:
        """Return after how many cells a stream that was begun anywhere gives the same rows as one that was begun earlier."""
        held = max(tag.hold_ms for tag in self.tags) // self.grid_ms + 1
        stuck = max((tag.stuck_ms or 0) for tag in self.tags) // self.grid_ms + 1
        return held + stuck + 3 + 2 * self.window + max((self.settle_cells(gate) for gate in self.gates), default=0)

    def settle_cells(self, gate: Gate) -> int:
        """Return for how many cells beyond the window a gate stays shut."""
        return -(-gate.settle_ms // self.grid_ms)

    def plain(self) -> dict[str, Any]:
        """Return it as numbers, texts, lists and maps, for CBOR or JSON."""
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self) if f.init}

    @classmethod
    def from_plain(cls, plain: object) -> InputPlan:
        """Read what `plain` gave: exactly its keys, exactly its types. Raises PlanError."""
        given = _fields(cls, plain, "plan")
        return cls(
            tags=tuple(_tag(t) for t in _list(given["tags"], "tags")),
            gates=tuple(_gate(g) for g in _list(given["gates"], "gates")),
            grid_ms=_int(given["grid_ms"], "grid_ms"),
            window=_int(given["window"], "window"),
            missing_share=_float(given["missing_share"], "missing_share"),
            features=tuple(_text(f, "features") for f in _list(given["features"], "features")),
            present_share=_float(given["present_share"], "present_share"),
            ratios=tuple(_ratio(r) for r in _list(given["ratios"], "ratios")),
        )


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if isinstance(value, TagInput | Gate | Ratio):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return value


# ------------------------------------------------------------------------------------------------------------- what is refused
def _check(plan: InputPlan) -> None:
    _within("grid_ms", plan.grid_ms, *GRID_MS)
    _within("window", plan.window, *WINDOW_CELLS)
    _within("missing_share", plan.missing_share, 0, 0.999)
    _within("present_share", plan.present_share, 0.01, 1)
    _within("tags", len(plan.tags), 1, TAGS_MAX)
    uids = {tag.uid for tag in plan.tags}
    if len(uids) != len(plan.tags):
        raise PlanError("plan.tag_twice")
    for tag in plan.tags:
        _check_tag(tag)
    for kind in plan.features:
        if kind not in KINDS or plan.features.count(kind) > 1:
            raise PlanError("plan.bad_feature", kind=kind, kinds=", ".join(KINDS))
    for gate in plan.gates:
        if gate.uid not in uids:
            raise PlanError("plan.unknown_tag", uid=gate.uid)
        if not gate.values or not all(math.isfinite(v) for v in gate.values):
            raise PlanError("plan.empty_gate", uid=gate.uid)
        _within("settle_ms", gate.settle_ms, 0, SETTLE_MS_MAX)
    counters = {tag.uid for tag in plan.tags if tag.role == "counter"}
    for ratio in plan.ratios:
        for uid in (ratio.over, ratio.under):
            if uid not in counters:
                raise PlanError("plan.not_a_counter", uid=uid, name=ratio.name)


def _check_tag(tag: TagInput) -> None:
    _within("hold_ms", tag.hold_ms, 1, HOLD_MS_MAX)
    _within("uid", tag.uid, 0, 2**63 - 1)
    _within("scale", tag.scale, 1e-100, 1e100)
    if tag.role not in ROLES:
        raise PlanError("plan.bad_role", name=tag.name, role=str(tag.role), roles=", ".join(ROLES))
    for name, limit in (("low", tag.low), ("high", tag.high)):
        if limit is not None:
            _within(name, limit, -1e100, 1e100)
    if tag.low is not None and tag.high is not None and tag.low >= tag.high:
        raise PlanError("plan.range", name=tag.name, low=tag.low, high=tag.high)
    for name, size in (("spike", tag.spike), ("counter_max", tag.counter_max)):
        if size is not None:
            _within(name, size, 1e-100, 1e100)
    if tag.stuck_ms is not None:
        _within("stuck_ms", tag.stuck_ms, 1, HOLD_MS_MAX)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # NaN is not
        raise PlanError("plan.out_of_limits", field=name, value=value, low=low, high=high)


# --------------------------------------------------------------------------------------------------------------- strict reading
def _fields(cls: type, plain: object, where: str) -> dict[str, Any]:
    wanted = {f.name for f in dataclasses.fields(cls) if f.init}
    if not isinstance(plain, dict) or set(plain) != wanted:
        raise PlanError("plan.fields", where=where, wanted=", ".join(sorted(wanted)))
    return plain


def _tag(plain: object) -> TagInput:
    given = _fields(TagInput, plain, "tags")
    role: Any = _text(given["role"], "role")
    return TagInput(
        uid=_int(given["uid"], "uid"),
        name=_text(given["name"], "name"),
        unit=_text(given["unit"], "unit"),
        role=role,
        hold_ms=_int(given["hold_ms"], "hold_ms"),
        low=_maybe(given["low"], "low"),
        high=_maybe(given["high"], "high"),
        counter_max=_maybe(given["counter_max"], "counter_max"),
        scale=_float(given["scale"], "scale"),
        spike=_maybe(given["spike"], "spike"),
        stuck_ms=None if given["stuck_ms"] is None else _int(given["stuck_ms"], "stuck_ms"),
        running=tuple(_float(v, "running") for v in _list(given["running"], "running")),
    )


def _gate(plain: object) -> Gate:
    given = _fields(Gate, plain, "gates")
    values = tuple(_float(v, "values") for v in _list(given["values"], "values"))
    return Gate(_int(given["uid"], "uid"), values, _int(given["settle_ms"], "settle_ms"))


def _ratio(plain: object) -> Ratio:
    given = _fields(Ratio, plain, "ratios")
    return Ratio(_text(given["name"], "name"), _text(given["unit"], "unit"), _int(given["over"], "over"), _int(given["under"], "under"))


def _int(value: object, field: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise PlanError("plan.wrong_type", field=field, wanted="int")
    return value


def _float(value: object, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise PlanError("plan.wrong_type", field=field, wanted="float")
    return float(value)


def _maybe(value: object, field: str) -> float | None:
    return None if value is None else _float(value, field)


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise PlanError("plan.wrong_type", field=field, wanted="text")
    return value


def _list(value: object, field: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise PlanError("plan.wrong_type", field=field, wanted="list")
    return value
