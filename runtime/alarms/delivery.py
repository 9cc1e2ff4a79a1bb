"""One message on its way to the outside, in a thread that nobody waits for longer than a deadline; and why it did not arrive, in codes.

Room: hall, alarms. `word_lane` calls it. Mail and web servers hang in many ways (names that no DNS server answers, a peer that takes no
byte): the thread is a daemon, so it delays neither the core nor its end. At most THREADS_MAX at once, EACH_MAX of one target.
"""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from runtime.alarms.notify_plan import Failure

THREADS_MAX: Final = 4
EACH_MAX: Final = 2
"""Of one target, so that one that hangs leaves room for the others."""
DEADLINE_S: Final = 30.0
STEP_S: Final = 10.0
"""For one step of a conversation: connecting, one answer."""
SECRET_BYTES_MAX: Final = 4_096
DETAIL_MAX: Final = 120


class DeliveryError(Exception):
    """A message that was not taken: a code with its parameters."""

    def __init__(self, code: str, /, **params: str | int | float) -> None:
        self.code, self.params = code, dict(params)
        super().__init__(code)


class Threads:
    """Counts threads that have not ended, also those that are given up."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()

    async def run(self, call: Callable[[], None], deadline_s: float = DEADLINE_S, target: str = "") -> Failure | None:
        """Return why a call failed, None when it did not. A call that is given up goes on in its thread, and counts until it ends."""
        if self._running.total() >= THREADS_MAX or self._running[target] >= EACH_MAX:
            return "notify_busy", {}
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Failure | None] = loop.create_future()

        def end(failure: Failure | None) -> None:
            self._running[target] -= 1
            if not ended.done():
                ended.set_result(failure)

        def work() -> None:
            failure: Failure | None = ("notify_failed", {"reason": ""})  # of what is no fault of a network
            try:
                call()
                failure = None
            except (DeliveryError, OSError, smtplib.SMTPException, ValueError) as error:
                failure = failure_of(error)
            finally:
                with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
                    loop.call_soon_threadsafe(end, failure)

        self._running[target] += 1
        threading.Thread(target=work, name="notify", daemon=True).start()
        try:
            async with asyncio.timeout(deadline_s):
                return await ended
        except TimeoutError:
            return "notify_timeout", {"timeout_s": deadline_s}


def read_secret(path: str) -> str:
    """Return the text of a secret's file, without the end of its line. Raises DeliveryError `notify_secret_unreadable`."""
    try:
        with Path(path).open("rb") as file:
            return file.read(SECRET_BYTES_MAX).decode().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DeliveryError("notify_secret_unreadable", path=path) from error


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return a context that checks certificate and name. Raises DeliveryError `notify_ca_file_invalid`."""
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise DeliveryError("notify_ca_file_invalid", path=ca_file) from error


def failure_of(error: Exception) -> Failure:
    """Return a code for what a library raised. What a server says is cut short; nothing that was sent is in it."""
    match error:
        case DeliveryError():
            return error.code, error.params
        case ssl.SSLCertVerificationError():
            return "notify_certificate", {"reason": _shown(error.verify_message)}
        case ssl.SSLError():
            return "notify_tls", {"reason": _shown(str(error.reason))}
        case smtplib.SMTPAuthenticationError():
            return "notify_login_refused", {"status": error.smtp_code}
        case smtplib.SMTPRecipientsRefused():
            return "notify_recipients_refused", {"count": len(error.recipients)}
        case smtplib.SMTPNotSupportedError():
            return "notify_not_supported", {"reason": _shown(str(error))}
        case smtplib.SMTPResponseException():
            said = error.smtp_error if isinstance(error.smtp_error, str) else error.smtp_error.decode("utf-8", "replace")
            return "notify_server_said", {"status": error.smtp_code, "reason": _shown(said)}
        case TimeoutError():
            return "notify_timeout", {"timeout_s": STEP_S}
        case OSError() if not isinstance(error, smtplib.SMTPException):
            return "notify_connect_failed", {"reason": _shown(error.strerror or type(error).__name__)}
    return "notify_failed", {"reason": type(error).__name__}


def _shown(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)[:DETAIL_MAX]
