"""What technicians said of a model's findings, and what that makes of its precision and recall. Pure.

Room: hall, judgement. `book` keeps one for each model. The newest label of a finding, or of a span of time, counts.

    precision = findings that were right / findings that were judged; recall = times that were not normal and were found / all such times.
Labels `unsure` count in neither. Both are None while there is nothing to divide by.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from ledger_client.details import is_int, is_uint
from ledger_client.errors import FormatError
from ledger_client.event_bodies import LABELS, FindingBody, LabelBody

KEPT_MAX: Final = 500
"""Labels and findings of one model that are counted: the newest."""
SHOWN_MAX: Final = 50
"""Labelled findings that a page is told of: the newest."""
ONSET: Final = 0


@dataclass(slots=True)
class LabelTally:
    """`onsets` = (seq, time ms) of findings; `labels` by finding, or by span: (None, from, to)."""

    onsets: dict[int, int] = field(default_factory=dict)
    labels: dict[tuple[int | None, int, int], str] = field(default_factory=dict)
    told: dict[int, tuple[str, int]] = field(default_factory=dict)
    """By whom and when (ms) a finding got its label."""
    _counted: dict[str, Any] | None = field(default=None, compare=False, repr=False)
    """What `plain` returned, until something changes: faces ask twice a second."""

    def found(self, seq: int, finding: FindingBody) -> None:
        """Note a finding."""
        self._counted = None
        if finding.phase == ONSET:
            self.onsets[seq] = finding.at_ms
            while len(self.onsets) > KEPT_MAX:
                del self.onsets[next(iter(self.onsets))]

    def said(self, label: LabelBody, at_ms: int) -> None:
        """Note a label that was given at a time; one of the same finding or span takes its place."""
        self._counted = None
        key = (label.finding_seq, 0, 0) if label.finding_seq is not None else (None, label.from_ms, label.to_ms)
        self.labels.pop(key, None)
        self.labels[key] = label.label
        self.signed(label, at_ms)
        while len(self.labels) > KEPT_MAX:
            oldest = next(iter(self.labels))
            del self.labels[oldest]
            if oldest[0] is not None:
                self.told.pop(oldest[0], None)

    def signed(self, label: LabelBody, at_ms: int) -> None:
        """Note by whom and when a finding got a label that is known already."""
        if label.finding_seq is not None and (label.finding_seq, 0, 0) in self.labels:
            self.told[label.finding_seq] = (label.by, at_ms)

    def labelled(self) -> list[list[Any]]:
        """Return [finding's entry, label, by whom, ms] of the newest labels of findings."""
        known = [[seq, label, *self.told.get(seq, ("", 0))] for (seq, _, _), label in self.labels.items() if seq is not None]
        return known[-SHOWN_MAX:]

    def plain(self) -> dict[str, Any]:
        """Return {normal, not_normal, unsure, judged, precision, recall}; `judged`: findings that precision is reckoned from."""
        if self._counted is None:
            self._counted = self._count()
        return dict(self._counted)

    def _count(self) -> dict[str, Any]:
        counts = {label: sum(1 for each in self.labels.values() if each == label) for label in LABELS}
        right = wrong = missed = 0
        for (seq, from_ms, to_ms), label in self.labels.items():
            if label == "unsure":
                continue
            if seq is not None:
                right += label == "not_normal"
                wrong += label == "normal"
            elif label == "not_normal" and not any(from_ms <= at_ms <= to_ms for at_ms in self.onsets.values()):
                missed += 1
            elif label == "normal":
                wrong += sum(1 for known, at_ms in self.onsets.items() if from_ms <= at_ms <= to_ms and (known, 0, 0) not in self.labels)
            else:
                right += 1
        precision = round(right / (right + wrong), 4) if right + wrong else None
        recall = round(right / (right + missed), 4) if right + missed else None
        return counts | {"judged": right + wrong, "precision": precision, "recall": recall}

    def rows(self) -> list[list[Any]]:
        """Return it for the book's file, but for `told`: a release that knows nothing of that reads these two and no third."""
        return [[list(each) for each in self.onsets.items()], [[*key, label] for key, label in self.labels.items()]]

    @classmethod
    def of(cls, rows: Any) -> LabelTally:
        """Read what `rows` gave, or gave when `told` was the third of them. Raises FormatError."""
        match rows:
            case [list() as onsets, list() as labels, *more] if all(
                isinstance(each, list) and len(each) == 2 and is_uint(each[0]) and is_int(each[1]) for each in onsets
            ) and all(isinstance(each, list) and len(each) == 4 and each[3] in LABELS for each in labels):
                return cls(dict(onsets), {(seq, a, b): label for seq, a, b, label in labels}, _told(more))
        raise FormatError("models_book_invalid")


def _told(more: list[Any]) -> dict[int, tuple[str, int]]:
    match more:
        case []:
            return {}
        case [list() as told]:
            return told_of(told)
    raise FormatError("models_book_invalid")


def told_of(rows: list[Any]) -> dict[int, tuple[str, int]]:
    """Read rows [finding's entry, by whom, ms]. Raises FormatError."""
    if all(isinstance(row, list) and len(row) == 3 and is_uint(row[0]) and isinstance(row[1], str) and is_int(row[2]) for row in rows):
        return {seq: (by, at_ms) for seq, by, at_ms in rows}
    raise FormatError("models_book_invalid")
