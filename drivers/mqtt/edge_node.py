"""One Sparkplug edge node as its messages tell of it: births, sequence, aliases, deaths; pure.

Room: ground, driver `mqtt`. `sparkplug_feed.py` hands it every message of the node, in order, and acts on what comes back. Rules: Eclipse
Sparkplug Specification 3.0.0, chapters 5 and 6. After a message that was lost, nothing of the node is believed until
its next birth, because the lost one may have been a birth that gave the aliases other meanings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from drivers.mqtt.sparkplug import Metric, Payload, SparkplugError, decode

known_max: Final = 50_000
"""Metrics of one node with all its devices; a bound against hostile publishers."""
devices_max: Final = 1000
node_kinds: Final = ("NBIRTH", "NDATA", "NDEATH")
device_kinds: Final = ("DBIRTH", "DDATA", "DDEATH")


@dataclass(frozen=True, slots=True)
class KnownMetric:
    """What a birth said of a metric. `device` is empty for the node's own."""

    device: str
    name: str
    alias: int | None
    datatype: int


@dataclass(slots=True)
class Outcome:
    """What a message means. Everything is empty for one that changes nothing.

    `values` are (metric as known from its birth, metric as sent, time of the payload). `lost` is a cause code when messages
    are missing or cannot be read (`detail` says more). `died` are devices that are gone now ("" is the node with all of them). `unclear`
    are aliases of the message's device that several metrics have: one of these has a new value, and nobody can tell which.
    """

    values: list[tuple[KnownMetric, Metric, int | None]] = field(default_factory=list)
    unclear: set[int] = field(default_factory=set)
    births: set[str] = field(default_factory=set)
    died: set[str] = field(default_factory=set)
    lost: str | None = None
    detail: str = ""
    wants_rebirth: bool = False


class EdgeNode:
    """The state of one node. Not born at the start."""

    def __init__(self) -> None:
        """Know nothing of it."""
        self.born = False
        self.cause = "birth_missing"
        """Why the node is not born: `birth_missing`, `messages_lost`, `bad_answer`, or `publisher_offline`."""
        self.online: set[str] = set()
        """Devices that have been born and have not died."""
        self.dead: set[str] = set()
        """Devices that have died since the node was born."""
        self._metrics: dict[str, dict[str, KnownMetric | None]] = {}
        """Device -> name -> what its last birth said, None where that gave the name to several metrics."""
        self._aliases: dict[str, dict[int, KnownMetric | None]] = {}
        """Device -> alias -> the metric, None where its birth gave the alias to several. Some publishers number each device by itself."""
        self._seq: int | None = None
        self._bd_seq: int | None = None
        self._last = b""

    def find(self, device: str, name: str) -> KnownMetric | None:
        """Return what the births said of a metric."""
        return self._metrics.get(device, {}).get(name) if self.born else None

    def is_double(self, device: str, name: str) -> bool:
        """Tell whether a birth gave this name to several metrics, of other aliases or types, so that nobody can tell which is meant."""
        return self.born and name in (metrics := self._metrics.get(device, {})) and metrics[name] is None

    def alias_of(self, known: KnownMetric) -> int | None:
        """Return the alias by which a command may call a metric; None where it has none, or others have it too."""
        is_its_own = known.alias is not None and self._aliases.get(known.device, {}).get(known.alias) is known
        return known.alias if is_its_own else None

    def forget(self, cause: str = "birth_missing") -> None:
        """Nothing is believed until the next birth: the connection is new, or messages may be missing."""
        self.born, self.cause = False, cause
        self.online.clear()
        self.dead.clear()
        self._seq = None

    def take(self, kind: str, device: str, data: bytes) -> Outcome:
        """Take one message. `device` is empty for a node's own. Never raises."""
        try:
            payload = decode(data)
            if kind == "NDEATH":
                return self._node_death(payload)
            if kind == "NBIRTH":
                return self._node_birth(payload, data)
            if not self.born:
                return Outcome(wants_rebirth=True)
            if payload.seq is not None and payload.seq == self._seq and data == self._last:
                return Outcome()  # delivered twice
            if payload.seq is None or self._seq is None or payload.seq != (self._seq + 1) % 256:
                return self._lost("messages_lost", f"{payload.seq} after {self._seq}")
            self._seq, self._last = payload.seq, data
            if kind == "DBIRTH":
                return self._birth(payload, device, Outcome())
            if kind == "DDEATH":
                self.online.discard(device)
                self._metrics.pop(device, None)
                self._aliases.pop(device, None)
                if len(self.dead) < devices_max:
                    self.dead.add(device)
                return Outcome(died={device})
            return self._data(payload, device)
        except SparkplugError as error:
            return self._lost("bad_answer", str(error)[:80])

    def _node_birth(self, payload: Payload, data: bytes) -> Outcome:
        outcome = Outcome()
        bd_seq = next((_number(metric) for metric in payload.metrics if metric.name == "bdSeq"), None)
        if self.born and bd_seq != self._bd_seq:  # it was away, and its death has not reached us
            outcome.lost, outcome.detail = "messages_lost", "born again"
        self.forget()
        self._metrics.clear()
        self._aliases.clear()
        self.born, self._bd_seq, self._seq, self._last = True, bd_seq, payload.seq or 0, data
        return self._birth(payload, "", outcome)

    def _birth(self, payload: Payload, device: str, outcome: Outcome) -> Outcome:
        metrics: dict[str, KnownMetric | None] = {}  # a birth says all that there is: what the last one had besides is gone
        aliases: dict[int, KnownMetric | None] = {}
        self._metrics[device], self._aliases[device] = metrics, aliases
        for metric in payload.metrics:
            if metric.name is None:
                raise SparkplugError("a metric without a name in a birth")
            known = KnownMetric(device, metric.name, metric.alias, metric.datatype)
            if metrics.setdefault(metric.name, known) != known:
                metrics[metric.name] = None
            if metric.alias is not None:
                before = aliases.setdefault(metric.alias, known)
                if before is not None and before.name != known.name:
                    aliases[metric.alias] = None
            outcome.values.append((known, metric, payload.timestamp_ms))
        if None in metrics.values():
            outcome.values = [each for each in outcome.values if metrics[each[0].name] is not None]
            aliases |= {alias: None for alias, known in aliases.items() if known is not None and metrics[known.name] is None}
        if device:
            self.online.add(device)
            self.dead.discard(device)
        if sum(map(len, self._metrics.values())) > known_max or len(self.online) > devices_max:
            self._metrics.clear()
            self._aliases.clear()
            raise SparkplugError(f"more than {known_max} metrics or {devices_max} devices")
        outcome.births.add(device)
        return outcome

    def _data(self, payload: Payload, device: str) -> Outcome:
        outcome = Outcome()
        if device and device not in self.online:
            outcome.wants_rebirth = True
            return outcome
        metrics, aliases = self._metrics.get(device, {}), self._aliases.get(device, {})
        for metric in payload.metrics:
            known = metrics.get(metric.name) if metric.name is not None else aliases.get(-1 if metric.alias is None else metric.alias)
            if known is not None:
                outcome.values.append((known, metric, payload.timestamp_ms))
                continue
            if metric.name is None and metric.alias is not None and metric.alias in aliases:
                outcome.unclear.add(metric.alias)  # it may be any of several, and another birth would say the same again
            elif metric.name is None or metric.name not in metrics:
                outcome.wants_rebirth = True  # the others are what their birth said: only this one is not known
        return outcome

    def _node_death(self, payload: Payload) -> Outcome:
        bd_seq = next((_number(metric) for metric in payload.metrics if metric.name == "bdSeq"), None)
        if self.born and None not in (bd_seq, self._bd_seq) and bd_seq != self._bd_seq:
            return Outcome()  # the death of a connection that a newer birth has replaced
        self.forget("publisher_offline")
        return Outcome(died={""})

    def _lost(self, cause: str, detail: str) -> Outcome:
        self.forget(cause)
        return Outcome(lost=cause, detail=detail, wants_rebirth=True)


def _number(metric: Metric) -> int | None:
    return metric.raw if isinstance(metric.raw, int) and not metric.null else None
