"""The physics of the capper: a robot cell that screws caps on, with programs, torque and PackML states.

Room: ground, sim board; pure. `plant.py` steps it; `opcua_server.py` shows its signals as nodes.
"""

from __future__ import annotations

import math
import random
from collections import deque
from dataclasses import dataclass
from typing import Final

from boards.sim.filler import Signal
from boards.sim.lag import ramp
from boards.sim.packml import AFTER, Command, Mode, State, after_command

SPEED_LIMITS: Final = (20.0, 180.0)
"""Caps a minute that the cell accepts as setpoint."""
TOOL_CHANGE_S: Final = 12.0
JAM_EVERY_S: Final = 700.0
JAM_LASTS_S: Final = (6.0, 18.0)
TORQUE_WINDOW: Final = 50
ACTING_S: Final = {
    State.CLEARING: 2.0,
    State.STARTING: 2.0,
    State.STOPPING: 1.5,
    State.ABORTING: 0.5,
    State.HOLDING: 0.8,
    State.UNHOLDING: 1.0,
    State.SUSPENDING: 0.5,
    State.UNSUSPENDING: 0.8,
    State.RESETTING: 2.0,
    State.COMPLETING: 1.0,
}
"""How long each acting state takes."""


@dataclass(frozen=True, slots=True)
class Program:
    """One closure: its name, torque aimed at and its spread (newton metre), quickest cycle (seconds a cap)."""

    name: str
    torque_nm: float
    spread_nm: float
    cycle_s: float


PROGRAMS: Final = {
    1: Program("PCO 1881", 1.80, 0.07, 0.40),
    2: Program("38 mm 3-start", 2.40, 0.10, 0.46),
    3: Program("ROPP 31", 1.40, 0.05, 0.52),
}


class Capper:
    """The cell. `speed_setpoint` (caps/min) may be written; a program is asked for by `select_program`."""

    def __init__(self, rng: random.Random) -> None:
        """Start in EXECUTE with program 1."""
        self._rng = rng
        self.state = State.EXECUTE
        self.mode = Mode.PRODUCTION
        self.speed_setpoint = 110.0
        self.program = 1
        self.program_wanted = 1
        self.speed = 0.0
        self.caps_total = 884_120
        self.caps_bad_total = 1_911
        self.caps_since_start = 0
        self.torque_last = 0.0
        self.uptime_s = 0.0
        self.alarm = ""
        self.alarms_total = 57
        self._torques: deque[float] = deque(maxlen=TORQUE_WINDOW)
        self._in_state_s = 0.0
        self._wait_s = 0.0
        self._operator_stopped = False
        self._part = 0.0
        self._wear_nm = 0.0

    def step(self, dt_s: float, *, waiting: int) -> int:
        """Advance by `dt_s` seconds with `waiting` bottles before the cell; return how many it took."""
        self.uptime_s += dt_s
        self._in_state_s += dt_s
        self._follow_states(waiting)
        running = self.state is State.EXECUTE
        top = 60 / PROGRAMS[self.program].cycle_s
        self.speed = ramp(self.speed, min(self.speed_setpoint, top) if running else 0.0, dt_s, 40.0 if running else 120.0)
        if not running:
            return 0
        self._part += self.speed / 60 * dt_s
        taken = min(int(self._part), waiting)
        self._part = min(self._part - taken, 1.0)
        for _ in range(taken):
            self._cap()
        if self._rng.random() < dt_s / JAM_EVERY_S:
            self._jam()
        return taken

    def select_program(self, number: int) -> bool:
        """Ask for another program; the cell stops, changes its tool and starts again. False: there is no such program."""
        if number not in PROGRAMS:
            return False
        self.program_wanted = number
        return True

    def command(self, number: int) -> bool:
        """Take a PackML command by its number; False when it is unknown or does nothing in this state."""
        if number not in set(Command):
            return False
        command = Command(number)
        reached = after_command(self.state, command)
        if reached is None:
            return False
        if command in (Command.STOP, Command.ABORT, Command.HOLD):
            self._operator_stopped = True
        if command in (Command.RESET, Command.UNHOLD, Command.CLEAR):
            self._operator_stopped = False
        self._enter(reached)
        return True

    def reboot(self) -> None:
        """Lose what is not retentive; come back through STOPPED, RESETTING and STARTING."""
        self.caps_since_start = 0
        self.uptime_s = 0.0
        self.speed_setpoint = 110.0
        self.program_wanted = self.program
        self.torque_last = 0.0
        self.speed = 0.0
        self.alarm = ""
        self._torques.clear()
        self._operator_stopped = False
        self._enter(State.STOPPED)

    @property
    def motor_kw(self) -> float:
        """Electric power of the robot's drives."""
        return 0.45 + (0.9 + 0.011 * self.speed if self.speed > 0.5 else 0.0)

    def signals(self) -> dict[str, Signal | None]:
        """Return what the cell's controller knows; None: there is no value yet (no cap since start)."""
        torques = self._torques
        mean = sum(torques) / max(len(torques), 1)
        return {
            "state": int(self.state),
            "mode": int(self.mode),
            "speed": self.speed,
            "speed_setpoint": self.speed_setpoint,
            "program": self.program,
            "program_wanted": self.program_wanted,
            "program_name": PROGRAMS[self.program].name,
            "cycle_time": 60 / self.speed if self.speed > 0.5 else None,
            "torque_last": self.torque_last if torques else None,
            "torque_mean": mean if torques else None,
            "torque_spread": math.sqrt(sum((torque - mean) ** 2 for torque in torques) / len(torques)) if len(torques) > 1 else None,
            "caps_total": self.caps_total,
            "caps_bad_total": self.caps_bad_total,
            "caps_since_start": self.caps_since_start,
            "alarm": self.alarm,
            "alarms_total": self.alarms_total,
            "uptime_seconds": int(self.uptime_s),
        }

    def _follow_states(self, waiting: int) -> None:
        if self.state in ACTING_S:
            if self._in_state_s >= ACTING_S[self.state]:
                self._enter(AFTER[self.state])
            return
        changing = self.program_wanted != self.program
        if self.state is State.STOPPED:
            self._stand_still(changing=changing)
        elif changing and self.state is not State.ABORTED:
            self._enter(State.STOPPING)
        elif self.state is State.IDLE and self._in_state_s >= 1:
            self._enter(State.STARTING)
        elif self.state is State.EXECUTE and waiting == 0 and self._in_state_s > 1:
            self._enter(State.SUSPENDING)
        elif self.state is State.SUSPENDED and waiting >= 8:
            self._enter(State.UNSUSPENDING)
        elif self.state is State.HELD and not self._operator_stopped and self._in_state_s >= self._wait_s:
            self.alarm = ""
            self._enter(State.UNHOLDING)

    def _stand_still(self, *, changing: bool) -> None:
        if changing and self._in_state_s >= TOOL_CHANGE_S:
            self.program = self.program_wanted
            self._torques.clear()
            self._wear_nm = 0.0
            changing = False
        if not changing and not self._operator_stopped and self._in_state_s >= 1:
            self._enter(State.RESETTING)

    def _enter(self, state: State) -> None:
        self.state = state
        self._in_state_s = 0.0

    def _cap(self) -> None:
        """One cap: torque around the program's, lowered by a wearing chuck that is serviced every 20,000 caps."""
        program = PROGRAMS[self.program]
        self._wear_nm = self._wear_nm + 4e-6 if self.caps_total % 20_000 else 0.0
        self.torque_last = max(self._rng.gauss(program.torque_nm - self._wear_nm, program.spread_nm), 0.0)
        self._torques.append(self.torque_last)
        self.caps_total += 1
        self.caps_since_start += 1
        if abs(self.torque_last - program.torque_nm) > 3.2 * program.spread_nm:
            self.caps_bad_total += 1

    def _jam(self) -> None:
        self.alarm = "cap jam in chute"
        self.alarms_total += 1
        self._wait_s = self._rng.uniform(*JAM_LASTS_S)
        self._enter(State.HOLDING)
