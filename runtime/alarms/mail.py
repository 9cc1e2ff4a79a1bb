"""A notice by e-mail: the message, and handing it to a mail server. Blocking.

Room: hall, alarms. `word_lane` runs `send` in a thread of `delivery`. Passwords come from their file with each message and are never kept.
It reads no answer but the server's, and follows nothing.
"""

from __future__ import annotations

import base64
import smtplib
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from runtime.alarms.delivery import STEP_S, read_secret, tls_context
from runtime.alarms.notify_options import EmailTarget

LOGGED_IN: Final = 235
HELLO: Final = "witnessmark.invalid"
"""The name that we give ourselves: looking up our own would wait for a DNS server."""


def message_of(options: EmailTarget, subject: str, text: str, at_ms: int) -> EmailMessage:
    """Return a message; what would begin another line in its head becomes a space."""
    message = EmailMessage()
    message["From"], message["To"] = options.sender, ", ".join(options.to)
    message["Subject"] = "".join(sign if sign.isprintable() else " " for sign in subject)
    message["Date"] = format_datetime(datetime.fromtimestamp(at_ms / 1000, UTC))
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


def send(options: EmailTarget, message: EmailMessage) -> None:
    """Hand a message to the server. Raises DeliveryError, OSError, smtplib.SMTPException. A password never goes unencrypted."""
    user = read_secret(options.user_file) if options.user_file else ""
    password = read_secret(options.password_file) if options.password_file else ""
    if options.security == "tls":
        context = tls_context(options.ca_file)
        server: smtplib.SMTP = smtplib.SMTP_SSL(options.host, options.port, local_hostname=HELLO, timeout=STEP_S, context=context)
    else:
        server = smtplib.SMTP(options.host, options.port, local_hostname=HELLO, timeout=STEP_S)
    with server:
        if options.security == "starttls":
            server.starttls(context=tls_context(options.ca_file))
        if user:
            _log_in(server, user, password)
        refused = server.send_message(message)
    if refused:
        raise smtplib.SMTPRecipientsRefused(refused)


def _log_in(server: smtplib.SMTP, user: str, password: str) -> None:
    """Log in; the library knows ASCII only, so other signs go by AUTH PLAIN in UTF-8 (RFC 4616). Raises SMTPException."""
    if user.isascii() and password.isascii():
        server.login(user, password)
        return
    server.ehlo_or_helo_if_needed()
    code, said = server.docmd("AUTH", "PLAIN " + base64.b64encode(f"\0{user}\0{password}".encode()).decode())
    if code != LOGGED_IN:
        raise smtplib.SMTPAuthenticationError(code, said)
