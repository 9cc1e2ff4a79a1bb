"""What the pages of commissioning ask of the core: looks at devices, drafts, tables of tags, revisions.

Room: hall, commissioning. `app` answers faces through `answer`: the feed's requests of ACTION_OF. Each names its action, which is asked for
first. It reads and never writes: what comes of it is a draft, and the door's `config.edit` puts that in force. Looks at devices are one at
a time, bounded and slow enough for a line that is polled; what takes CPU runs in the executor.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from typing import Any, Final, TypeVar

import structlog

from drivers.driver import DriverError
from drivers.option_error import OptionError
from ledger_client.disk import Disk
from runtime.clock import Clock
from runtime.commissioning import config_requests, device_looks, opcua_looks, tag_requests
from runtime.commissioning.looks import CaseError
from runtime.commissioning.methods import ACTION_OF
from runtime.commissioning.scans import Scans
from runtime.config_faults import ConfigError
from runtime.faces.feed import RequestRefusedError, Session
from runtime.layout import Layout
from runtime.registers_asked import RegisterField
from runtime.revisions import Revision
from runtime.tag_sheet.sheet import SheetError

LOOK_S_MAX: Final = 20.0
WAITING_MAX: Final = 4
SHAPES: Final = (CaseError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
"""What parameters of a wrong shape end in (pydantic's ValidationError is a ValueError): they must not end the connection of all pages."""
Result = TypeVar("Result")
May = Callable[[Session, Mapping[str, Any], str], None]
"""(session, params, action): raises RequestRefusedError unless whoever asks may."""


class Desk:
    """`answer` from the feed; `run` under the supervisor."""

    def __init__(
        self, field: RegisterField, disk: Disk, layout: Layout, clock: Clock, work: Executor, revision: Callable[[], Revision],
        numbers: Callable[[], Mapping[str, int]], may: May,
    ) -> None:  # fmt: skip
        """`numbers` gives those of all tags that ever were, by `device/tag`; `layout` says where earlier config texts are."""
        self._own_files = {
            "certificate_file": str(layout.private / "opcua-client.pem"),
            "key_file": str(layout.private / "opcua-client.key"),
        }
        self._field, self._disk, self._revisions, self._clock, self._work = field, disk, layout.revisions, clock, work
        self._revision, self._numbers, self._may = revision, numbers, may
        self._scans = Scans(field, lambda: revision().config)
        self._looking = asyncio.Lock()
        self._waiting = 0

    async def run(self) -> None:
        """Carry out scans until cancelled."""
        await self._scans.run()

    async def answer(self, session: Session, method: str, params: Mapping[str, Any]) -> Any:
        """Answer one of ACTION_OF. Raises RequestRefusedError.

        With a param `json` (bytes of an object) it takes what is asked from there and returns JSON as bytes: a frame of thousands of cells
        would hold the loop while it is encoded, and this is done in the executor.
        """
        self._may(session, params, ACTION_OF[method])
        packed = params.get("json")
        try:
            if isinstance(packed, bytes):
                return await self._blocking(_pack, await self._answer(method, await self._blocking(_unpacked, packed)))
            return await self._answer(method, {name: value for name, value in params.items() if name != "token"})
        except (OptionError, DriverError) as error:
            code = error.code if isinstance(error, OptionError) else error.cause
            raise RequestRefusedError(code, **error.params) from error
        except ConfigError as error:
            raise RequestRefusedError("config_invalid", count=len(error.faults), first=error.first) from error
        except SheetError as error:
            raise RequestRefusedError(error.faults[0].code, **error.faults[0].params) from error
        except SHAPES as error:
            structlog.get_logger("bench").info("bench_shape", method=method, detail=type(error).__name__)
            raise RequestRefusedError("bench_shape", method=method) from error

    async def _answer(self, method: str, asked: Mapping[str, Any]) -> Any:
        revision = self._revision()
        match method:
            case "bench.read":
                looked = await self._one_look(lambda: device_looks.read(asked, revision.config, self._field, self._clock.wall_ms()))
                return await self._blocking(device_looks.shown, looked)
            case "bench.detect":
                case = await self._one_look(lambda: device_looks.look(asked, revision.config, self._field, self._clock.wall_ms()))
                return await self._blocking(device_looks.findings, case)
            case "bench.ways":
                return await self._blocking(device_looks.ways_asked, asked)
            case "bench.scaling":
                return device_looks.scaling(asked)
            case "bench.templates":
                return await self._blocking(device_looks.templates)
            case "bench.scan":
                return self._scans.begin(asked, only_plan=asked.get("only_plan") is True)
            case "bench.scan_state":
                return self._scans.state()
            case "bench.scan_cancel":
                return self._scans.cancel()
            case "bench.offers":
                return await self._one_look(lambda: opcua_looks.offers(asked, revision.config))
            case "bench.browse":
                return await self._one_look(lambda: opcua_looks.browse(asked, revision.config, self._own_files))
            case "bench.places":
                return await self._blocking(config_requests.places, revision, self._own_files)
            case "config.revision":
                return await self._blocking(config_requests.text_of, self._disk, self._revisions, asked)
            case "draft":
                return await self._blocking(config_requests.draft, asked, revision)
            case "config.judge":
                return await self._blocking(config_requests.judge, asked, revision)
        names = self._numbers()
        ask = {"tags.table": tag_requests.table, "tags.judge": tag_requests.judge, "tags.sheet": tag_requests.sheet}[method]
        return await self._blocking(ask, asked, revision, names)

    async def _one_look(self, look: Callable[[], Awaitable[Result]]) -> Result:
        """Look at a device when no other page does. Raises RequestRefusedError `bench_busy`, DriverError `no_answer`."""
        if self._waiting >= WAITING_MAX:
            raise RequestRefusedError("bench_busy")
        self._waiting += 1
        try:
            async with asyncio.timeout(LOOK_S_MAX), self._looking:
                return await look()
        except TimeoutError as error:
            raise RequestRefusedError("bench_slow", limit_s=LOOK_S_MAX) from error
        finally:
            self._waiting -= 1

    async def _blocking(self, call: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._work, call, *arguments)


def _unpacked(packed: bytes) -> dict[str, Any]:
    asked = json.loads(packed)
    if not isinstance(asked, dict):
        raise TypeError("json")
    return asked


def _pack(answer: Any) -> bytes:
    """A file stays the bytes that it is."""
    return answer if isinstance(answer, bytes) else json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
