"""A plan is strict: what it wrote it reads, and nothing else; what cannot be followed is refused with a worded code."""

from __future__ import annotations

import copy
import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.input_plan import Gate, InputPlan, PlanError, Ratio, TagInput

PLAN = InputPlan(
    tags=(
        TagInput(7, "temperature", "degC", low=-10.0, high=95.5, spike=3.0, stuck_ms=60_000),
        TagInput(8, "energy", "kWh", "counter", counter_max=999_999.0),
        TagInput(9, "made", "1", "counter"),
        TagInput(10, "mode", role="state", running=(6.0, 11.0)),
        TagInput(11, "uptime", "s", "uptime"),
    ),
    gates=(Gate(10, (6.0,), settle_ms=120_000),),
    features=("mean", "log_sd", "running_share", "time_in_state"),
    ratios=(Ratio("energy_per_unit", "kWh", 8, 9),),
)


def test_it_reads_what_it_wrote_also_through_json() -> None:
    assert InputPlan.from_plain(PLAN.plain()) == PLAN
    assert InputPlan.from_plain(json.loads(json.dumps(PLAN.plain()))) == PLAN


def test_features_have_names_and_tags() -> None:
    levels = ("temperature", "energy", "made")
    names = [f"{n}.mean" for n in levels] + [f"{n}.log_sd" for n in levels] + ["mode.running_share", "mode.time_in_state"]
    assert PLAN.feature_names() == (*names, "energy_per_unit")
    assert PLAN.tag_of_feature == (0, 1, 2, 0, 1, 2, 3, 3, 1)


def paths(plain: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = plain.items() if isinstance(plain, dict) else enumerate(plain) if isinstance(plain, list) else ()
    return [at] + [p for key, value in inner for p in paths(value, (*at, key))]


STRANGE = [object(), "\x00", b"x", True, -1, 1e300, float("nan"), [[]], {}, ["x"]]


@pytest.mark.parametrize("strange", STRANGE, ids=lambda value: type(value).__name__)
def test_a_strange_value_anywhere_is_refused_or_changes_nothing_but_its_place(strange: object) -> None:
    """No other exception than PlanError, and what is accepted is written back as it was given."""
    refused = 0
    for path in paths(PLAN.plain())[1:]:
        plain: Any = copy.deepcopy(PLAN.plain())
        spot = plain
        for key in path[:-1]:
            spot = spot[key]
        spot[path[-1]] = strange
        try:
            read = InputPlan.from_plain(plain)
        except PlanError:
            refused += 1
        else:
            assert read.plain() == plain
    assert refused > 30


def test_missing_and_additional_fields_are_refused() -> None:
    for change in ({"more": 1}, {}):
        plain = PLAN.plain()
        plain.update(change)
        if not change:
            del plain["window"]
        with pytest.raises(PlanError, match=r"plan\.fields"):
            InputPlan.from_plain(plain)
    with pytest.raises(PlanError, match=r"plan\.fields"):
        InputPlan.from_plain(None)


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("plan.tag_twice", {"tags": (PLAN.tags[0], PLAN.tags[0]), "gates": (), "ratios": ()}),
        ("plan.out_of_limits", {"tags": ()}),
        ("plan.out_of_limits", {"window": 0}),
        ("plan.out_of_limits", {"window": 10**9}),
        ("plan.out_of_limits", {"grid_ms": 0}),
        ("plan.out_of_limits", {"missing_share": float("nan")}),
        ("plan.out_of_limits", {"tags": (dataclasses.replace(PLAN.tags[0], hold_ms=0),)}),
        ("plan.out_of_limits", {"tags": (dataclasses.replace(PLAN.tags[0], scale=0.0),)}),
        ("plan.bad_feature", {"features": ("mean", "mean")}),
        ("plan.bad_feature", {"features": ("median",)}),
        ("plan.unknown_tag", {"gates": (Gate(99, (1.0,)),)}),
        ("plan.empty_gate", {"gates": (Gate(10, ()),)}),
        ("plan.out_of_limits", {"gates": (Gate(10, (6.0,), settle_ms=-1),)}),
        ("plan.not_a_counter", {"ratios": (Ratio("r", "", 7, 9),)}),
        ("plan.range", {"tags": (dataclasses.replace(PLAN.tags[0], low=5.0, high=5.0),)}),
        ("plan.no_features", {"features": (), "ratios": ()}),
        ("plan.bad_role", {"tags": (dataclasses.replace(PLAN.tags[0], role="level "),)}),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_followed_is_refused(code: str, change: dict[str, Any]) -> None:
    with pytest.raises(PlanError) as refused:
        dataclasses.replace(PLAN, **change)
    assert refused.value.code == code


def test_the_core_reads_plans_without_numpy() -> None:
    code = "import sys; sys.modules['numpy'] = None; import models.input_plan, models.finding"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
