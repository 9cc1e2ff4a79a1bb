"""A tenant of the door: calling a method of a device.

Room: hall. `app` gives it to the door. It checks what it is asked, calls, and says what became of it as an outcome; it records nothing and
knows no face.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from drivers.driver import DriverError
from drivers.reading import Value
from runtime.acts import Act, Outcome
from runtime.commands.guard import Guard
from runtime.door_tenants import DONE, WRITE_S
from runtime.faces.feed import RequestRefusedError
from runtime.points import DevicePoints

ARGUMENTS_MAX: Final = 20


class MethodCaller(Protocol):
    """The part of `acquisition.field.Field` that a call uses."""

    async def call(self, device: str, owner: str, method: str, arguments: Sequence[str], deadline_s: float) -> list[Value]:
        """Call a method. Raises DriverError."""
        ...


class DeviceCall:
    """`device.call`: target is the device; params `object`, `method`, and `0`, `1`, …: arguments with their types, such as `int16:5`.

    For the command line of the machine itself; people call what is listed, through `commands`. Off while the guard says so; the driver
    wants its own consent besides. Outputs come as `out0`, `out1`, ….
    """

    def __init__(self, caller: MethodCaller, devices: Callable[[], Mapping[str, DevicePoints]], guard: Guard) -> None:
        self._caller, self._devices, self._guard = caller, devices, guard

    async def check(self, act: Act) -> None:
        """See Tenant."""
        self._judge(act)

    async def perform(self, act: Act) -> Outcome:
        """See Tenant."""
        owner, method, arguments = self._judge(act)
        return await call_once(self._caller, act.target, owner, method, arguments)

    def _judge(self, act: Act) -> tuple[str, str, list[str]]:
        self._guard.check(act.target)
        if act.actor.kind != "local":  # the machine's own command line; everybody else prepares and confirms
            raise RequestRefusedError("command_needs_confirming", tag=act.target)
        if act.target not in self._devices():
            raise RequestRefusedError("device_unknown", device=act.target)
        given = dict(act.params)
        owner, method = given.pop("object", None), given.pop("method", None)
        arguments = [given.get(str(n)) for n in range(len(given))]
        texts = [argument for argument in arguments if isinstance(argument, str)]
        if not isinstance(owner, str) or not isinstance(method, str) or len(texts) != len(given) or len(texts) > ARGUMENTS_MAX:
            raise RequestRefusedError("call_shape")
        return owner, method, texts


async def call_once(caller: MethodCaller, device: str, owner: str, method: str, arguments: Sequence[str]) -> Outcome:
    """Call a method once, and say what came of it; never again, whatever became of it."""
    try:
        outputs = await caller.call(device, owner, method, arguments, WRITE_S)
    except DriverError as error:
        return Outcome(error.cause, dict(error.params))
    return Outcome(DONE, {f"out{n}": output for n, output in enumerate(outputs)})
