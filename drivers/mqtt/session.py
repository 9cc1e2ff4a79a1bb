"""One connection to an MQTT broker and the thread that serves it. The only file that imports paho.

Room: ground, driver `mqtt`. `broker.py` makes a session for one life of the connection, reads its news from the inbox, and drops it.

paho's own reconnecting is not used, so that pauses and deadlines stay ours: the thread connects once, runs paho's `loop` until the
connection is over, says why, and ends. Three facts of paho 2.2's source shape this file. A request from another thread writes to the
socket there and then, in the middle of what the thread may be writing, unless `on_socket_register_write` is set; so it is set. What a
broker pushes is gathered whole before anybody is asked, up to 256 MB; the broker is told a maximum packet size, and one that does
not keep to it is left. An exception in a callback ends the loop; the thread turns it into a cause.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import threading
from collections.abc import Sequence
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from drivers.driver import DriverError
from drivers.mqtt.config import BrokerSettings
from drivers.mqtt.inbox import Answered, Connected, Ended, Inbox, Message
from drivers.reading import Status

wait_s: Final = 0.5
"""Longest that the thread sleeps without looking whether it should end."""
packet_bytes_more: Final = 70_000
"""A packet may be so much longer than the longest payload: its topic and properties."""
receive_bytes: Final = 65_536
refused_min: Final = 0x80
"""Reason codes from here on are refusals (MQTT 5.0, 2.4)."""
others_mode: Final = 0o077
"""A secret is its owner's alone."""
thread_faults: Final = (OSError, ValueError, TypeError, LookupError, AttributeError, struct.error, paho.WebsocketConnectionError)
"""What paho raises for a broken connection or bytes that are no MQTT. ssl errors and TimeoutError are OSErrors."""


class FileFaultError(ValueError):
    """A file of the settings cannot be used; `secret` for the one that holds the password."""

    def __init__(self, path: str, detail: str, *, secret: bool = False) -> None:
        """Keep the path and what the system says of it."""
        self.path, self.detail, self.secret = path, detail, secret
        super().__init__(f"{path}: {detail}")


class Session:
    """One life of a connection. `open` starts it; what happens is in the inbox; `drop` ends it and never waits."""

    def __init__(self, settings: BrokerSettings, inbox: Inbox, will: tuple[str, bytes] | None) -> None:
        """Describe the session; opens nothing. `will` is the topic and payload that the broker publishes when we are lost."""
        self._settings = settings
        self._inbox = inbox
        self._ending = threading.Event()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=settings.client_id, protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
        )
        self._said = False
        self._context: TlsContext | None = None
        client = self._client
        client.connect_timeout = settings.connect_timeout_s
        client.max_queued_messages_set(1000)
        client.on_connect, client.on_disconnect, client.on_message = self._on_connect, self._on_disconnect, self._on_message
        client.on_subscribe, client.on_unsubscribe, client.on_publish = self._on_subscribe, self._on_unsubscribe, self._on_publish
        client.on_socket_register_write, client.on_socket_open = _nothing, _narrow
        if will is not None:
            client.will_set(will[0], will[1], qos=1, retain=True)

    def open(self) -> None:
        """Start the thread, which connects."""
        threading.Thread(target=self._run, name=f"mqtt {self._settings.host}", daemon=True).start()

    def subscribe(self, filters: Sequence[str]) -> int:
        """Ask for topics, and for what the broker keeps of them; return the request's number."""
        options = SubscribeOptions(qos=self._settings.qos)
        _, number = self._client.subscribe([(topic, options) for topic in filters])
        return number or 0

    def ask(self) -> int:
        """Ask the broker for a sign of life; return the request's number.

        It is an UNSUBSCRIBE of a topic that was never subscribed to: every broker must answer it (MQTT 5.0, 3.10.4), its answer comes after
        all that was sent before, and unlike a PINGREQ it has a number.
        """
        _, number = self._client.unsubscribe("witnessmark/never-subscribed")
        return number or 0

    def publish(self, topic: str, payload: bytes, qos: int, expiry_s: int | None, *, retain: bool = False) -> int:
        """Publish; return the message's number. `expiry_s`: the broker throws it away when it could not be delivered by then."""
        properties = Properties(PacketTypes.PUBLISH)
        if expiry_s is not None:
            properties.MessageExpiryInterval = expiry_s
        return int(self._client.publish(topic, payload, qos, retain, properties).mid)

    def drop(self) -> None:
        """End it: say goodbye if the socket takes it at once, and close."""
        self._ending.set()
        self._client.disconnect()

    def _run(self) -> None:
        fault = DriverError("connect_failed", Status.BAD_NOT_CONNECTED, **self._settings.place)
        try:
            self._connect()
            fault = DriverError("connection_lost", Status.BAD_COMMUNICATION_ERROR, **self._settings.place)
            while not self._ending.is_set() and self._client.loop(wait_s) == MQTTErrorCode.MQTT_ERR_SUCCESS:
                if self._too_long():
                    fault = DriverError("bad_answer", Status.BAD_DECODING_ERROR, detail="packet longer than the maximum")
                    break
            if self._ending.is_set():
                self._client.loop(0.1)  # the goodbye
        except thread_faults as error:
            fault = self._worded(error, fault)
        finally:
            for sock in (self._client.socket(), self._context.wrapped if self._context is not None else None):
                if sock is not None:
                    sock.close()
            # paho closes the pair of sockets that wakes it when its client goes, so nothing may hold that in a circle.
            client = self._client
            client.on_connect = client.on_disconnect = client.on_message = client.on_socket_register_write = client.on_socket_open = None
            client.on_subscribe = client.on_unsubscribe = client.on_publish = None
            self._end(fault)

    def _worded(self, error: Exception, fault: DriverError) -> DriverError:
        place = self._settings.place
        if isinstance(error, FileFaultError) and error.secret:
            return DriverError("password_unreadable", Status.BAD_CONFIGURATION_ERROR, file=error.path, detail=error.detail)
        if isinstance(error, FileFaultError):
            return DriverError("tls_files", Status.BAD_CONFIGURATION_ERROR, files=error.path, detail=error.detail)
        if isinstance(error, ssl.SSLCertVerificationError):
            return DriverError("tls_refused", Status.BAD_NOT_CONNECTED, detail=error.verify_message, **place)
        if isinstance(error, socket.gaierror):
            return DriverError("name_unknown", Status.BAD_NOT_CONNECTED, **place)
        if isinstance(error, OSError):
            return DriverError(fault.cause, fault.status, **place, detail=error.strerror or type(error).__name__)
        return DriverError("bad_answer", Status.BAD_DECODING_ERROR, detail=type(error).__name__)

    def _connect(self) -> None:
        settings = self._settings
        if settings.tls:
            self._context = tls_context(settings)
            self._client.tls_set_context(self._context)
        if settings.username is not None:
            self._client.username_pw_set(settings.username, _secret(settings.password_file) if settings.password_file else None)
        properties = Properties(PacketTypes.CONNECT)
        properties.MaximumPacketSize = settings.payload_bytes_max + packet_bytes_more
        if settings.client_id and settings.session_expiry_s:
            properties.SessionExpiryInterval = settings.session_expiry_s
        # A session that nobody can come back to is not asked for.
        clean = not (settings.client_id and settings.session_expiry_s)
        self._client.connect(settings.host, settings.port, settings.keep_alive_s, clean_start=clean, properties=properties)

    def _too_long(self) -> bool:
        packet: Any = getattr(self._client, "_in_packet", None)
        return isinstance(packet, dict) and packet.get("remaining_length", 0) > self._settings.payload_bytes_max + packet_bytes_more

    def _end(self, fault: DriverError) -> None:
        if not self._said:
            self._said = True
            self._inbox.put(Ended(fault))

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.value >= refused_min:
            self._refused(reason)
        else:
            self._inbox.put(Connected(bool(flags.session_present)))

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        if flags.is_disconnect_packet_from_server and reason.value >= refused_min:
            self._refused(reason)

    def _refused(self, reason: Any) -> None:
        params = {**self._settings.place, "code": int(reason.value), "detail": str(reason)}
        self._end(DriverError("broker_refused", Status.BAD_USER_ACCESS_DENIED, **params))

    def _on_message(self, client: Any, userdata: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return  # no topic of ours
        payload: bytes | None = bytes(message.payload)
        if len(message.payload) > self._settings.payload_bytes_max:
            payload = None
        self._inbox.put(Message(topic, payload, bool(message.retain), bool(message.dup)))

    def _on_subscribe(self, client: Any, userdata: Any, number: int, codes: Any, properties: Any) -> None:
        self._inbox.put(Answered("subscribe", number, tuple(code.value for code in codes)))

    def _on_unsubscribe(self, client: Any, userdata: Any, number: int, codes: Any, properties: Any) -> None:
        self._inbox.put(Answered("unsubscribe", number, ()))

    def _on_publish(self, client: Any, userdata: Any, number: int, code: Any, properties: Any) -> None:
        self._inbox.put(Answered("publish", number, (code.value,)))


class TlsContext(ssl.SSLContext):
    """Remembers the socket that it wrapped: paho forgets it, open, when the handshake fails."""

    wrapped: ssl.SSLSocket | None = None

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """Wrap a socket."""
        self.wrapped = super().wrap_socket(*args, **kwargs)
        return self.wrapped


def tls_context(settings: BrokerSettings) -> TlsContext:
    """Return a context that checks the broker's certificate and name. Raises FileFaultError for a file that is missing or no PEM."""
    context = TlsContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and name
    if settings.ca_file is None:
        context.load_default_certs()
    else:
        try:
            context.load_verify_locations(settings.ca_file)
        except OSError as error:
            raise FileFaultError(settings.ca_file, error.strerror or "no PEM") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.cert_file is not None and settings.key_file is not None:
        try:
            if os.stat(settings.key_file).st_mode & others_mode:
                raise FileFaultError(settings.key_file, "others may read it: chmod 600")
            context.load_cert_chain(settings.cert_file, settings.key_file, password=_no_password)
        except OSError as error:
            raise FileFaultError(f"{settings.cert_file} {settings.key_file}", error.strerror or "no PEM, or not its key") from error
    return context


def _secret(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & others_mode:
                raise FileFaultError(path, "others may read it: chmod 600", secret=True)
            return file.read(4096).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FileFaultError(path, getattr(error, "strerror", None) or "no text", secret=True) from error


def _no_password() -> str:
    """An encrypted key would otherwise be asked for at the terminal, for ever."""
    return ""


def _narrow(_client: Any, _userdata: Any, sock: Any) -> None:
    """Let the kernel hold little: paho takes a hundred bufferfuls of a packet before `_too_long` is asked."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)


def _nothing(client: Any, userdata: Any, sock: Any) -> None:
    """Keep paho from writing in the caller's thread."""
