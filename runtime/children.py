"""Which child processes a configuration has, and how each is started.

Room: hall. `app` runs them under the supervisor and never waits for one. The signer is not among them: `SignerProcess` keeps it, since
the chain needs its answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from runtime.child_lines import Said
from runtime.config import Config
from runtime.config_model import History
from runtime.judgement.installed import models_installed
from runtime.supervisor import Child

Part = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ChildRule:
    """A child process and when it belongs to a configuration; one whose module, or what it needs, is not installed is left out."""

    module: str
    wanted: Callable[[Config], bool]
    arguments: Callable[[Config], list[str]]
    niceness: int = 0
    possible: Callable[[], bool] = lambda: True
    """Whether what it needs is installed; without it, it is left out too."""


def history_arguments(history: History) -> list[str]:
    """Return what the history process is told of [history]."""
    found = {"--size-max-mb": history.size_max_mb, "--keep-10s-days": history.keep_10s_days, "--keep-5min-days": history.keep_5min_days}
    return [text for name, value in found.items() for text in (name, str(value))]


def _web_arguments(config: Config) -> list[str]:
    web = config.web
    names = [part for name in web.hosts for part in ("--name", name)]
    verifier = ["--verifier", web.verifier] if web.verifier else []
    return ["--host", web.host, "--port", str(web.port), *(["--tls"] if web.tls else []), *names, *verifier]


CHILDREN: Final = (
    ChildRule("runtime.history", lambda c: c.history.enabled, lambda c: history_arguments(c.history), niceness=10),
    ChildRule(
        "runtime.judgement",
        lambda c: c.models.enabled,
        lambda c: ["--worker-mb", str(c.models.worker_memory_mb)],
        niceness=10,
        possible=models_installed,
    ),
    ChildRule("runtime.faces.web", lambda c: c.web.enabled, _web_arguments),
)


def children_of(config: Config, state: Path, run: Path, said: Said | None = None) -> dict[str, Part]:
    """Return the child processes that belong to a configuration, by name. `run` is the folder of the sockets, `said` takes their log."""
    found: dict[str, Part] = {}
    for rule in CHILDREN:
        if rule.wanted(config) and find_spec(rule.module) is not None and rule.possible():
            name = rule.module.rpartition(".")[2]
            found[name] = Child(
                name, (rule.module, "--state", str(state), "--run", str(run), *rule.arguments(config)), rule.niceness, said
            ).run
    return found
