"""Which CPUs the signer and the evidence thread keep to: not the same.

Room: ground. `SignerProcess` and `Chain` call it as they start theirs. Short sleepers that wake each other are gathered by Linux on one CPU
while another idles (seen on two virtual CPUs: signing and flushing then take turns). A thread that may run on one CPU only is left alone,
and so is a system without this call.
"""

from __future__ import annotations

import os
from contextlib import suppress


def keep_to_half(second: int, pid: int = 0) -> None:
    """Let a thread (0: the calling one) run on every other CPU that this process may use: the first, third ... or the second, fourth ...

    Both halves have fast and slow cores where a board has both, which are numbered in groups. Failing is no fault: it is about speed only.
    """
    if hasattr(os, "sched_setaffinity"):
        with suppress(OSError):
            usable = sorted(os.sched_getaffinity(os.getpid()))
            if len(usable) > 1:
                os.sched_setaffinity(pid, usable[second::2])
