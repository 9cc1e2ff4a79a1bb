"""Learning, seen from the judge: the trainer is started, its progress is passed on, its end is told. One at a time.

Room: hall, judgement; the judge's process. The trainer is a process of its own: niced further, with a memory limit, and ended with the
judge. It gets its order on stdin and answers in lines; what it says is checked.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import structlog

from runtime.faces.feed import RequestRefusedError
from runtime.judgement.core_link import CoreLink
from runtime.supervisor import module_command, stop_process

NICENESS: Final = 15
LINE_MAX: Final = 64 << 10
LEARN_S_MAX: Final = 3_600.0
PROGRESS_S: Final = 0.5
MODULE: Final = "runtime.judgement.trainer"


class Learning:
    """`pid` is the trainer's, None while nothing is learned."""

    def __init__(self, core: CoreLink, state: Path) -> None:
        self._core, self._state = core, state
        self._orders: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue(1)
        self._busy = False
        self.pid: int | None = None

    def begin(self, order: Mapping[str, Any]) -> None:
        """Take an order of the core. Raises RequestRefusedError while another one is under way."""
        if self._busy or self._orders.full():
            raise RequestRefusedError("model_is_learning", model=str(order.get("name")))
        self._orders.put_nowait(dict(order))

    async def run(self) -> None:
        """Carry out orders until cancelled; cancelling ends the trainer."""
        while True:
            order = await self._orders.get()
            self._busy = True
            try:
                ended = await self._train(order)
            finally:
                self._busy = False
            await self._core.insist({"name": order["name"], "act": order["act"], **ended})

    async def _train(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Return how it ended, as a word of the judge: `judge_words`."""
        text = json.dumps({key: value.hex() if isinstance(value, bytes) else value for key, value in order.items()})
        process = await asyncio.create_subprocess_exec(
            *module_command(MODULE, "--state", str(self._state), niceness=NICENESS),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_MAX, start_new_session=True,
        )  # fmt: skip
        self.pid = process.pid
        try:
            async with asyncio.timeout(LEARN_S_MAX):
                assert process.stdin is not None
                process.stdin.write(text.encode() + b"\n")
                process.stdin.close()
                return await self._listen(process, order)
        except TimeoutError:
            return _failed("learn_too_long", seconds=round(LEARN_S_MAX))
        except (OSError, ValueError):
            return _failed("learn_failed")
        finally:
            self.pid = None
            await stop_process(process)

    async def _listen(self, process: asyncio.subprocess.Process, order: Mapping[str, Any]) -> dict[str, Any]:
        assert process.stdout is not None
        loop, told_s = asyncio.get_running_loop(), -PROGRESS_S
        while line := await process.stdout.readline():
            match json.loads(line):
                case {"stage": str(stage), "share": (int() | float()) as share}:
                    if loop.time() - told_s >= PROGRESS_S:
                        told_s = loop.time()
                        word = {"what": "progress", "name": order["name"], "act": order["act"], "stage": stage[:100]}
                        await self._core.say(word | {"share": min(1.0, max(0.0, float(share)))})
                case {"manifest": str(manifest), "left_out": int(left_out), "settling": int(settling), "unlike_ms": list(unlike)}:
                    rows = {"left_out": left_out, "settling": settling, "unlike_ms": unlike}
                    return {"what": "learned", "manifest": bytes.fromhex(manifest), **rows}
                case {"code": str(code), "params": dict(params)}:
                    return _failed(code[:100], **{str(key)[:100]: _short(value) for key, value in list(params.items())[:16]})
        ended = await process.wait()
        structlog.get_logger("judge").warning("trainer_ended", code=ended)
        return _failed("learn_failed", exit=ended)


def _failed(code: str, /, **params: str | int | float) -> dict[str, Any]:
    return {"what": "not_learned", "code": code, "params": params}


def _short(value: Any) -> str | int | float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1 << 62 else str(value)[:200]
