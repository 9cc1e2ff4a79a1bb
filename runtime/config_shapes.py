"""What sections of the config file have in common: strictness, and the shapes of names and texts.

Room: hall. `config_model` and the models beside it import it. It knows no section.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from drivers.option_error import OptionError


def shaped(pattern: str, code: str) -> AfterValidator:
    """Return a check of a text's shape whose fault says in words what is asked for."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise OptionError(code, value=text[:80])
        return text

    return AfterValidator(check)


Name = Annotated[str, shaped(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "config_name_shape")]
TagName = Annotated[str, shaped(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,63}", "config_tag_name_shape")]
Text = Annotated[str, Field(max_length=200)]


class Strict(BaseModel):
    """Nothing unknown, nothing converted, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)
