"""Acts on models without sockets: a judged line, the tenants of the door, and a judge that answers what a test wants.

Room: tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtime.acts import Act
from runtime.config import parse_config
from runtime.config_model import Models
from runtime.faces.feed import RequestRefusedError
from runtime.judgement.tenants import ModelActs
from runtime.points import DevicePoints, number_points
from runtime.tag_ids import Numbers, TagIds
from tests.rigs.actors import LOCAL
from tests.rigs.field import device_toml
from tests.rigs.judged import Judged, judged
from tests.simulation.disk import ShimDisk

CONFIG = """
[gateway]
name = "g"
[models]
enabled = true
unsigned_imports = true
[[models.define]]
name = "line"
tags = ["a/fast0", { tag = "a/fast1", role = "counter", hold_s = 5, counter_max = 65535 }, { tag = "a/fast2", role = "state" }]
gates = [{ tag = "a/fast2", values = [6], settle_s = 30 }]
window = 20
"""


@dataclass
class Asked:
    """The judge as a tenant asks it; `answer` is what it says, an exception is raised."""

    answer: Any = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def ask(self, method: str, params: dict[str, Any], timeout_s: float = 1) -> Any:
        self.asked.append((method, dict(params)))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def devices_of(text: str = CONFIG) -> dict[str, DevicePoints]:
    config = parse_config(text + device_toml("a", {"fast": (200, 3)}))
    return number_points(config, TagIds(ShimDisk(), Path("/state"), Numbers({}, 1), Numbers({}, 1)))


def models_of(**changed: Any) -> Models:
    return parse_config(CONFIG + device_toml("a", {"fast": (200, 3)})).models.model_copy(update=changed)


@dataclass
class Bench:
    """A line, its tenants, and the judge that they ask."""

    line: Judged
    judge: Asked
    models: Models
    acts: ModelActs = field(init=False)

    def __post_init__(self) -> None:
        self.line.desk.models = lambda: self.models
        self.acts = ModelActs(self.line.desk, self.judge, self.line.log, self.line.clock, devices_of)  # type: ignore[arg-type]

    async def act(self, action: str, target: str = "line", **params: Any) -> tuple[str, dict[str, Any]]:
        act = Act(bytes(16), "cli", LOCAL, action, target, params, None, "test")
        tenant = self.acts.tenants()[action]
        try:
            await tenant.check(act)
            outcome = await tenant.perform(act)
        except RequestRefusedError as refused:
            return refused.code, dict(refused.params)
        return outcome.code, dict(outcome.params)


def run_acts(scenario: Callable[[Bench], Awaitable[Any]], *, state: str = "checking", **more: Any) -> None:
    async def inner(work: ThreadPoolExecutor) -> None:
        line = await judged(state=state, work=work)
        await scenario(Bench(line, Asked(), models_of(**more)))

    with ThreadPoolExecutor(1) as work:
        asyncio.run(inner(work))


def reason_to_refuse(coverage: dict[str, Any]) -> str:
    """The reason to refuse that fits what list and page say of it: by chance of what was learned, one of three."""
    if coverage["blind"]:
        return "model_blind_few"
    return "model_learned_little" if coverage["alarmed_share"] is None else "model_not_covered"
