"""The door's first tenant: an edit of the configuration.

Room: hall. `app` gives them to the door. They check what they are asked, do it, and say what became of it as an outcome; they record
nothing and know no face.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

from drivers.driver import DriverError
from runtime.acts import Act, Outcome, Plain
from runtime.bus_budget import accept_config, said
from runtime.commands.four_eyes import Changed, changed_commanding
from runtime.config_faults import ConfigError, Fault
from runtime.config_second import WaitingEdits
from runtime.door import refuse_unless_may
from runtime.faces.feed import RequestRefusedError
from runtime.revisions import Revision

WRITE_S: Final = 5.0
"""What a device has for one write or call."""
DONE: Final = "done"


@dataclass(frozen=True, slots=True)
class Judged:
    """What an edit comes to: the revision, advice on it, and what of commanding it changes."""

    revision: Revision
    advice: tuple[Fault, ...]
    changed: Changed


class ConfigEdit:
    """`config.edit`: params `text` (the whole file), or one param per place to change (`devices.filler.groups.fast.period_ms`).

    `expected_revision` must be the revision in force.
    """

    def __init__(
        self, current: Callable[[], Revision], apply: Callable[[Revision, str, str], Awaitable[Mapping[str, Plain]]], work: Executor,
        waiting: WaitingEdits,
    ) -> None:  # fmt: skip
        """`apply(revision, actor, reason)` stores, records and swaps; it returns what to say, and raises DriverError or LedgerError.

        `work` judges edits; `waiting` takes those that need a second person.
        """
        self._current, self._apply, self._work, self._waiting = current, apply, work, waiting
        self._judged: tuple[Act, Judged] | None = None

    async def check(self, act: Act) -> None:
        """See Tenant."""
        current = self._current()
        if act.expected_revision != current.number:
            raise RequestRefusedError("revision_conflict", revision=current.number)
        judged = await self._judge(act)
        before, after = current.config, judged.revision.config
        if (before.ldap, before.oidc) != (after.ldap, after.oidc):  # whoever says who gets in could make themselves admin
            refuse_unless_may(act.actor, "directory.edit")

    async def perform(self, act: Act) -> Outcome:
        """See Tenant. Whoever sits at the machine has the file anyway: what they edit waits for nobody."""
        judged = await self._judge(act)
        if judged.changed.what and act.actor.kind != "local":
            return self._waiting.add(act, judged.revision, judged.advice, judged.changed)
        try:
            done = await self._apply(judged.revision, f"{act.face} {act.session}", act.reason)
        except DriverError as error:
            return Outcome(error.cause, dict(error.params))
        return Outcome(DONE, {**done, **said(judged.advice)})

    async def _judge(self, act: Act) -> Judged:
        """Return what the act asks for, judged once and off the loop: reading a large config takes a second of CPU."""
        if self._judged is None or self._judged[0] is not act:
            loop = asyncio.get_running_loop()
            self._judged = act, await loop.run_in_executor(self._work, _judge_edit, act, self._current())
        return self._judged[1]


def _judge_edit(act: Act, current: Revision) -> Judged:
    """Return what the act asks for, and what is to be said of it. Raises RequestRefusedError `config_invalid`."""
    from runtime.config_text import with_values  # its library takes 1 MB, and most gateways are edited once a month

    try:
        whole = act.params.get("text")
        text = whole if isinstance(whole, str) else with_values(current.text, act.params.items())
        accepted = accept_config(text)
    except ConfigError as error:
        raise RequestRefusedError("config_invalid", count=len(error.faults), first=error.first) from error
    revision = Revision(current.number + 1, current.number, text, accepted.config)
    return Judged(revision, accepted.advice, changed_commanding(current.config, accepted.config))
