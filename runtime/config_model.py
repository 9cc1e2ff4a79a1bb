"""The shape of the config file: what pydantic accepts at the edge. Every section but the drivers' own options.

Room: hall. `config` alone imports it; nothing past `config` sees these models. It opens nothing and knows no driver: the
keys that belong to a device's protocol are passed over here (`extra="allow"`) and judged by the driver's own models.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from drivers.option_error import OptionError
from ledger_client.errors import FormatError
from ledger_client.note import check_name
from runtime.config_shapes import Name, Strict, TagName, Text, shaped
from runtime.config_signin import Ldap, Oidc
from runtime.config_web import Web
from runtime.config_writes import Commands, Method, Write
from runtime.network.options import Network


def _day(raw: Any) -> Any:
    """Return the day that a TOML date, or a text of that shape, names."""
    if isinstance(raw, str):
        try:
            return date.fromisoformat(raw)
        except ValueError as error:
            raise OptionError("config_not_date", value=raw[:80]) from error
    if not isinstance(raw, date) or isinstance(raw, datetime):
        raise OptionError("config_not_date", value=str(raw)[:80])
    return raw


AssetPath = Annotated[str, shaped(r"([^/\x00-\x1f]{1,64}(/[^/\x00-\x1f]{1,64}){0,7})?", "config_asset_shape")]
FeedMode = Annotated[str, shaped(r"[67][0-7]0", "config_feed_mode")]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Day = Annotated[date, BeforeValidator(_day)]
Spread = Annotated[float, Field(ge=0, allow_inf_nan=False)]
ORIGIN_BLANKS = ("gateway", "epoch", "key_hash")


def _zone(name: str) -> str:
    """Return a name of the zone database that this machine has, or none."""
    try:
        if name:
            ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise OptionError("config_zone", value=name[:80]) from error
    return name


Zone = Annotated[str, Field(max_length=64), AfterValidator(_zone)]


class Gateway(Strict):
    """[gateway]."""

    name: Name
    board: Name = "sim"
    device_writes: bool = False
    commissioning: bool = False
    """Whether units that are not configured may be looked for; off again when the plant is in service."""
    calibration_warn_days: int = Field(default=30, ge=0, le=3650)
    zone: Zone = ""
    """In which pages and exports write times; empty: the person's own, else the browser's."""


class Evidence(Strict):
    """[evidence]."""

    seal_every_s: float = Field(default=5.0, ge=1, le=60)
    anchor_every_s: float = Field(default=5.0, ge=1, le=3600)
    origin: str = Field(default="witnessmark.local/{gateway}/{epoch}", max_length=200)
    policy_file: str = ""
    memory_max_mb: int = Field(default=32, ge=4, le=1024)

    @field_validator("origin")
    @classmethod
    def _origin_is_a_name(cls, origin: str) -> str:
        try:
            blanks = {blank for _, blank, _, _ in string.Formatter().parse(origin) if blank is not None}
            unknown = blanks - set(ORIGIN_BLANKS)
            if not unknown:
                check_name(origin.format(gateway="g", epoch=1, key_hash="0" * 64))
        except (FormatError, ValueError) as error:
            raise OptionError("config_origin_shape", value=origin) from error
        if unknown:
            raise OptionError("config_origin_blanks", found=", ".join(sorted(unknown)), known=", ".join(ORIGIN_BLANKS))
        if "epoch" not in blanks:
            raise OptionError("config_origin_epoch")
        return origin


class Anchor(BaseModel):
    """[[anchors]]: the keys that every type has; the others are the type's own."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: Name
    type: Name = "tlog"
    operator: Name = "self"


class Accounts(Strict):
    """[accounts]: how long a session lasts. `kiosk_idle_min` is for people who are viewers and nothing else; 0 is as for everybody."""

    idle_min: int = Field(default=30, ge=1, le=720)
    longest_h: int = Field(default=12, ge=1, le=24)
    kiosk_idle_min: int = Field(default=0, ge=0, le=43_200)


class Syslog(Strict):
    """[syslog]: a server to which acts and logins are told as well, over TLS. Without a host it is off."""

    host: Text = ""
    port: int = Field(default=6514, ge=1, le=65535)
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if bool(self.cert_file) != bool(self.key_file):
            raise OptionError("config_syslog_pair")
        return self


class History(Strict):
    """[history]."""

    enabled: bool = True
    size_max_mb: int = Field(default=1_024, ge=16, le=1_000_000)
    keep_10s_days: int = Field(default=7, ge=1, le=3_650)
    keep_5min_days: int = Field(default=90, ge=1, le=36_500)


class Feed(Strict):
    """[feed]: who may open the socket."""

    mode: FeedMode = "660"
    group: str = ""
    web_user: str = Field(default="", max_length=64)


class Report(Strict):
    """report = {…} of a tag, or of a group for all its tags."""

    on_change: bool = True
    deadband: Spread = 0.0
    deadband_percent: float = Field(default=0.0, ge=0, le=100, allow_inf_nan=False)
    percent_of: Literal["span", "value"] = "span"
    deadband_integral: Spread = 0.0
    heartbeat_s: float = Field(default=60.0, ge=0, le=86_400)


class Range(Strict):
    """range = {…} of a tag: between what its values can lie. One outside is marked, never changed."""

    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    outside: Literal["uncertain", "bad"] = "uncertain"

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise OptionError("config_range_order", low=self.low, high=self.high)
        return self


class Instrument(Strict):
    """instrument = {…} of a tag: what measures it, and until when that may be believed."""

    serial: Text = ""
    certificate: Text = ""
    calibrated: Day | None = None
    due: Day | None = None
    uncertainty: Spread | None = None
    uncertainty_percent: Spread | None = None
    coverage: float | None = Field(default=None, gt=0, le=10)

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.calibrated is not None and self.due is not None and self.due < self.calibrated:
            raise OptionError("config_due_before_calibrated", due=self.due.isoformat(), calibrated=self.calibrated.isoformat())
        if self.coverage is not None and self.uncertainty is None and self.uncertainty_percent is None:
            raise OptionError("config_coverage_alone")
        return self


class Tag(BaseModel):
    """A tag's common keys; what is left belongs to the driver."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    name: TagName
    was: str | None = None
    unit: Text = ""
    calibration: Text = ""
    instrument: Instrument = Instrument()
    range: Range = Range()
    decimals: int | None = Field(default=None, ge=0, le=12)
    writable: bool = False
    write: Write | None = None
    report: Report = Report()

    @model_validator(mode="after")
    def _limits_need_writable(self, info: ValidationInfo) -> Self:
        wrong = (info.context or {}).get("wrong", ())  # it was given, and is a fault already
        if self.write is not None and not self.writable and "writable" not in wrong:
            raise OptionError("config_limits_need_writable")
        return self


TIMEOUT_S_MAX: Final = 60
"""For one scan of a device."""
TAGS_MAX: Final = 1024
"""Tags of one group."""


def _not_too_many(tags: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(tags) > TAGS_MAX:
        raise OptionError("config_tags_too_many", count=len(tags), limit=TAGS_MAX)
    return tags


class Group(Strict):
    """A tag group; its tags are judged one by one."""

    name: Name
    was: str | None = None
    period_ms: int = Field(ge=20, le=3_600_000)
    mode: Literal["poll", "subscribe"] = "poll"
    report: Report = Report()
    tags: Annotated[list[dict[str, Any]], Field(min_length=1), AfterValidator(_not_too_many)]


class DeviceName(Strict):
    """A device's name is a key of the file, so it is judged by itself."""

    name: Name


class Device(BaseModel):
    """A device's common keys; what is left belongs to the driver."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    type: Name
    asset: AssetPath = ""
    enabled: bool = True
    timeout_s: float = Field(default=1.0, ge=0.05, le=TIMEOUT_S_MAX)
    methods: list[Method] = Field(default=[], max_length=64)
    groups: list[dict[str, Any]] = Field(min_length=1)


class TemplateUse(Strict):
    """Keys of a device that uses a template; they are gone once it is expanded."""

    template: Name
    parameters: dict[str, str | int | float] = Field(default={})
    prefix: Annotated[str, shaped(r"([A-Za-z0-9][A-Za-z0-9._ -]{0,31})?", "config_tag_name_shape")] = ""
    without: list[str] = Field(default=[])


class JudgedTag(Strict):
    """A tag of a model, where more is said of it than its name. What is left out comes from the tag: its range, its heartbeat, its type."""

    tag: Text
    role: Literal["level", "counter", "state", "clock", "uptime"] | None = None
    hold_s: float | None = Field(default=None, gt=0, le=86_400)
    low: float | None = Field(default=None, allow_inf_nan=False)
    high: float | None = Field(default=None, allow_inf_nan=False)
    counter_max: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    spike: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    stuck_s: float | None = Field(default=None, gt=0, le=86_400)
    running: list[bool | int | float] = Field(default=[], max_length=64)


class JudgedGate(Strict):
    """Rows count only while this tag has had one of these values for the whole window: a running state, a recipe."""

    tag: Text
    values: list[bool | int | float] = Field(min_length=1, max_length=64)
    settle_s: float = Field(default=0.0, ge=0, le=86_400)


class JudgedRatio(Strict):
    """How much of the counter `over` goes by for one of the counter `under`, such as energy per unit made."""

    name: TagName
    unit: Text = ""
    over: Text
    under: Text


class ModelDefinition(Strict):
    """[[models.define]]: what one model looks at; the model itself is learned or imported."""

    name: Name
    tags: list[Text | JudgedTag] = Field(min_length=1, max_length=256)
    gates: list[JudgedGate] = Field(default=[], max_length=8)
    ratios: list[JudgedRatio] = Field(default=[], max_length=16)
    grid_ms: int = Field(default=1000, ge=100, le=60_000)
    window: int = Field(default=60, ge=2, le=900)
    missing_share: float = Field(default=0.2, ge=0, lt=1)
    features: list[Literal["mean", "log_sd", "running_share", "time_in_state"]] = Field(default=["mean", "log_sd"], max_length=8)
    learn_s: float = Field(default=3600.0, ge=60, le=604_800)


class Models(Strict):
    """[models]."""

    enabled: bool = False
    trusted_keys: list[Annotated[str, shaped(r"([0-9a-f]{2}){32,128}", "config_model_key_shape")]] = Field(default=[], max_length=16)
    unsigned_imports: bool = False
    receipt_every_s: float = Field(default=30.0, ge=1, le=300)
    worker_memory_mb: int = Field(default=64, ge=16, le=4096)
    trainer_memory_mb: int = Field(default=256, ge=64, le=8192)
    define: list[ModelDefinition] = Field(default=[], max_length=16)


class File(Strict):
    """The whole file. Devices, anchors and alarms are judged one by one, so that a fault in one hides none in another."""

    gateway: Gateway
    evidence: Evidence = Evidence()
    web: Web = Web()
    accounts: Accounts = Accounts()
    ldap: Ldap = Ldap()
    oidc: Oidc = Oidc()
    syslog: Syslog = Syslog()
    history: History = History()
    feed: Feed = Feed()
    network: Network = Network()
    commands: Commands = Commands()
    models: Models = Models()
    anchors: list[dict[str, Any]] = Field(default=[])
    devices: dict[str, Any] = Field(default={})
    alarms: list[Any] = Field(default=[])
    notify: dict[str, Any] = Field(default={})


def own_options(model: BaseModel) -> Mapping[str, Any]:
    """Return the keys of a section that its common model left to the driver or the anchor type."""
    return model.model_extra or {}
