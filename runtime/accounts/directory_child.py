"""The process that speaks with a directory: one question on stdin, one answer on stdout, then it ends.

Room: hall, accounts. `directory_asks` starts it and ends it at its deadline, so that a server that stalls, trickles or floods costs a
process and never the core. It decides nothing about anybody: it says whom the directory vouches for, or why not. Passwords come by the pipe
and are kept nowhere.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any, Final

from runtime.accounts.directory import AWAY, DirectoryError, LdapServer, Provider

QUESTION_BYTES_MAX: Final = 256 << 10
MEMORY_BYTES: Final = 256 << 20
FILES_MAX: Final = 64


def main() -> int:
    """Answer the question. Return the exit code."""
    _limit()
    question = json.loads(sys.stdin.buffer.read(QUESTION_BYTES_MAX))
    said: dict[str, Any]
    try:
        said = {"said": _answer(question)}
    except DirectoryError as fault:
        said = {"fault": [fault.code, fault.reason]}
    except ImportError as error:
        said = {"fault": [AWAY, f"{error.name} is not installed"]}
    except MemoryError:
        said = {"fault": [AWAY, "an answer that is too large"]}
    sys.stdout.write(json.dumps(said))
    return 0


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    """Ask; what belongs to one protocol is imported for it alone."""
    what, options = question.pop("what"), question.pop("server")
    if what == "ldap":
        from runtime.accounts.ldap_ask import ask

        return ask(LdapServer(**options), **question).plain()
    from runtime.accounts import oidc_ask

    if what == "oidc":
        return oidc_ask.redeem(Provider(**options), **question).plain()
    return oidc_ask.discover(Provider(**options))


def _limit() -> None:
    """Give up what a hostile answer could use: memory without end, core files with a password in them."""
    for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_NOFILE, FILES_MAX)):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    sys.exit(main())
