"""The options of a GPIO device, of its lines and of its tags, and the frozen addresses that tags get.

Room: ground, driver `gpio`. Called by `factory.py`. Validates only; opens nothing, looks at no chip.

What belongs to a line (offset, bias, debounce, safe level) stands with the device, because several tags may show one line (its state, its
count, its rate), and because an output has to have its safe level before the first poll.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from drivers.gpio.chip import LineSettings, Watched
from drivers.option_error import OptionError
from drivers.scaling import Scaling

key_pattern: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,63}")
text_pattern: Final = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
pi_pattern: Final = re.compile(r"(?:GPIO|BCM)?(\d{1,2})")
"""Names of the Pi's lines: their Broadcom numbers."""
pi_lines: Final = 28
"""Lines 0 to 27 are on the Pi's header."""
input_only: Final = ("debounce_ms", "count")
output_only: Final = ("safe", "at_start", "at_exit", "drive", "pulse_ms")


def _key(text: str) -> str:
    if not key_pattern.fullmatch(text):
        raise OptionError("config_gpio_line_name", value=text[:80])
    return text


def _printable(text: str) -> str:
    if not text_pattern.fullmatch(text):
        raise OptionError("config_gpio_text", value=text[:80])
    return text


LineName = Annotated[str, AfterValidator(_key)]
Printable = Annotated[str, AfterValidator(_printable)]


class LineOptions(BaseModel):
    """Keys of `[devices.X.lines]`: how one line is used."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    line: Annotated[int, Field(ge=0, le=65_535)] | Printable
    """Offset on the chip, or the line's name."""
    use: Literal["input", "output"] = "input"
    active_low: bool = False
    bias: Literal["as_is", "none", "pull_up", "pull_down"] = "as_is"
    debounce_ms: float = Field(default=0.0, ge=0, le=10_000)
    count: Literal["on", "off", "both"] = "on"
    """Which edges count: to active, to inactive, all."""
    drive: Literal["push_pull", "open_drain", "open_source"] = "push_pull"
    safe: bool | None = None
    """The level that an output has when nobody commands it."""
    at_start: Literal["safe", "keep"] = "safe"
    at_exit: Literal["safe", "keep"] = "safe"
    pulse_ms: int = Field(default=0, ge=0, le=2000)
    """An output that leaves its safe level goes back by itself after this time; 0: it stays."""

    @model_validator(mode="after")
    def _fits_its_use(self) -> Self:
        if self.use == "output" and self.safe is None:
            raise OptionError("config_gpio_safe")
        wrong = [key for key in (input_only if self.use == "output" else output_only) if key in self.model_fields_set]
        if wrong:
            raise OptionError("config_gpio_use", keys=", ".join(wrong), use=self.use)
        return self

    def settings(self) -> LineSettings:
        """Return what the chip is asked for."""
        return LineSettings(self.line, self.use == "output", self.active_low, self.bias, self.drive, round(self.debounce_ms * 1000))


class DeviceOptions(BaseModel):
    """Keys of `[devices.X]` for type `gpio`, besides the common ones."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    chip: Printable | None = None
    """Label, name or path; none on the back end `rpi`, which has one chip."""
    backend: Literal["gpiod", "rpi"] = "gpiod"
    lines: dict[LineName, LineOptions] = Field(min_length=1, max_length=256)
    queue_size: int = Field(default=1000, ge=1, le=100_000)
    """Changes of a pushed group that nobody has taken yet."""

    @model_validator(mode="after")
    def _one_chip_each_line_once(self) -> Self:
        if (self.backend == "gpiod") != (self.chip is not None):
            raise OptionError("config_gpio_chip")
        seen: dict[int | str, str] = {}
        for name, line in self.lines.items():
            at = self.place_of(line.line)
            if at in seen:
                raise OptionError("config_gpio_line_twice", line=str(line.line), first=seen[at], second=name)
            seen[at] = name
        for name, line in self.lines.items():
            if self.backend == "rpi" and line.drive != "push_pull":
                raise OptionError("config_gpio_drive", line=name)
        return self

    def place_of(self, line: int | str) -> int | str:
        """Return a line's offset or name. Raises OptionError for one that a Pi does not have on its header."""
        if self.backend == "gpiod":
            return line
        found = pi_pattern.fullmatch(str(line))
        if found is None or int(found[1]) >= pi_lines:
            raise OptionError("config_gpio_pi_line", value=str(line)[:80])
        return int(found[1])

    def settings(self, name: str) -> LineSettings:
        """Return what the chip is asked for, for the line of this name."""
        given = self.lines[name].settings()
        return LineSettings(
            self.place_of(given.at), given.is_output, given.active_low, given.bias, given.drive, given.debounce_us
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Address:
    """What a tag shows of a line: `state`, `count` or `rate` (over the last `window_ns`)."""

    line: str
    shows: str
    scaling: Scaling
    window_ns: int


class TagOptions(BaseModel):
    """Keys of a tag of a GPIO device, besides the common ones."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    line: str
    """Name of the line in the device's `lines`."""
    value: Literal["state", "count", "rate"] = "state"
    scale: float = Field(default=1.0, allow_inf_nan=False)
    """What one edge stands for (count), or one edge per second (rate)."""
    offset: float = Field(default=0.0, allow_inf_nan=False)
    window_s: float = Field(default=10.0, ge=0.1, le=3600)
    """A rate is over this time; fewer than two edges in it are none."""

    @model_validator(mode="after")
    def _line_can_show_it(self, info: ValidationInfo) -> Self:
        if self.scale == 0:
            raise OptionError("config_gpio_scale")
        if self.value == "state" and self.model_fields_set & {"scale", "offset", "window_s"}:
            raise OptionError("config_gpio_state")
        device = (info.context or {}).get("options")
        if isinstance(device, DeviceOptions):
            line = device.lines.get(self.line)
            if line is None:
                raise OptionError("config_gpio_tag_line", value=self.line[:80], known=", ".join(list(device.lines)[:20]))
            if line.use == "output" and self.value != "state":
                raise OptionError("config_gpio_counts_output", line=self.line)
        return self

    @property
    def scaling(self) -> Scaling:
        """Its scaling."""
        return Scaling(self.scale, self.offset)


def make_address(options: TagOptions) -> Address:
    """Return the frozen address of validated options."""
    return Address(options.line, options.value, options.scaling, round(options.window_s * 1e9))


def parse_address(raw: dict[str, object]) -> Address:
    """Return the frozen address of a tag's raw options. Raises pydantic.ValidationError with every fault."""
    return make_address(TagOptions.model_validate(raw))


def watched_with(first: Watched, second: Watched) -> Watched:
    """Return what has to be watched for both."""
    if second in (first, "none"):
        return first
    return second if first == "none" else "both"
