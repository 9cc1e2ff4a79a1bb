"""Our own command in what the command line prints: as a shell takes it here, with the state folder where one was named.

Room: hall. Texts and codes name the command `witnessmark`; where that is not on the path, as in a fresh checkout, it is the one beside this
Python, such as `.venv/bin/witnessmark`. What is printed can then be pasted.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

NAME: Final = "witnessmark"
OF_STATE: Final = ("accounts", "approve", "detect", "frames", "ledger", "model", "network", "read", "scan", "status", "tags", "write")
"""Verbs that work on a state folder, all with `--state`."""
QUOTED: Final = re.compile(rf"`{NAME} ([^`]+)`")


def runnable(command: str, state: Path | str | None = None) -> str:
    """Return a command (`witnessmark VERB …`) as it is called here, for a state folder: this one, or the one that this very call names."""
    verb, state = command.removeprefix(f"{NAME} "), state or _state_named()
    folder = f" --state {shlex.quote(str(state))}" if state is not None and verb.split(" ")[0] in OF_STATE else ""
    return f"{_program()} {verb}{folder}"


def with_runnable(text: str) -> str:
    """Return a text with each of our commands in it that stands between backticks as it is called here."""
    return QUOTED.sub(lambda found: f"`{runnable(found[1])}`", text)


def _state_named() -> str | None:
    """Return the state folder that this very call names, None where it names none."""
    named = [after for word, after in zip(sys.argv, sys.argv[1:], strict=False) if word == "--state"]
    named += [word.partition("=")[2] for word in sys.argv if word.startswith("--state=")]
    return named[-1] if named else None


def _program() -> str:
    own = Path(sys.executable).with_name(NAME)
    found = shutil.which(NAME)
    if not own.exists() or (found is not None and os.path.samefile(found, own)):
        return NAME
    try:
        here, near = os.getcwd(), os.path.relpath(own)
    except OSError:  # the folder that we stand in is gone
        return shlex.quote(str(own))
    is_far = here == os.sep or near.startswith(os.pardir)
    return shlex.quote(str(own) if is_far else os.path.join(os.curdir, near) if os.sep not in near else near)
