"""The judge's end of the worker: starts it, gives it models and rows, ends it at a deadline, starts it again.

Room: ground. The judge (and whoever tries a model before it is armed) uses `Worker`; it takes only what `gatekeeper` let in. Each
request has a deadline on the wall; a worker that misses it, dies or answers oddly is killed, rests (longer each time), and comes back
with all its models. A model under which that happened twice in an hour is not run again until the judge is started anew: a bad model
must not starve the others. It believes nothing of an answer but numbers of the shape that was asked for, and it never runs in the core.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from models.gatekeeper import CheckedModel
from models.model_fault import ModelFault, WorkerFault
from models.worker_frames import DROP, DTYPES, LOAD, RUN, SIZES, Answer, FrameError, Request, length_of, read_answer

LAUNCH: Final = "import sys; sys.path.insert(0, sys.argv.pop(1)); from models.worker import main; sys.exit(main())"
"""`-I -m models.worker` with the very package that runs here, installed or not."""
ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""All that the worker sees of ours."""
REFUSALS: Final = frozenset({"model_memory_gone", "model_not_loaded", "model_rows", "model_runtime_refused", "model_runtime_missing"})
"""What a worker may say; another word is no answer."""
WORK_TOGETHER: Final = 8_000_000
"""Multiplications in one request: some ms here, well below the deadline on a slow board."""
FAULTS_MAX: Final = 2.0
"""So much blame within BLAME_S is a quarantine."""
BLAME_S: Final = 3_600.0
PATIENCE: Final = 2.5
"""A worker that had no processor time gets so many deadlines; then it is replaced all the same."""
NOT_ITS_DOING: Final = 0.2
"""The blame when the machine gave the worker no time, or somebody killed it: seldom the model's doing, but not for ever."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What a worker may use. `memory_bytes` is on top of what interpreter and libraries take before the first model."""

    memory_bytes: int = 64 * 1024 * 1024
    deadline_s: float = 2.0
    start_s: float = 20.0
    rest_s_min: float = 0.25
    rest_s_max: float = 30.0
    steady_s: float = 60.0
    """A worker that lived so long has recovered: the next rest is the shortest again."""
    rows_max: int = 256
    niceness: int = 5


@dataclass(slots=True)
class _Held:
    """A model that the worker shall have."""

    number: int
    checked: CheckedModel


@dataclass(slots=True)
class Worker:
    """One worker process with several models. Enter it with `async with`; the process starts with the first request."""

    limits: WorkerLimits = field(default_factory=WorkerLimits)
    faults: int = 0
    """How often a worker had to be replaced."""
    starts: int = 0
    _models: dict[str, _Held] = field(default_factory=dict)
    _blame_of: dict[bytes, list[tuple[float, float]]] = field(default_factory=dict)
    """(when, how much), by SHA-256, so that the same bytes under another name stay refused."""
    _quarantined: set[bytes] = field(default_factory=set)
    _next_number: int = 1
    _process: asyncio.subprocess.Process | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _rest_s: float = 0.0
    _rest_until_s: float = 0.0
    _up_since_s: float = 0.0
    _starved: bool = True
    """Until it was seen at work."""
    _looking: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        """Nothing is started yet."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End the worker."""
        await self._kill()

    @property
    def pid(self) -> int | None:
        """The worker's process id, None while there is none."""
        return None if self._process is None else self._process.pid

    def is_quarantined(self, checked: CheckedModel) -> bool:
        """Whether these bytes brought a worker down too often to be run again."""
        return checked.sha256 in self._quarantined

    async def load(self, key: str, checked: CheckedModel) -> None:
        """Give the worker a model under a name, in place of what had it. Raises ModelFault, WorkerFault; the name is free after that."""
        async with self._turn:
            await self._drop(key)
            self._refuse_quarantined(checked)
            await self._ensure()
            held = _Held(self._next_number, checked)
            self._next_number += 1
            await self._load(held)
            self._models[key] = held

    async def drop(self, key: str) -> None:
        """Take a model away; an unknown name is no fault."""
        async with self._turn:
            await self._drop(key)

    async def run(self, key: str, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the outputs (n, outputs) of rows (n, inputs) of the model's dtype.

        Raises KeyError (no such model), ValueError (shape or dtype), ModelFault (the runtime refuses), WorkerFault (died, deadline,
        model_quarantined).
        """
        held = self._models[key]
        wanted = held.checked.input
        if rows.ndim != 2 or rows.shape[1] != wanted.columns or rows.dtype.name != wanted.dtype:
            raise ValueError(f"rows {rows.shape} {rows.dtype}, not (n, {wanted.columns}) {wanted.dtype}")
        step = max(1, min(self.limits.rows_max, WORK_TOGETHER // max(1, held.checked.work)))
        parts = []
        async with self._turn:
            for start in range(0, len(rows), step):
                self._refuse_quarantined(held.checked)
                await self._ensure()
                parts.append(await self._run(held, rows[start : start + step]))
        given = held.checked.output
        return np.concatenate(parts) if parts else np.empty((0, given.columns), given.dtype)

    # -------------------------------------------------------------------------------------------- one request at a time

    async def _run(self, held: _Held, rows: NDArray[Any]) -> NDArray[Any]:
        dtype = DTYPES.index(held.checked.input.dtype)
        answer = await self._ask(held, Request(RUN, held.number, rows.shape[1], dtype, np.ascontiguousarray(rows).tobytes()))
        given = held.checked.output
        wanted = len(rows) * given.columns * SIZES[DTYPES.index(given.dtype)]
        if (answer.columns, DTYPES[answer.dtype], len(answer.data)) != (given.columns, given.dtype, wanted):
            await self._fail(held, "worker_garbled", {})
        return np.frombuffer(answer.data, given.dtype).reshape(len(rows), given.columns)

    async def _load(self, held: _Held) -> None:
        checked = held.checked
        answer = await self._ask(held, Request(LOAD, held.number, 0, 0, checked.sha256 + checked.raw))
        if (answer.columns, DTYPES[answer.dtype], answer.data) != (checked.output.columns, checked.output.dtype, b""):
            await self._ask(held, Request(DROP, held.number, 0, 0, b""))
            raise ModelFault("model_runtime_refused", {"detail": f"{answer.columns} {DTYPES[answer.dtype]}"})

    async def _drop(self, key: str) -> None:
        held = self._models.pop(key, None)
        if held is not None and self._process is not None:
            with contextlib.suppress(ModelFault, WorkerFault):
                await self._ask(held, Request(DROP, held.number, 0, 0, b""))

    def _refuse_quarantined(self, checked: CheckedModel) -> None:
        if self.is_quarantined(checked):
            raise WorkerFault("model_quarantined", {"faults": len(self._blame_of.get(checked.sha256, ())) or 1})

    async def _ask(self, held: _Held | None, request: Request) -> Answer:
        """Send one request and return its answer. Whatever else happens ends the worker and counts against the model."""
        assert self._process is not None
        assert self._process.stdin is not None
        deadline_s, loop = self.limits.deadline_s, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(deadline_s) as until:
                self._starved = True
                self._looking = loop.call_later(deadline_s / 2, self._look, self._process.pid, until, loop.time())
                self._process.stdin.write(request.framed())
                await self._process.stdin.drain()
                answer = await self._read()
        except TimeoutError:
            blame = NOT_ITS_DOING if self._starved else 1.0
            await self._fail(held, "worker_deadline", {"deadline_s": deadline_s}, blame)
        except (asyncio.IncompleteReadError, OSError):
            await self._fail(held, "worker_died", {})
        except FrameError:
            await self._fail(held, "worker_garbled", {})
        except asyncio.CancelledError:
            await self._kill()  # its answer would be taken for that of the next request
            raise
        finally:
            if self._looking is not None:
                self._looking.cancel()
        if answer.refused is None:
            return answer
        if answer.refused not in REFUSALS:
            await self._fail(held, "worker_garbled", {})
        raise ModelFault(answer.refused, {"detail": answer.detail})

    def _look(self, pid: int, until: asyncio.Timeout, began_s: float, used_s: float | None = None) -> None:
        """See at half time and towards the deadline whether the worker works at all; one that is given no time is waited for longer."""
        loop, deadline_s = asyncio.get_running_loop(), self.limits.deadline_s
        now_s, uses_s = loop.time(), used_by(pid)
        if used_s is not None:
            self._starved = uses_s - used_s < deadline_s / 20
            if not self._starved or now_s - began_s > deadline_s * (PATIENCE - 0.5):
                return
            if not until.expired():
                until.reschedule(now_s + deadline_s / 2)
        self._looking = loop.call_later(deadline_s * 0.4, self._look, pid, until, began_s, uses_s)

    async def _read(self) -> Answer:
        assert self._process is not None
        assert self._process.stdout is not None
        length = length_of(await self._process.stdout.readexactly(4))
        return read_answer(await self._process.stdout.readexactly(length))

    # ------------------------------------------------------------------------------------------------ life and death

    async def _ensure(self) -> None:
        """Have a worker with all its models. Each turn of the loop is a model that fell over in loading, and is not tried again."""
        for _ in range(len(self._models) + 1):
            if self._process is not None and self._process.returncode is None:
                return
            await self._start()
            for held in list(self._models.values()):
                if self.is_quarantined(held.checked):
                    continue
                try:
                    await self._load(held)
                except ModelFault:
                    self._quarantined.add(held.checked.sha256)
                except WorkerFault:
                    self._quarantined.add(held.checked.sha256)
                    break
            else:
                return
        raise WorkerFault("worker_start", {"detail": "models"})

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        await self._kill()
        await asyncio.sleep(max(0.0, self._rest_until_s - loop.time()))
        root = str(Path(__file__).resolve().parent.parent)
        arguments = [str(self.limits.memory_bytes), str(self.limits.niceness)]
        self.starts += 1
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-c", LAUNCH, root, *arguments),
                env=ENVIRONMENT,
                cwd="/",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            async with asyncio.timeout(self.limits.start_s):
                answer = await self._read()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, FrameError) as error:
            await self._fail(None, "worker_start", {"detail": type(error).__name__})
        if answer.refused is not None:
            await self._kill()
            raise ModelFault(answer.refused if answer.refused in REFUSALS else "model_runtime_missing")
        self._up_since_s = loop.time()

    async def _fail(self, held: _Held | None, code: str, params: dict[str, str | int | float], blame: float = 1.0) -> NoReturn:
        """End the worker, count, plan its rest. Raises WorkerFault."""
        loop = asyncio.get_running_loop()
        ended_by = await self._kill()
        self.faults += 1
        if held is not None:
            if code == "worker_died" and ended_by == "SIGKILL":
                blame = NOT_ITS_DOING
            recent = [each for each in self._blame_of.get(held.checked.sha256, []) if each[0] > loop.time() - BLAME_S]
            self._blame_of[held.checked.sha256] = recent = [*recent, (loop.time(), blame)]
            if sum(each[1] for each in recent) >= FAULTS_MAX - 1e-9:
                self._quarantined.add(held.checked.sha256)
        steady = loop.time() - self._up_since_s > self.limits.steady_s
        self._rest_s = self.limits.rest_s_min if steady or not self._rest_s else min(self._rest_s * 2, self.limits.rest_s_max)
        self._rest_until_s = loop.time() + self._rest_s
        raise WorkerFault(code, params | ({"how": ended_by} if code == "worker_died" else {}))

    async def _kill(self) -> str:
        """End the process, if there is one; return what ended it, such as SIGSEGV."""
        process, self._process = self._process, None
        if process is None:
            return ""
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):  # one that died by itself says how
                await process.wait()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        code = process.returncode or 0
        return signal.Signals(-code).name if code < 0 else f"exit {code}"


def used_by(pid: int) -> float:
    """Return the processor time of a process in s, 0.0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
