"""What of the core's life goes to syslog: every act with its outcome, and who came, went and was refused.

Room: hall, syslog. `accounts.desk` owns it; the door tells it of acts and the access log of people. It follows the configuration: another
server is another thread. It makes frames on the loop, which is microseconds, and leaves all else to `sender`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from ledger_client.access_events import ACCESS, LOGIN, LOGOUT, AccessBody
from ledger_client.kinds import ClockState
from runtime.acts import Act, Outcome
from runtime.clock import Clock
from runtime.config import Config
from runtime.messages.catalogue import word
from runtime.messages.event_words import event_text
from runtime.syslog.message import AUDIT, INFORMATIONAL, NOTICE, SECURITY, WARNING, frame, message
from runtime.syslog.sender import Receiver, Sender

OFF: Final[dict[str, Any]] = {"state": "off", "cause": "", "sent": 0, "dropped": 0, "waiting": 0}


class SyslogTeller:
    """`act` and `access` never wait and never raise; `snapshot` tells how it is."""

    def __init__(self, config: Callable[[], Config], clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._sender: Sender | None = None
        self._receiver: Receiver | None = None

    def act(self, act: Act, outcome: Outcome) -> None:
        """Tell of an act that was carried out, or that failed."""
        done = outcome.code == "done"
        fields: dict[str, str | int] = {
            "action": act.action, "target": act.target, "face": act.face, "session": act.session, "outcome": outcome.code,
            "id": act.id.hex(), "reason": act.reason,
        }  # fmt: skip
        if outcome.seq is not None:
            fields["seq"] = outcome.seq
        text = f"{act.action} {act.target} by {act.session}: {word(outcome.code, outcome.params) if not done else 'done'}"
        self._tell(AUDIT, NOTICE if done else WARNING, "act", fields, text)

    def access(self, body: AccessBody) -> None:
        """Tell of a login, a logout or a refusal."""
        fields: dict[str, str | int] = {
            "what": body.what, "name": body.name, "session": body.session, "source": body.source, "face": body.face,
        }  # fmt: skip
        severity = INFORMATIONAL if body.what in {LOGIN, LOGOUT} else WARNING
        self._tell(SECURITY, severity, "access", fields, event_text(ACCESS, 1, body.encode()) or body.what)

    def snapshot(self) -> dict[str, Any]:
        """Return {state, cause, sent, dropped, waiting}."""
        sender = self._follow()
        if sender is None:
            return dict(OFF)
        return {
            "state": sender.state, "cause": sender.cause, "sent": sender.sent, "dropped": sender.dropped, "waiting": sender.waiting,
        }  # fmt: skip

    def close(self) -> None:
        """End the thread."""
        if self._sender is not None:
            self._sender.stop()
            self._sender = self._receiver = None

    def _tell(self, facility: int, severity: int, kind: str, fields: dict[str, str | int], text: str) -> None:
        sender = self._follow()
        if sender is not None:
            sender.put(self._frame(facility, severity, kind, fields, text))

    def _follow(self) -> Sender | None:
        """Return the sender to the server that the configuration names now."""
        options = self._config().syslog
        wanted = Receiver(options.host, options.port, options.ca_file, options.cert_file, options.key_file) if options.host else None
        if wanted != self._receiver:
            self.close()
            self._receiver = wanted
            if wanted is not None:
                self._sender = Sender(wanted, self._dropped)
                self._sender.start()
        return self._sender

    def _dropped(self, count: int) -> bytes:
        return self._frame(AUDIT, WARNING, "dropped", {"count": count}, word("syslog_dropped", {"count": count}))

    def _frame(self, facility: int, severity: int, kind: str, fields: dict[str, str | int], text: str) -> bytes:
        wall_ms = None if self._clock.state() == ClockState.UNSET else self._clock.wall_ms()
        host = self._config().gateway.name
        made = message(
            facility=facility, severity=severity, wall_ms=wall_ms, host=host, process=os.getpid(), kind=kind, fields=fields, text=text
        )
        return frame(made)
