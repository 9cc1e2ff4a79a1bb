"""A small manifest of two tags, with every field set, for tests to bend.

Room: tests.
"""

from __future__ import annotations

from models.decision import DecisionSettings
from models.input_plan import InputPlan, TagInput
from models.manifest import Agreement, Coverage, Manifest, TensorForm


def tag(uid: int, name: str, unit: str) -> TagInput:
    """Return a level that is held for ten seconds and has no engineering limits."""
    return TagInput(uid=uid, name=name, unit=unit, role="level", hold_ms=10_000, low=None, high=None, counter_max=None)


def plan(*tags: TagInput, window: int = 30, grid_ms: int = 1000) -> InputPlan:
    """Return a plan of means and log standard deviations."""
    return InputPlan(tags=tags, gates=(), grid_ms=grid_ms, window=window, missing_share=0.2, features=("mean", "log_sd"))


def made() -> Manifest:
    """Return the manifest."""
    return Manifest(
        name="press-1",
        kind="linear",
        model_sha256=bytes(range(32)),
        plan=plan(tag(7, "plc/temperature", "°C"), tag(9, "plc/pressure", "bar")),
        mean=(80.5, 2.25, -1.0, 0.125),
        spread=(0.5, 0.1, 1.0, 2.0),
        residual=(0.3, 0.4, 0.5, 1.5),
        input=TensorForm("int8", 0.0625, 0),
        output_form=TensorForm("int8", 0.0625, 0),
        output="reconstruction",
        normal_class=0,
        gather="sum",
        ceilings=(1.0, 1.0),
        decision=DecisionSettings(threshold=57.3, needed=3, of=5, release=0.8, hold_off=60),
        threshold_how="highest of 4 contiguous folds, times 2",
        coverage=Coverage(covered=True, alarmed_share=0.001, rows_wanted=0),
        int8_float=Agreement(rms=0.02, differing_share=0.001),
        bands=((79.0, 82.0), (2.0, 2.5)),
        limits={"stuck": [120.0, None], "step": [0.5, 0.25]},
        rows=3600,
        first_ms=1_700_000_000_000,
        last_ms=1_700_003_600_000,
        code_version="0.1.0",
        recipe="",
        who="a technician",
        made_ms=1_700_003_700_000,
    )
