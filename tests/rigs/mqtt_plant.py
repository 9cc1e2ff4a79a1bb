"""Publishers behind a real broker: one of JSON topics that obeys commands, and a Sparkplug edge node made with pysparkplug."""

from __future__ import annotations

import json
import threading
import time
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from pysparkplug import DataType, DBirth, DData, DDeath, Metric, NBirth, NData, NDeath

BEAT_S = 0.02


class Publisher:
    """A client with paho's own thread. `got` keeps (topic, payload) of what came for `topics`."""

    def __init__(self, port: int, *topics: str, client_id: str = "", will: tuple[str, bytes] | None = None, **login: str) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.codes: list[int] = []
        self._port, self._topics = port, topics
        self._up = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_connect, self._client.on_message = self._connected, self._came
        self._client.on_subscribe = lambda *_: self._up.set()
        self._client.max_inflight_messages_set(1000)
        self._client.reconnect_delay_set(1, 1)
        if login:
            self._client.username_pw_set(login["user"], login.get("password"))
        if will is not None:
            self._client.will_set(*will, qos=1)

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        assert self._up.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        # paho closes the sockets that wake it when the client goes: nothing may hold it in a circle.
        self._client.on_connect = self._client.on_message = self._client.on_subscribe = None

    def publish(self, topic: str, payload: bytes | str, *, qos: int = 1, retain: bool = False, wait: bool = True) -> None:
        info = self._client.publish(topic, payload, qos, retain)
        if wait:
            info.wait_for_publish(10)

    def vanish(self) -> None:
        """Lose the connection without a goodbye, so that the broker publishes the will."""
        sock = self._client.socket()
        self._client.reconnect_delay_set(3600, 3600)
        if sock is not None:
            sock.close()
        self._client.loop_stop()

    def on_message(self, topic: str, payload: bytes) -> None:
        self.got.append((topic, payload))

    def on_connect(self) -> None: ...

    def _connected(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        assert reason.value == 0, reason
        client.subscribe([(topic, 1) for topic in self._topics] or [("plant/nothing", 0)])
        self.on_connect()

    def _came(self, client: Any, userdata: Any, message: Any) -> None:
        self.on_message(message.topic, bytes(message.payload))


class JsonPlant(Publisher):
    """Publishes `plant/tN` = {"value": v, "at": now in ms} on change and every BEAT_S; obeys `plant/tN/set` = {"to": v}."""

    def __init__(self, port: int, *values: object) -> None:
        super().__init__(port, "plant/+/set")
        self.values = list(values)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        super().__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(5)
        super().__exit__()

    def set(self, n: int, value: object) -> None:
        self.values[n] = value
        self.say(n)

    def say(self, n: int, *, wait: bool = True) -> None:
        text = json.dumps({"value": self.values[n], "at": time.time_ns() // 1_000_000})
        self.publish(f"plant/t{n}", text, wait=wait)

    def on_message(self, topic: str, payload: bytes) -> None:
        super().on_message(topic, payload)
        n = int(topic.split("/")[1][1:])
        self.values[n] = json.loads(payload)["to"]
        self.say(n, wait=False)

    def _beat(self) -> None:
        while not self._ending.wait(BEAT_S):
            for n in range(len(self.values)):
                self.say(n, wait=False)


class SparkplugPlant(Publisher):
    """Edge node `edge` of group `plant` with device `press`: metrics tN of the given types and values, by alias. Obeys NCMD and DCMD."""

    def __init__(self, port: int, *metrics: tuple[DataType, Any], bd_seq: int = 0) -> None:
        self.metrics = [list(metric) for metric in metrics]
        self.bd_seq = bd_seq
        self.births = 0
        self.rebirths_asked = 0
        self.deaf = False
        self._seq = -1
        death = NDeath(timestamp=now_ms(), bd_seq_metric=Metric(now_ms(), "bdSeq", DataType.INT64, value=bd_seq))
        super().__init__(port, "spBv1.0/plant/NCMD/edge", "spBv1.0/plant/DCMD/edge/+", will=("spBv1.0/plant/NDEATH/edge", death.encode()))

    def __enter__(self) -> Self:
        super().__enter__()
        self.birth()
        return self

    def next_seq(self) -> int:
        self._seq = (self._seq + 1) % 256
        return self._seq

    def birth(self) -> None:
        self.births += 1
        self._seq = -1
        own = (
            Metric(now_ms(), "bdSeq", DataType.INT64, value=self.bd_seq),
            Metric(now_ms(), "Node Control/Rebirth", DataType.BOOLEAN, value=False),
            Metric(now_ms(), "uptime", DataType.UINT32, alias=1000, value=1),
        )
        self.send("NBIRTH/edge", NBirth(now_ms(), self.next_seq(), own))
        self.send(
            "DBIRTH/edge/press", DBirth(now_ms(), self.next_seq(), tuple(self.metric(n, named=True) for n in range(len(self.metrics))))
        )

    def metric(self, n: int, *, named: bool = False, **more: Any) -> Metric:
        kind, value = self.metrics[n]
        return Metric(more.pop("at", now_ms()), f"t{n}" if named else None, kind, value=more.pop("value", value), alias=n, **more)

    def set(self, n: int, value: object) -> None:
        self.metrics[n][1] = value
        self.data(self.metric(n))

    def data(self, *metrics: Metric) -> None:
        self.send("DDATA/edge/press", DData(now_ms(), self.next_seq(), metrics))

    def node_data(self, *metrics: Metric) -> None:
        self.send("NDATA/edge", NData(now_ms(), self.next_seq(), metrics))

    def device_death(self) -> None:
        self.send("DDEATH/edge/press", DDeath(now_ms(), self.next_seq()))

    def send(self, where: str, payload: Any, *, include_dtypes: bool = False) -> None:
        kind, _, rest = where.partition("/")
        self.publish(f"spBv1.0/plant/{kind}/{rest}", payload.encode(include_dtypes=include_dtypes), qos=0, wait=False)

    def on_message(self, topic: str, payload: bytes) -> None:
        super().on_message(topic, payload)
        from pysparkplug._protobuf import Payload  # commands carry their data type, which the node's own reading does not need

        for metric in Payload.FromString(payload).metrics:
            if metric.name == "Node Control/Rebirth":
                self.rebirths_asked += 1
                if not self.deaf:
                    self.birth()
            elif not self.deaf:
                n = int(metric.name[1:])
                kind = DataType(metric.datatype)
                self.set(n, kind.decode(getattr(metric, metric.WhichOneof("value"))))


def now_ms() -> int:
    return time.time_ns() // 1_000_000
