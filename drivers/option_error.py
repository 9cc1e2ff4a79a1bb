"""The one error by which a section of the configuration says what is wrong with it.

Room: ground. Raised inside pydantic validators of a driver's options (and of the common ones, in `runtime.config_model`), which wrap it;
`runtime.config_faults` finds it again and words its code. It words nothing itself.
"""

from __future__ import annotations


class OptionError(ValueError):
    """An option or a combination of options that cannot be used: a message code with its parameters."""

    def __init__(self, code: str, /, **params: str | int | float) -> None:
        self.code, self.params = code, params
        super().__init__(code + (f" ({', '.join(f'{key}={value}' for key, value in params.items())})" if params else ""))
