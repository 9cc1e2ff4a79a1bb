"""The two errors of this room's outer edge: a model that is refused, and a worker that did not answer.

Room: ground. Raised by the gatekeeper, the manifest and the worker's client; the judge absorbs them and records the refusal.
`code` is worded in `runtime/messages`, `params` fill its blanks. They word nothing themselves.
"""

from __future__ import annotations

from collections.abc import Mapping

Blank = str | int | float
"""What a message can show."""


class ModelFault(Exception):  # noqa: N818  named as what the field calls it: a fault of the model, not of the program
    """A model, or what came with it, that is not accepted: a message code with its parameters."""

    def __init__(self, code: str, params: Mapping[str, Blank] | None = None) -> None:
        self.code = code
        self.params = dict(params or {})
        super().__init__(code + (f" {self.params}" if self.params else ""))


class WorkerFault(Exception):  # noqa: N818  likewise
    """The worker died, was ended at its deadline, or will not run this model again."""

    @property
    def is_passing(self) -> bool:
        """Whether asking again later can help: always, but for a model that brought the worker down too often."""
        return self.code != "model_quarantined"

    def __init__(self, code: str, params: Mapping[str, Blank] | None = None) -> None:
        self.code = code
        self.params = dict(params or {})
        super().__init__(code + (f" {self.params}" if self.params else ""))
