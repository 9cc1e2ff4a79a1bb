"""The table of what faces can ask of a core: each method, the action that it needs, and the part that answers it.

Room: hall. `app` makes it once. A new question is one row here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from drivers.recorder import FlightRecorder
from runtime.accounts.desk import AccountDesk
from runtime.acquisition.field import Field
from runtime.acquisition.live import Live
from runtime.alarms.parts import METHODS as ALARM_METHODS
from runtime.alarms.parts import Alarms
from runtime.commands.desk import CommandDesk
from runtime.commissioning.late import LateDesk
from runtime.commissioning.methods import ACTION_OF as BENCH_METHODS
from runtime.config_second import WaitingEdits
from runtime.diagnostics.late import LateDiagnostics
from runtime.diagnostics.methods import ACTION_OF as DIAGNOSTIC_METHODS
from runtime.door import Door
from runtime.faces.feed import CONFIG_TEXT_MAX, RequestRefusedError
from runtime.frames_asked import frames_asked
from runtime.health import Health
from runtime.judgement.desk import JudgementDesk
from runtime.judgement.orders import Orders
from runtime.judgement.scores_asked import scores_asked
from runtime.network.desk import NetworkDesk
from runtime.network.wiring import network_questions
from runtime.questions import Asked, Question
from runtime.reading_asked import reading_asked
from runtime.registers_asked import identify_asked, registers_asked
from runtime.revisions import Revision
from runtime.stations_asked import stations_asked
from runtime.tag_asked import tag_asked


class Parts(Protocol):
    """The parts of a core that answer."""

    accounts: AccountDesk
    alarms: Alarms
    commands: CommandDesk
    desk: JudgementDesk
    live: Live
    diagnostics: LateDiagnostics
    door: Door
    health: Health
    waiting_edits: WaitingEdits
    network: NetworkDesk

    async def clock_told(self) -> Mapping[str, Any]:
        """Everything that can be told of the clock."""
        ...

    @property
    def revision(self) -> Revision:
        """The revision in force."""
        ...

    @property
    def field(self) -> Field:
        """The pollers."""
        ...


def _shown(revision: Revision) -> dict[str, Any]:
    if (size := len(revision.text.encode())) > CONFIG_TEXT_MAX:
        raise RequestRefusedError("config_text_long", size=size, size_max=CONFIG_TEXT_MAX)
    return {"text": revision.text, "revision": revision.number}


def _of_models(desk: JudgementDesk, orders: Orders, live: Live) -> dict[str, Question]:
    async def judgement(asked: Asked) -> Any:
        return await desk.answer(asked.session, asked.params)

    async def models(_: Asked) -> Any:
        rows = desk.model_rows()
        newest = {each["tag"]: live.newest(each["tag"]) for row in rows for each in row["open"]}
        values = {tag: found.value for tag, found in newest.items() if found is not None}  # else only faces that stay know them
        return {"models": rows, "findings": desk.finding_rows(), "judge": desk.health(), "values": values}

    async def scores(asked: Asked) -> Any:
        return await scores_asked(desk, orders, asked.params)

    return {"judgement": Question(None, judgement), "models": Question(None, models), "scores": Question(None, scores)}


def _of_diagnostics(core: Parts) -> dict[str, Question]:
    async def diagnostics(asked: Asked) -> Any:
        return await core.diagnostics.answer(asked.method, asked.actor().text, asked.params)

    return {method: Question(action, diagnostics) for method, action in DIAGNOSTIC_METHODS.items()}


def _of_devices(core: Parts, recorders: Mapping[str, FlightRecorder]) -> dict[str, Question]:
    async def registers(asked: Asked) -> Any:
        commissioning = core.revision.config.gateway.commissioning
        return await registers_asked(core.field, asked.actor(), asked.params, commissioning=commissioning)

    async def identify(asked: Asked) -> Any:
        commissioning = core.revision.config.gateway.commissioning
        return await identify_asked(core.field, asked.actor(), asked.params, commissioning=commissioning)

    async def reading(asked: Asked) -> Any:
        return await reading_asked(core.field, asked.params)

    async def frames(asked: Asked) -> Any:
        return frames_asked(recorders, asked.actor(), asked.params)

    look = "device.look"
    asked_of = {"registers": Question(look, registers), "identify": Question(look, identify), "reading": Question(look, reading)}
    return asked_of | {"frames": Question("device.frames", frames)}


def core_questions(core: Parts, bench: LateDesk, orders: Orders, recorders: Mapping[str, FlightRecorder]) -> dict[str, Question]:
    """Return the table. Nothing is asked of the parts before the first question."""

    async def act(asked: Asked) -> Any:
        return await core.door.ask(asked.session, asked.params)

    async def account(asked: Asked) -> Any:
        return await core.accounts.answer(asked.session, asked.method, asked.params)

    async def status(_: Asked) -> Any:
        return core.health.snapshot()

    async def config(_: Asked) -> Any:
        return _shown(core.revision)

    async def config_waiting(asked: Asked) -> Any:
        return core.waiting_edits.answer({name: value for name, value in asked.params.items() if name != "token"})

    async def look(asked: Asked) -> Any:
        return await bench.answer(asked.session, asked.method, asked.params)

    async def command(asked: Asked) -> Any:
        return await core.commands.answer(asked.actor(), asked.method, asked.params)

    async def stations(asked: Asked) -> Any:
        return stations_asked(core.field.pollers.values(), asked.actor())

    async def tag(asked: Asked) -> Any:
        return tag_asked((poller.points for poller in core.field.pollers.values()), core.desk, asked.params)

    async def alarms(asked: Asked) -> Any:
        return core.alarms.answer(asked.method, asked.params)

    return {
        "act": Question(None, act),
        **{method: Question(None, account) for method in core.accounts.methods},
        "status": Question(None, status),
        "config": Question("view.config", config),
        "config.waiting": Question("view.config", config_waiting),
        **_of_devices(core, recorders),
        "stations": Question("manual.enter", stations),
        "tag": Question(None, tag),
        **{method: Question(action, look) for method, action in BENCH_METHODS.items()},
        **_of_diagnostics(core),
        **{method: Question(None, command) for method in ("commands", "command.history", "command.prepare")},
        **_of_models(core.desk, orders, core.live),
        **{method: Question(None, alarms) for method in ALARM_METHODS},
    } | network_questions(core.network, core.clock_told)
