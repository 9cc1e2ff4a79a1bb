"""Passwords as Argon2id hashes (RFC 9106): made and compared one at a time, in a thread of their own, never on the loop.

Room: hall, accounts. `desk` and `tenants` await it. One hash needs 19 MiB and some 50 to 500 ms of CPU; however many log in, there is never
more than one, and so few wait that a flood is refused instead. Unknown names are compared with a hash too, so that time tells nothing.
Source of the cost (19 MiB, 2 passes, 1 lane): OWASP Password Storage Cheat Sheet.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final, TypeVar

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from runtime.faces.feed import RequestRefusedError

MEMORY_KIB: Final = 19 * 1024
PASSES: Final = 2
LANES: Final = 1
WAITING_MAX: Final = 4
"""Fewer than a face's lane of requests, so that a flood of logins leaves it room."""
WAITING_MAX_PER_SOURCE: Final = 2
_COST: Final = re.compile(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$")
Result = TypeVar("Result")


class Passwords:
    """`made` counts the hashes reckoned; `memory_kib` is what one costs."""

    def __init__(self, work: Executor, memory_kib: int = MEMORY_KIB) -> None:
        """`work` is one thread, which nothing else uses."""
        self._work, self.memory_kib = work, memory_kib
        self._waiting: Counter[str] = Counter()
        self._nobody: str | None = None
        self.made = 0

    async def hash(self, password: str) -> str:
        """Return a new hash, as text that names its cost and salt."""
        return await self._in_turn("", lambda: self._hash(password))

    async def holds(self, password: str, hashed: str | None, source: str) -> bool:
        """Tell whether a password belongs to a hash. None (no such account) takes as long, and never holds."""
        return await self._in_turn(source, lambda: self._holds(password, hashed))

    def is_dated(self, hashed: str) -> bool:
        """Whether a hash was made at another cost than today's, and is to be made anew when its password is known."""
        found = _COST.match(hashed)
        return found is None or [int(part) for part in found.groups()] != [self.memory_kib, PASSES, LANES]

    async def _in_turn(self, source: str, call: Callable[[], Result]) -> Result:
        """Acts come one by one from the door (source empty) and are never refused here."""
        if source and (self._waiting.total() >= WAITING_MAX or self._waiting[source] >= WAITING_MAX_PER_SOURCE):
            raise RequestRefusedError("login_busy")
        self._waiting[source] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._work, call)
        finally:
            self._waiting[source] -= 1
            self._waiting += Counter()  # drops what is at zero

    def _hash(self, password: str) -> str:
        self.made += 1
        kdf = Argon2id(salt=os.urandom(16), length=32, iterations=PASSES, lanes=LANES, memory_cost=self.memory_kib)
        return kdf.derive_phc_encoded(password.encode())

    def _holds(self, password: str, hashed: str | None) -> bool:
        if self._nobody is None:
            self._nobody = self._hash(os.urandom(16).hex())
        self.made += 1
        try:
            Argon2id.verify_phc_encoded(password.encode(), hashed or self._nobody)
        except InvalidKey:
            return False
        except ValueError:  # a hash that is none: a damaged store
            return False
        return hashed is not None
