"""The command `witnessmark`: one verb a module, each imported only when it is asked for.

Room: hall. `pyproject.toml` names `main`. The base install has the verbs of evidence; the others say which part they need.
"""

from __future__ import annotations

from runtime.cli.app import main

__all__ = ["main"]
