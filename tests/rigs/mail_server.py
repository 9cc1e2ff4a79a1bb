"""A small real SMTP server on loopback: takes mail, with STARTTLS, TLS from the start and AUTH, and misbehaves as a test asks."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any


@dataclass
class MailServer:
    """`mails` are those that were taken whole; `logins` what AUTH PLAIN gave. `mood`: good, refuses, hangs, garbage, drops."""

    port: int
    context: ssl.SSLContext | None
    tls_from_start: bool
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    password: str = ""
    mood: str = "good"
    ended: threading.Event = field(default_factory=threading.Event)

    def converse(self, link: socket.socket) -> None:
        with contextlib.suppress(OSError), link:
            if self.tls_from_start and self.context is not None:
                link = self.context.wrap_socket(link, server_side=True)
            with link:
                self._greet(link)

    def _greet(self, link: socket.socket) -> None:
        if self.mood == "hangs":
            self.ended.wait()
        elif self.mood == "garbage":
            link.sendall(b"\xff\x00 not a mail server\r\n" * 100)
        else:
            link.sendall(b"220 test ESMTP\r\n")
            self._serve(link)

    def _serve(self, link: socket.socket) -> None:
        file = link.makefile("rb")
        while line := file.readline(2_000):
            command = line.decode("latin-1").strip()
            self.commands.append(command.split(":")[0])
            match command.split(" ")[0].upper():
                case "EHLO":
                    offers = ["250-test", *(["250-STARTTLS"] if self.context is not None and not isinstance(link, ssl.SSLSocket) else [])]
                    link.sendall("\r\n".join([*offers, "250 AUTH PLAIN"]).encode() + b"\r\n")
                case "STARTTLS" if self.context is not None:
                    link.sendall(b"220 go\r\n")
                    file.close()
                    with self.context.wrap_socket(link, server_side=True) as inner:
                        self._serve(inner)
                    return
                case "AUTH":
                    said = base64.b64decode(command.split(" ")[2]).decode()
                    self.logins.append(said)
                    link.sendall(b"235 ok\r\n" if said.split("\0")[2] == self.password else b"535 no\x1b[2Jbad\r\n")
                case "RCPT" if self.mood == "refuses":
                    link.sendall(b"550 no such\r\n")
                case "DATA":
                    link.sendall(b"354 go\r\n")
                    raw = b""
                    while (more := file.readline()) not in {b".\r\n", b""}:
                        raw += more.removeprefix(b".")
                    if self.mood == "drops":
                        return
                    self.mails.append(message_from_bytes(raw, _class=EmailMessage, policy=default))
                    link.sendall(b"250 taken\r\n")
                case "QUIT":
                    link.sendall(b"221 bye\r\n")
                    return
                case _:
                    link.sendall(b"250 ok\r\n")


@contextmanager
def mail_server(certificate: tuple[Path, Path] | None = None, *, tls_from_start: bool = False) -> Iterator[MailServer]:
    """Serve mail until left, each connection in a thread."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    listener = socket.create_server(("127.0.0.1", 0))
    server = MailServer(listener.getsockname()[1], context, tls_from_start)
    threads: list[Any] = []

    def accept() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=server.converse, args=(link,), daemon=True))
            threads[-1].start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        server.ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
