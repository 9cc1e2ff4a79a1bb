"""Whether anything may be written to a device now: the configuration, the read-only switch, and how far the clock can be trusted.

Room: hall, commands. Asked before every write and every call, by whatever way it came, and by health. It changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ledger_client.kinds import ClockState
from runtime.clock import Clock, state_names
from runtime.commands.read_only import ALL, ReadOnly
from runtime.config import Config
from runtime.faces.feed import RequestRefusedError

TRUSTED: Final = {
    "any": frozenset(ClockState),
    "set": frozenset({ClockState.RTC, ClockState.NTP, ClockState.PTP}),
    "disciplined": frozenset({ClockState.NTP, ClockState.PTP}),
}
"""What `[commands] clock_needed` asks for -> states of the clock that will do."""


class Guard:
    """`check` before a write; `plain` for health."""

    def __init__(self, config: Callable[[], Config], switch: ReadOnly, clock: Clock) -> None:
        self._config, self._switch, self._clock = config, switch, clock

    def check(self, device: str) -> None:
        """Refuse where nothing may be written to a device.

        Raises RequestRefusedError `device_writes_off`, `read_only_all`, `read_only_device`, `command_clock_untrusted`.
        """
        self._check_gateway()
        scope = self._switch.over(device)
        if scope is not None:
            by, since_ms = self._switch.scopes[scope]
            raise RequestRefusedError("read_only_all" if scope == ALL else "read_only_device", device=device, by=by, since_ms=since_ms)
        self._check_clock()

    def plain(self) -> dict[str, Any]:
        """Return what health says: why nothing may be written (None where it may), and what is read-only."""
        cause, params = None, {}
        try:
            self._check_gateway()
            if ALL in self._switch.scopes:
                by, since_ms = self._switch.scopes[ALL]
                raise RequestRefusedError("read_only_all", by=by, since_ms=since_ms)
            self._check_clock()
        except RequestRefusedError as refused:
            cause, params = refused.code, refused.params
        return {"cause": cause, "params": params, "read_only": self._switch.plain()}

    def _check_gateway(self) -> None:
        if not self._config().gateway.device_writes:
            raise RequestRefusedError("device_writes_off")

    def _check_clock(self) -> None:
        state = self._clock.state()
        if state not in TRUSTED[self._config().commands.clock_needed]:
            raise RequestRefusedError("command_clock_untrusted", state=state_names[state])
