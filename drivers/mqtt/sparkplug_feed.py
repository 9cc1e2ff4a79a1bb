"""Sparkplug edge nodes and their devices: messages in, samples out, rebirths asked for, commands by metric.

Room: ground, driver `mqtt`. `NodeFeed` is one for all devices of an edge node, because its sequence numbers run over all of them; a
`DeviceFeed` is the part of it that one of our devices sees. Rules of the protocol: `edge_node.py`; of the payloads: `sparkplug.py`.
"""

from __future__ import annotations

from typing import Final

from drivers.driver import Clock, DriverError
from drivers.mqtt.broker import Broker, node_key
from drivers.mqtt.codec import Arrival, Change, Sample, fit, is_good, is_time
from drivers.mqtt.config import DeviceOptions, MetricAddress
from drivers.mqtt.edge_node import EdgeNode, KnownMetric, Outcome, device_kinds, node_kinds
from drivers.mqtt.inbox import Message
from drivers.mqtt.json_topics import da_status
from drivers.mqtt.known import Known
from drivers.mqtt.rebirths import Rebirths, rebirth_ms_max
from drivers.mqtt.sparkplug import BOOLEAN, DATETIME, FLOAT, Metric, Payload, decode, encode, iso_text, metric_with, value_of
from drivers.narrow import float32_loss
from drivers.reading import Status, Tag, Value

rebirth_name: Final = "Node Control/Rebirth"
rebirth_settled_ms: Final = 5_000
"""A birth that holds for so long has mended the node: what is lost afterwards is a new fault, and is asked about at once."""
stale_quality: Final = 500
"""Value of the Quality property for a metric whose source is gone."""


class NodeFeed:
    """One edge node on one connection."""

    def __init__(self, options: DeviceOptions, broker: Broker, clock: Clock) -> None:
        """Know nothing of the node."""
        self.node = EdgeNode()
        self.key = node_key(str(options.group_id), str(options.edge_node_id))
        self.late_after_ms = round(options.late_after_s * 1000)
        self._group, self._name = str(options.group_id), str(options.edge_node_id)
        head = f"spBv1.0/{self._group}"
        self.filters = [
            *(f"{head}/{kind}/{self._name}" for kind in node_kinds),
            *(f"{head}/{kind}/{self._name}/+" for kind in device_kinds),
        ]
        """Births, data and deaths of the node and of all its devices, which share its sequence numbers."""
        self._broker = broker
        self._clock = clock
        self._members: list[DeviceFeed] = []
        self._for_lost = Rebirths(rebirth_settled_ms)
        """For a node of which nothing is known: its next birth mends that."""
        self._for_unknown = Rebirths(rebirth_ms_max)
        """For aliases, names and devices that no birth named: the next one may not either, however long after it they come again."""
        self._generation = -1

    def join(self, member: DeviceFeed) -> None:
        """Hand samples to one more device."""
        if not self._members:
            self._broker.attach(self.key, self)
        self._members.append(member)

    def leave(self, member: DeviceFeed) -> None:
        """Hand it nothing more."""
        self._members.remove(member)
        if not self._members:
            self._broker.detach(self)

    def nudge(self, *, needed: bool = True) -> None:
        """Ask for a rebirth when one is allowed, and due. One that is not needed makes none that is wait longer than the first pause."""
        now_ms, generation = self._clock.mono_ms(), self._broker.generation
        if generation != self._generation:
            self._generation = generation
            self._for_lost.begin()
            self._for_unknown.begin()
        if not any(member.may_ask for member in self._members):
            return
        rebirths, others = (self._for_unknown, self._for_lost) if self.node.born else (self._for_lost, self._for_unknown)
        if rebirths.is_due(now_ms, needed=needed):
            others.asked(now_ms)
            metric = metric_with(rebirth_name, None, BOOLEAN, value=True, timestamp_ms=self._clock.wall_ms())
            self.send("NCMD", "", metric)

    def send(self, kind: str, device: str, metric: Metric) -> None:
        """Send a command of one metric and wait for nothing."""
        topic, payload = self.command(kind, device, metric)
        self._broker.send(topic, payload)

    def command(self, kind: str, device: str, metric: Metric) -> tuple[str, bytes]:
        """Return topic and payload of a command."""
        topic = f"spBv1.0/{self._group}/{kind}/{self._name}" + (f"/{device}" if device else "")
        return topic, encode(Payload(self._clock.wall_ms(), (metric,)))

    def take(self, message: Message, *, held: bool) -> None:
        """Take a message of the node. Retained ones are against the specification and say nothing of now: they are passed over."""
        parts = message.topic.split("/")
        kind, device = parts[2], parts[4] if len(parts) == 5 else ""
        if message.retained or kind not in (device_kinds if device else node_kinds):
            return
        if message.payload is None:
            self.node.forget("bad_answer")
            outcome = Outcome(lost="bad_answer", detail="longer than allowed", wants_rebirth=True)
        else:
            outcome = self.node.take(kind, device, message.payload)
        if outcome.lost is not None:
            for member in self._members:
                member.lost(outcome)
        for gone in outcome.died:
            for member in self._members:
                if gone in ("", member.device):
                    member.died()
        if outcome.values or outcome.births or outcome.unclear:
            arrival = Arrival(self._clock.wall_ms(), self._clock.mono_ms(), False, self.late_after_ms)
            for member in self._members:
                member.put(outcome, device, arrival)
        if outcome.wants_rebirth:
            self.nudge()
        elif outcome.births:
            self._for_lost.born(self._clock.mono_ms())
            self._for_unknown.born(self._clock.mono_ms())

    def missed(self, fault: DriverError) -> None:
        """Messages may be missing: nothing is believed until the next birth."""
        self.node.forget("messages_lost" if fault.cause == "overflow" else "birth_missing")
        for member in self._members:
            member.doubt(fault)


class DeviceFeed:
    """One of our devices: an edge node itself, or a device behind it."""

    def __init__(self, options: DeviceOptions, broker: Broker, known: Known, clock: Clock) -> None:
        """Join the feed of the edge node, or make it."""
        self.device = options.device_id
        self.known = known
        self.may_ask = options.rebirth
        self._name = "/".join(part for part in (options.group_id, options.edge_node_id, options.device_id) if part)
        self._broker = broker
        self._clock = clock
        self._addresses: dict[str, list[MetricAddress]] = {}
        self._said: dict[str, tuple[KnownMetric, Metric, int | None, Arrival]] = {}
        """The last of each metric since the birth, also of those that no tag asks for yet."""
        self._newest: dict[str, tuple[int, Arrival]] = {}
        """Source time and arrival of the newest data of each metric since the birth, which often gives its values a time of its own."""
        self._unclear: set[int] = set()
        """Aliases of several metrics by which a value came since the birth."""
        shared = [f for f in broker.feeds(node_key(str(options.group_id), str(options.edge_node_id))) if isinstance(f, NodeFeed)]
        self._node = shared[0] if shared else NodeFeed(options, broker, clock)
        self._node.join(self)

    def add(self, tag: Tag) -> None:
        """Look for one more tag. Raises TypeError for an address of another kind."""
        address = tag.address
        if not isinstance(address, MetricAddress):
            raise TypeError(f"not an address of this payload: {tag.address!r}")
        known = self._addresses.setdefault(address.metric, [])
        if address not in known:
            known.append(address)
            if (said := self._said.get(address.metric)) is not None:  # a birth that came before this tag was asked for
                is_clear = said[0].alias is None or said[0].alias not in self._unclear
                self.known.put([(address, _sample(*said[:3], address.type, said[3]) if is_clear else _unclear(self._clock))])
            elif self._born:
                self.known.put([(address, self._not_in_birth(address.metric))])

    def leave(self) -> None:
        """Take no more messages."""
        self._node.leave(self)

    def source(self) -> NodeFeed:
        """Return what the broker is asked to subscribe for."""
        return self._node

    def fault(self) -> DriverError | None:
        """Return why nothing of this device can be believed, None when it can."""
        node = self._node.node
        if (not node.born and node.cause == "publisher_offline") or (node.born and self.device in node.dead):
            return DriverError("publisher_offline", Status.BAD_NO_COMMUNICATION, node=self._name)
        if not node.born and node.cause == "messages_lost":
            return DriverError("messages_lost", Status.BAD_COMMUNICATION_ERROR, node=self._name)
        if not self._born:
            return DriverError("birth_missing", Status.BAD_NO_COMMUNICATION, node=self._name)
        return None

    @property
    def _born(self) -> bool:
        node = self._node.node
        return node.born and (not self.device or self.device in node.online)

    def nudge(self, *, needed: bool = True) -> None:
        """Ask for a rebirth when one is due."""
        self._node.nudge(needed=needed)

    def refusal(self, tag: Tag) -> int | None:
        """Return the reason code by which the broker refused a topic of the node, None when it did not."""
        refused = self._broker.refused  # asked for every tag of every read, and mostly empty
        return next((refused[topic] for topic in self._node.filters if topic in refused), None) if refused else None

    def lost(self, outcome: Outcome) -> None:
        """Messages of the node are missing, or cannot be read."""
        if outcome.lost == "bad_answer":
            self.doubt(DriverError("bad_answer", Status.BAD_DECODING_ERROR, detail=outcome.detail))
        else:
            self.doubt(DriverError("messages_lost", Status.BAD_COMMUNICATION_ERROR, node=self._name, detail=outcome.detail))

    def died(self) -> None:
        """The node or the device says, or its broker says for it, that it is gone."""
        fault = self.fault()
        if fault is not None:
            self.doubt(fault)

    def doubt(self, fault: DriverError) -> None:
        """Believe nothing that was said before the next birth."""
        self._said.clear()
        self._newest.clear()
        self.known.doubt(fault)

    def put(self, outcome: Outcome, device: str, arrival: Arrival) -> None:
        """Take the values that are this device's of a message of `device`.

        History is what its publisher says is, and what is older by its own time than the newest data since the birth.
        """
        now: list[Change] = []
        past: list[Change] = []
        seen: set[str] = set()
        is_birth = self.device in outcome.births
        if is_birth:
            self._said.clear()
            self._newest.clear()
            self._unclear.clear()
        for known, metric, sent_ms in outcome.values:
            if known.device != self.device:
                continue
            seen.add(known.name)
            source_ms, newest = _time_of(metric, sent_ms), self._newest.get(known.name)
            is_past = metric.historical or (newest is not None and arrival.is_overtaken(source_ms, *newest))
            if not is_past:
                self._said[known.name] = known, metric, sent_ms, arrival
                if source_ms is not None and not is_birth:
                    self._newest[known.name] = source_ms, arrival
            for address in self._addresses.get(known.name, ()):
                sample = _sample(known, metric, sent_ms, address.type, arrival, past=is_past)
                (past if is_past else now).append((address, sample))
        if outcome.unclear and device == self.device:
            self._unclear |= outcome.unclear
            found = [self._node.node.find(device, name) for name in self._addresses]
            names = [known.name for known in found if known is not None and known.alias in outcome.unclear]
            now += [(address, _unclear(self._clock)) for name in names for address in self._addresses[name]]
        if is_birth:
            missing = [each for name, addresses in self._addresses.items() if name not in seen for each in addresses]
            now += [(address, self._not_in_birth(address.metric)) for address in missing]
        if past:
            self.known.put(past, past=True)
        if now:
            self.known.put(now)
        elif outcome.births:
            self.known.tell()

    def command(self, tag: Tag, value: Value) -> tuple[str, bytes, int, Value]:
        """Return topic, payload and QoS of a write in the metric's own data type, and the value that confirms it: as that type holds it.

        Raises DriverError: what `fault` returns, `write_not_supported` for a metric that no birth named, or `write_out_of_range`.
        """
        fault = self.fault()
        if fault is not None:
            raise fault
        address = tag.address
        known = self._node.node.find(self.device, address.metric) if isinstance(address, MetricAddress) else None
        if known is None or not isinstance(address, MetricAddress):
            raise DriverError("write_not_supported", Status.BAD_NOT_SUPPORTED)
        try:
            if value is None:
                raise ValueError("no value")
            metric = metric_with(known.name, self._node.node.alias_of(known), known.datatype, value, self._clock.wall_ms())
            topic, payload = self._node.command("DCMD" if self.device else "NCMD", self.device, metric)
        except ValueError as error:
            raise DriverError("write_out_of_range", Status.BAD_OUT_OF_RANGE, value=str(value)) from error
        held, _ = fit(value_of(decode(payload).metrics[0], known.datatype)[0], address.type)
        return topic, payload, 0, held  # the specification's QoS of commands

    def resolution(self, tag: Tag, value: Value) -> float | None:
        """See `drivers.abilities.Resolving`: a metric of type Float has 32 bits, also behind a tag of 64."""
        address = tag.address
        known = self._node.node.find(self.device, address.metric) if isinstance(address, MetricAddress) else None
        if known is None or known.datatype != FLOAT or isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float32_loss(value)

    def _not_in_birth(self, name: str) -> Sample:
        """Return what a tag has of whose metric the birth said nothing, or named it twice."""
        if self._node.node.is_double(self.device, name):
            return _unclear(self._clock)
        return Sample(None, Status.BAD_CONFIGURATION_ERROR, None, self._clock.wall_ms(), self._clock.mono_ms())


def _unclear(clock: Clock) -> Sample:
    return Sample(None, Status.BAD_DECODING_ERROR, None, clock.wall_ms(), clock.mono_ms())


def _time_of(metric: Metric, sent_ms: int | None) -> int | None:
    """Return the source time of a metric: its own, or else its payload's; None where that is no time."""
    time_ms = metric.timestamp_ms if metric.timestamp_ms is not None else sent_ms
    return time_ms if time_ms is not None and is_time(time_ms) else None


def _sample(known: KnownMetric, metric: Metric, sent_ms: int | None, kind: str, arrival: Arrival, *, past: bool = False) -> Sample:
    datatype = metric.datatype or known.datatype
    raw, status = value_of(metric, datatype)
    value: Value = None
    if is_good(status):
        if datatype == DATETIME and kind == "text" and isinstance(raw, int):
            try:
                raw = iso_text(raw)
            except ValueError:
                raw = ""
        value, status = fit(raw, kind)
    if is_good(status) and metric.quality is not None:
        stale = metric.quality == stale_quality
        status = Status.UNCERTAIN_LAST_USABLE_VALUE if stale else da_status(metric.quality)
    source_ms = _time_of(metric, sent_ms)
    if source_ms is None and is_good(status):
        status = Status.UNCERTAIN
    return arrival.sample(value, status, source_ms, past=past)
