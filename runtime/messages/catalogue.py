"""From a code and its parameters to words.

Room: hall. Faces and the CLI call `word`; nobody words an error anywhere else. A code that no catalogue knows is shown as
itself with its parameters, so that nothing is ever hidden by a missing text. Needs only the standard library: the
verifier uses it on a laptop.

One thing is not several: where the blank `count` or `n` is filled with 1, the text of `CODE.one` stands instead, if there is one. Chinese
has the same form for both; its `.one` says the same. Where the parameter `because` names a reason, the text of `CODE.REASON` stands
instead, if there is one. A number in the blank `code` that is a status of OPC UA is said by its name. `static/words.js` has the same rules.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from drivers.reading import status_name

LANGUAGES: Final = ("en", "zh")
COUNTS: Final = ("count", "n")
"""Blanks that hold how many."""
BECAUSE: Final = "because"
STATUS_MIN: Final = 1 << 30
"""Smaller codes are of other protocols; this is the least status that is not good."""
_BLANK: Final = re.compile(r"\{\w+\}")
_ASIDE: Final = re.compile(r"\s*[(（][^()（）]*\{\w+\}[^()（）]*[)）]")
"""Brackets around a blank: without its value there is nothing to put into them."""


def word(code: str, params: Mapping[str, object] | None = None, lang: str = "en") -> str:
    """Return the text of a code with its blanks filled; English where a language has none.

    Brackets around a blank that nobody filled are left out. `static/words.js` has the same rule.
    """
    values = dict(params or {})
    if isinstance(number := values.get("code"), int) and number >= STATUS_MIN:
        values["code"] = status_name(number)
    own = [f"{code}.{values[BECAUSE]}"] if BECAUSE in values else []
    one = [f"{code}.one"] if any(str(values.get(name)) == "1" for name in COUNTS) else []
    known = [*dict.fromkeys((lang if lang in LANGUAGES else "en", "en"))]
    template = next((text for each in known for name in (*own, *one, code) if (text := catalogue(each).get(name)) is not None), None)
    if template is None:
        return code + (f" ({', '.join(f'{k}={v}' for k, v in values.items())})" if values else "")
    if any(blank[1:-1] not in values for blank in _BLANK.findall(template)):
        template = _ASIDE.sub(lambda aside: aside[0] if all(each[1:-1] in values for each in _BLANK.findall(aside[0])) else "", template)
    return template.format_map(_Blanks(values))


def phrase(code: str, params: Mapping[str, object] | None = None, lang: str = "en") -> str:
    """Return a code's text without its full stop, to stand within another sentence or before a colon."""
    return word(code, params, lang).rstrip(".。")


def sort_of(code: str, lang: str = "en") -> str:
    """Return a code's phrase where its parameters were not kept, as in a gap entry: the text of `CODE.sort`, if there is one.

    Else the code's own: brackets that hold a blank are left out, any other blank is an ellipsis. `static/words.js` has the same rule.
    """
    of_its_own = f"{code}.sort"
    return _BLANK.sub("…", _ASIDE.sub("", phrase(of_its_own if of_its_own in catalogue("en") else code, lang=lang)))


@cache
def catalogue(lang: str) -> Mapping[str, str]:
    """Return code -> template: `en.toml`, and the file of each topic, `en_alarms.toml`. Raises ValueError for a code twice."""
    words: dict[str, str] = {}
    for part in sorted(Path(__file__).parent.iterdir()):
        if part.name == f"{lang}.toml" or (part.name.startswith(f"{lang}_") and part.name.endswith(".toml")):
            more = tomllib.loads(part.read_text(encoding="utf-8"))
            if twice := words.keys() & more.keys():
                raise ValueError(f"{part.name}: worded before: {', '.join(sorted(twice))}")
            words |= more
    return words


def pick_language(accept: str) -> str:
    """Return the first language of an Accept-Language header that there is a catalogue for, else en."""
    for part in accept.split(","):
        tag = part.split(";")[0].strip().lower().split("-")[0]
        if tag in LANGUAGES:
            return tag
    return "en"


class _Blanks(dict[str, object]):
    """A blank that nobody filled stays visible."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"
