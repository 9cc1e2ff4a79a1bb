"""What a model is, in one signed file: its bytes' hash, its inputs, its scaling, its threshold, how it was made and how it was checked.

Room: ground, pure, without numpy: the core, the judge, the trainer and the command line read it. It never opens a file and trusts no byte:
reading decodes strictly (`canonical`), checks every value, encodes again and compares, so a manifest has one encoding and one hash.
The encoding is a map with the field names below as keys; its JSON view (`plain`) has the same names, with hashes as hex.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final, Literal

from models import canonical
from models.decision import COVER_SHARES, COVER_WINDOWS_MIN, REACH_SD, REACH_SHARE_MIN, DecisionSettings, Refusal, refusal_to_arm
from models.input_plan import InputPlan, PlanError
from models.manifest_checks import entry_name, fault, number, numbers, one_of, record, sha256, short_text, truth, whole

VERSION: Final = 1
SIZE_MAX: Final = 1 << 20
FEATURES_MAX: Final = 4096
CELLS_MAX: Final = 86_400
RULES_MAX: Final = 32
OUTPUTS: Final = ("reconstruction", "score", "class")
Plain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TensorForm:
    """How a row stands in a tensor: real = (stored - zero_point) * scale for int8; float32 as it is (scale 1, zero_point 0)."""

    dtype: Literal["int8", "float32"]
    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """Whether the training rows hold normal operation.

    alarmed_share: of held-back rows, by a model made from the rows before them; 1 where there were too few rows to try.
    rows_wanted: how many more rows are asked for, 0 if covered.
    """

    covered: bool
    alarmed_share: float
    rows_wanted: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """int8 against float on the training rows: rms of the outputs in standard deviations; share of rows judged differently."""

    rms: float
    differing_share: float


@dataclass(frozen=True)
class Manifest:
    """See the module. Tuples of features are in the order of `plan.feature_names()`, tuples of tags in that of `plan.tags`.

    mean, spread: of each feature over the training rows; the model's input is (feature - mean) / spread.
    residual: what a reconstruction misses on normal rows, per feature, in the same units; empty for other outputs.
    output: reconstruction (of the scaled features), score (one value), or class (one value per class; `normal_class` is the good one).
    gather, ceilings: how contributions of tags make the score of a reconstruction: the sum, or the largest, of contribution / ceiling.
    bands: per tag, what it was between in normal operation. limits: rule -> per tag, natural limits of the rules.
    """

    name: str
    kind: str
    model_sha256: bytes
    plan: InputPlan
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    residual: tuple[float, ...]
    input: TensorForm
    output_form: TensorForm
    output: Literal["reconstruction", "score", "class"]
    normal_class: int
    gather: Literal["sum", "largest"]
    ceilings: tuple[float, ...]
    decision: DecisionSettings
    threshold_how: str
    coverage: Coverage
    int8_float: Agreement
    bands: tuple[tuple[float, float], ...]
    limits: Plain
    rows: int
    first_ms: int
    last_ms: int
    code_version: str
    recipe: str
    who: str
    made_ms: int
    version: int = VERSION

    @property
    def threshold(self) -> float:
        """The score above which a row counts as not normal."""
        return self.decision.threshold

    @property
    def hash(self) -> bytes:
        """SHA-256 of the encoding."""
        return hashlib.sha256(self.encoded()).digest()

    @cached_property
    def reach_share(self) -> float:
        """The share of features whose shift by REACH_SD standard deviations, alone, is beyond the threshold, where nothing else follows it.

        1 of a model that is no reconstruction: what it would find cannot be told from its manifest.
        """
        if not self.residual:
            return 1.0
        parts = zip([REACH_SD / missed for missed in self.residual], self.plan.tag_of_feature, strict=True)
        beyond = [part * part / self.ceilings[tag] > self.threshold for part, tag in parts]  # `**` of a float overflows, `*` is infinite
        return sum(beyond) / len(beyond)

    @property
    def is_blind(self) -> bool:
        """Whether it would find so little that it may not be armed: something in what it learned is unlike the rest, such as a warm-up."""
        return self.reach_share < REACH_SHARE_MIN

    @property
    def alarmed_share(self) -> float | None:
        """The share that alarmed of the rows that it had not learned from; None where it was learned from too few to be tried on any."""
        tried = int(self.rows * COVER_SHARES[0]) >= COVER_WINDOWS_MIN * self.plan.window
        return self.coverage.alarmed_share if tried or self.coverage.alarmed_share < 1 else None

    def refusal_to_arm(self) -> Refusal | None:
        """Say why this model may not be armed, or None."""
        return refusal_to_arm(
            covered=self.coverage.covered,
            alarmed_share=self.alarmed_share,
            rows=self.rows,
            rows_wanted=self.coverage.rows_wanted,
            rms=self.int8_float.rms,
            differing_share=self.int8_float.differing_share,
            reach_share=self.reach_share,
        )

    def plain(self) -> Plain:
        """Return the manifest as JSON can hold it."""
        return self._as_plain() | {"model_sha256": self.model_sha256.hex()}

    def encoded(self) -> bytes:
        """Return the one encoding."""
        return canonical.encode(self._as_plain())

    def _as_plain(self) -> Plain:
        found: Plain = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("input", "output_form", "decision", "coverage", "int8_float"):
            found[name] = {f.name: getattr(found[name], f.name) for f in fields(found[name])}
        found["plan"] = self.plan.plain()
        for name in ("mean", "spread", "residual", "ceilings"):
            found[name] = list(found[name])
        found["bands"] = [list(band) for band in self.bands]
        return found

    @classmethod
    def read(cls, data: bytes) -> Manifest:
        """Return the manifest that these bytes are the one encoding of.

        Raises:
            ModelFault: manifest_invalid {where, why}: not canonical CBOR, a field missing, unknown or of a wrong type or size.
        """
        try:
            found = canonical.decode(data, size_max=SIZE_MAX)
        except canonical.CanonicalError as error:
            raise fault("file", str(error)) from error
        made = cls.from_plain(found)
        if made.encoded() != data:  # a field that is read as equal but written otherwise: 1 for 1.0
            raise fault("file", "not canonical")
        return made

    @classmethod
    def from_plain(cls, plain: Any) -> Manifest:
        """Return the manifest of a plain value, of CBOR or JSON. Raises ModelFault manifest_invalid {where, why}."""
        row = record(plain, "file", {f.name for f in fields(cls)})
        if row["version"] != VERSION or isinstance(row["version"], bool):
            raise fault("version", f"{row['version']!r}"[:40])
        plan = _plan(row["plan"])
        width, tags = len(plan.feature_names()), len(plan.tags)
        if width > FEATURES_MAX:
            raise fault("plan", "too many features")
        for tag in plan.tags:
            entry_name(tag.name, "plan.tags.name")
        output = one_of(row["output"], "output", OUTPUTS)
        return cls(
            name=entry_name(row["name"], "name"),
            kind=short_text(row["kind"], "kind"),
            model_sha256=sha256(row["model_sha256"], "model_sha256"),
            plan=plan,
            mean=numbers(row["mean"], "mean", width),
            spread=numbers(row["spread"], "spread", width, above=0),
            residual=numbers(row["residual"], "residual", width if output == "reconstruction" else 0, above=0),
            input=_form(row["input"], "input"),
            output_form=_form(row["output_form"], "output_form"),
            output=output,
            normal_class=whole(row["normal_class"], "normal_class", 0, FEATURES_MAX),
            gather=one_of(row["gather"], "gather", ("sum", "largest")),
            ceilings=numbers(row["ceilings"], "ceilings", tags, above=0),
            decision=_decision(row["decision"]),
            threshold_how=short_text(row["threshold_how"], "threshold_how"),
            coverage=_coverage(row["coverage"]),
            int8_float=_agreement(row["int8_float"]),
            bands=_bands(row["bands"], tags),
            limits=_limits(row["limits"], tags),
            rows=whole(row["rows"], "rows", 0),
            first_ms=whole(row["first_ms"], "first_ms"),
            last_ms=whole(row["last_ms"], "last_ms"),
            code_version=short_text(row["code_version"], "code_version"),
            recipe=short_text(row["recipe"], "recipe"),
            who=short_text(row["who"], "who"),
            made_ms=whole(row["made_ms"], "made_ms"),
        )


def _names(kind: type) -> set[str]:
    return {f.name for f in fields(kind)}


def _plan(plain: Any) -> InputPlan:
    try:
        return InputPlan.from_plain(plain)
    except PlanError as error:
        raise fault("plan", str(error)[:200]) from error


def _form(plain: Any, where: str) -> TensorForm:
    row = record(plain, where, _names(TensorForm))
    dtype = one_of(row["dtype"], f"{where}.dtype", ("int8", "float32"))
    form = TensorForm(dtype, number(row["scale"], f"{where}.scale", above=0), whole(row["zero_point"], f"{where}.zero_point", -128, 127))
    if dtype == "float32" and form != TensorForm("float32", 1.0, 0):
        raise fault(where, "float32 has scale 1 and zero point 0")
    return form


def _decision(plain: Any) -> DecisionSettings:
    row = record(plain, "decision", _names(DecisionSettings))
    of = whole(row["of"], "decision.of", 1, CELLS_MAX)
    return DecisionSettings(
        threshold=number(row["threshold"], "decision.threshold"),
        needed=whole(row["needed"], "decision.needed", 1, of),
        of=of,
        release=number(row["release"], "decision.release", 0, 1, above=0),
        hold_off=whole(row["hold_off"], "decision.hold_off", 1, CELLS_MAX),
        falling=number(row["falling"], "decision.falling", 0, 1),
        look=whole(row["look"], "decision.look", 1, CELLS_MAX),
    )


def _coverage(plain: Any) -> Coverage:
    row = record(plain, "coverage", _names(Coverage))
    return Coverage(
        covered=truth(row["covered"], "coverage.covered"),
        alarmed_share=number(row["alarmed_share"], "coverage.alarmed_share", 0, 1),
        rows_wanted=whole(row["rows_wanted"], "coverage.rows_wanted", 0),
    )


def _agreement(plain: Any) -> Agreement:
    row = record(plain, "int8_float", _names(Agreement))
    return Agreement(
        rms=number(row["rms"], "int8_float.rms", 0),
        differing_share=number(row["differing_share"], "int8_float.differing_share", 0, 1),
    )


def _bands(plain: Any, tags: int) -> tuple[tuple[float, float], ...]:
    if not isinstance(plain, list) or len(plain) != tags:
        raise fault("bands", f"not {tags} pairs")
    found = []
    for pair in plain:
        low, high = numbers(pair, "bands", 2)
        if low > high:
            raise fault("bands", "low above high")
        found.append((low, high))
    return tuple(found)


def _limits(plain: Any, tags: int) -> Plain:
    """Return rule -> per tag a number or nothing; what the numbers mean is the rule's own affair."""
    if not isinstance(plain, dict) or len(plain) > RULES_MAX:
        raise fault("limits", "not a map of rules")
    found: Plain = {}
    for rule, values in plain.items():
        if not isinstance(values, list) or len(values) != tags:
            raise fault("limits", f"not one for each of {tags} tags")
        found[short_text(rule, "limits")] = [None if value is None else number(value, "limits") for value in values]
    return found
