"""Where templates are found: those that come with Witnessmark, and those in a folder of one's own.

Room: ground. `runtime.config` and the verb `templates` use it. It reads `NAME.toml` files and nothing else; a name never leaves its
folder.
"""

from __future__ import annotations

import re
import tomllib
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from drivers.option_error import OptionError
from drivers.templates.template import Found, parse_template

name_shape: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")
size_bytes_max: Final = 1 << 20


@cache
def built_in_names() -> tuple[str, ...]:
    """Return the names of the templates that come with Witnessmark, sorted."""
    names = (entry.name for entry in files("drivers.templates").iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


class Library:
    """The built-in templates, and those of a folder; one's own cannot take the name of a built-in one."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Return all names, built-in ones first. Raises OSError for a folder that cannot be read."""
        own = sorted(path.stem for path in self._folder.glob("*.toml") if name_shape.fullmatch(path.stem)) if self._folder else []
        return [*built_in_names(), *(name for name in own if name not in built_in_names())]

    def find(self, name: str) -> Found:
        """Return a template. Raises OptionError: `template_unknown`, `template_damaged`; OSError."""
        if name in built_in_names():
            return _built_in(name)
        path = self._folder / f"{name}.toml" if self._folder and name_shape.fullmatch(name) else None
        if path is None or not path.is_file():
            meant = {"meant": close[0]} if (close := get_close_matches(name[:48].lower(), self.names(), n=1)) else {}
            raise OptionError("template_unknown", name=name[:48], known=", ".join(built_in_names()), **meant)
        if path.stat().st_size > size_bytes_max:
            raise OptionError("template_damaged", name=name, detail=f"more than {size_bytes_max} bytes")
        return _parsed(name, path.read_bytes())


@cache
def _built_in(name: str) -> Found:
    return _parsed(name, (files("drivers.templates") / f"{name}.toml").read_bytes())


def _parsed(name: str, data: bytes) -> Found:
    try:
        template = parse_template(tomllib.loads(data.decode()))
        for group in template.groups:
            if not isinstance(group.get("name"), str) or not all(isinstance(tag.get("name"), str) for tag in group["tags"]):
                raise OptionError("template_damaged", name=name, detail="a group or tag without a name")
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, OptionError):
            raise
        raise OptionError("template_damaged", name=name, detail=str(error).splitlines()[0][:120]) from error
    return Found(name, template)
