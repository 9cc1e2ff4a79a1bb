"""Texts that would become markup where somebody forgot to escape, each with a number by which it is found again, and how to look for them.

Room: tests. `config_texts` and `request_texts` put them wherever a text is let in; `test_stored_names` looks at every page.
"""

from __future__ import annotations

import re
from typing import Final

LONG: Final = "\"'></script><img wmx={n} src=x onerror=window.hacked=1>{{{{7*7}}}}"
"""It leaves a script, and an attribute in quotes of either kind."""
MIDDLE: Final = "\"'><svg wmx={n} onload=hacked=1>"
TIGHT: Final = "<svg/wmx={n}/onload=hacked=1>"
"""Without a blank or a quote, for what must have none."""
TINY: Final = "<i wmx={n}>"
AS_TEXT: Final = re.compile(r"wmx=(\d+)")
AS_MARKUP: Final = re.compile(r"<[a-z]+[\s/]+wmx=(\d+)")
"""In a page as it is sent: a sign that nobody escaped."""
INJECTED: Final = """[...document.querySelectorAll("[wmx], [onerror], [onload]")].map((e) => e.outerHTML)
  .concat(window.hacked ? ["it ran"] : [])"""
"""What has become an element, in a browser."""
SHOWN: Final = """() => [document.body.innerText, document.title,
  ...[...document.querySelectorAll("input, textarea, select, option")].map((e) => e.value),
  ...[...document.querySelectorAll("[title], [aria-label]")].map((e) => `${e.title} ${e.ariaLabel}`)].join("\\n")"""
"""All that a person can read on a page."""


def texts(number: int, usual: str = "") -> list[str]:
    """Return texts to try in turn, the worst first; `usual`: what else stands there, which may have to stay for the text to be let in."""
    alone = [each.format(n=number) for each in (LONG, MIDDLE, TIGHT, TINY)]
    tight, tiny = alone[2:]
    return [*alone, f"{tight}@x.example", *((f"{usual}{tight}", f"{usual}{tiny}", f"{usual}/{tight}") if usual else ())]


def numbers_in(text: str) -> set[int]:
    """Return the numbers of hostile texts that stand in another text."""
    return {int(each) for each in AS_TEXT.findall(text)}
