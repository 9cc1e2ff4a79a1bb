"""The shape of [[alarms]] in the config file: what pydantic accepts at the edge.

Room: hall, alarms. `from_config` alone uses these models; past it only the dataclasses of `definition` flow. It knows no device and
opens nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, model_validator

from drivers.option_error import OptionError
from runtime.config_shapes import Name, Strict, Text

Priority = Literal["low", "medium", "high"]
Delay = Annotated[float, Field(ge=0, le=86_400)]
Sentence = Annotated[str, Field(max_length=500)]
FINDING = "finding"


class SuppressWhile(Strict):
    """suppress = {…} of an alarm: while this tag has one of these values, the alarm means nothing (a recipe, maintenance)."""

    tag: Text
    values: list[bool | int | float | str] = Field(min_length=1, max_length=64)


class Alarm(Strict):
    """[[alarms]]."""

    name: Name
    text: Annotated[str, Field(max_length=120)] = ""
    condition: Literal[
        "above", "below", "equals", "bad_quality", "stale", "device_down", "backlog_old", "disk_low", "clock_untrusted", "evidence_stopped",
        "finding",
    ]  # fmt: skip
    tag: Text = ""
    device: Text = ""
    model: Text = ""
    limit: bool | int | float | str | None = None
    deadband: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    on_delay_s: Delay = 0.0
    off_delay_s: Delay = 0.0
    priority: Priority = "low"
    consequence: Sentence = ""
    action: Sentence = ""
    response_min: float | None = Field(default=None, gt=0, le=10_080)
    latching: bool = False
    advisory: bool | None = None
    shelve_max_h: float = Field(default=8.0, ge=0, le=24)
    suppress: SuppressWhile | None = None

    @property
    def is_advisory(self) -> bool:
        """What a model finds is advice until somebody says what to do about it."""
        return self.advisory if self.advisory is not None else self.condition == FINDING and not self.action

    @model_validator(mode="after")
    def _asks_for_something(self, info: ValidationInfo) -> Self:
        wrong = (info.context or {}).get("wrong", ())
        if not self.is_advisory and "action" not in wrong and "advisory" not in wrong and not self.action.strip():
            raise OptionError("config_alarm_no_action")
        if self.is_advisory and self.latching:
            raise OptionError("config_alarm_advisory_latches")
        return self
