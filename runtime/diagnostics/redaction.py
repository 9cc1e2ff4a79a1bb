"""Takes secrets out of texts and plain data before they leave the gateway for help. Pure.

Room: hall, diagnostics. Bundles, the log on the page and the web face's problem answers go through it. A secret is known by its value
(what an option model marks, see `known_secrets`), by the name before it, or by its shape; MARK stands in its place. It would rather take
out too much than too little, but leaves what evidence needs: hashes, fingerprints, verification keys. Texts are worked through line by
line, so that no single call holds the interpreter for long.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

MARK: Final = "[redacted]"
KNOWN_CHARS_MIN: Final = 6
DEPTH_MAX: Final = 40
_NAME: Final = (
    r"(?:pass(?:word|wd|phrase|code)|pwd|bind_?pw|secret|token|credential|authorization|cookie|csrf|nonce|psk|hmac|otp"
    r"|(?:api|access|private|signing|account|shared|auth)[_.\s-]?key|claim[_.\s-]?code)"
)
_NAMED: Final = re.compile(_NAME, re.IGNORECASE)
_FILE: Final = re.compile(r"(?:_|-|\.)?(?:files?|path)$", re.IGNORECASE)
_VALUE: Final = r"""(?:\[[^\]]*\]?|"(?:[^"\\]|\\.)*"?|'[^']*'?|(?:bearer|basic|digest)\s+[^\s,;]+|[^\s"',;&<>)}\]]+)"""
_PAIR: Final = re.compile(rf"({_NAME}([\w.-]{{0,40}})\\?[\"']?\s{{0,3}}(?:=>|[=:])\s{{0,3}})(\\?)({_VALUE})", re.IGNORECASE)
_HEADER: Final = re.compile(r"\b((?:proxy-)?authorization|(?:set-)?cookie)(\s{0,3}:\s{0,3})([^\"'].*)", re.IGNORECASE)
_SCHEME: Final = re.compile(r"\b(bearer|digest)(\s{1,3})([A-Za-z0-9._~+/=-]{8,}|\w+=.*)", re.IGNORECASE)
_BASIC: Final = re.compile(r"\b(basic)(\s{1,3})([A-Za-z0-9+/]{4,}={0,2})", re.IGNORECASE)
_URL: Final = re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]{0,20}://)([^\s\"'<>]+)")
_QUERY: Final = re.compile(r"([?&;][^=&#\s]{1,80}=)([^&#\s]+)")
_LOGIN: Final = re.compile(r"(?<![\w.+@/:-])[\w.+-]{1,64}:[^\s\"'@/]{1,128}@(?=[\w\[])")
_TOKEN: Final = re.compile(r"\bwm_[A-Za-z0-9_-]{8,}")
_JWT: Final = re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?")
_CODE: Final = re.compile(r"(?<![\w-])[0-9A-HJKMNP-TV-Z]{5}(?:-[0-9A-HJKMNP-TV-Z]{5}){2,3}(?![\w-])", re.IGNORECASE)
"""Claim codes and the passwords that an admin gives out: see `accounts.claim_code`."""
_RUN: Final = re.compile(r"(?<![A-Za-z0-9_+/=-])[A-Za-z0-9_-]{40,}(?![A-Za-z0-9+/])")
_SWITCHES_MIN: Final = 10
"""How often neighbours in 40 random letters and digits are of different sorts at the least (27 times as a rule); in names seldom."""
_BEGIN: Final = re.compile(r"-{3,5} ?BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?")
_END: Final = re.compile(r"-{3,5} ?END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-{0,5}")
_KEY_LINE: Final = re.compile(r"[\s\"'#>|]*(?:[A-Za-z0-9+/=\\]*|[A-Za-z-]{3,20}: .*)[\s\"',]*")
_KEY_HEAD: Final = re.compile(r"[\s\"'#>|]*[A-Za-z0-9+/=]{6,}")
"""Of a private key: base64, or a header such as `Proc-Type: 4,ENCRYPTED`; a text that was cut may lack the end of it."""


class Redactor:
    """`text` and `plain` return what may be shown; `count` is how much was taken out since it was made."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        """`known`: secret values themselves; shorter ones than KNOWN_CHARS_MIN would take out half the words."""
        self._known = sorted({each for each in known if len(each) >= KNOWN_CHARS_MIN}, key=len, reverse=True)
        self.count = 0

    def text(self, text: str) -> str:
        """Return a text of any number of lines without its secrets. Line ends stay."""
        lines, in_key = [], False
        for line in text.splitlines(keepends=True):
            shown, in_key = self._line(line, in_key=in_key)
            lines.append(shown)
        return "".join(lines)

    def plain(self, value: Any, depth: int = 0) -> Any:
        """Return plain data without secrets: what stands under a secret's name, and what is one by its shape."""
        if depth > DEPTH_MAX:
            return MARK
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self._under(str(name), each, depth) for name, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.plain(each, depth + 1) for each in value]
        return value if value is None or isinstance(value, bool | int | float) else self.text(str(value))

    def _under(self, name: str, value: Any, depth: int) -> Any:
        if value not in (None, "", False, True) and is_secret_name(name):
            self.count += 1
            return MARK
        return self.plain(value, depth + 1)

    def _line(self, line: str, *, in_key: bool) -> tuple[str, bool]:
        """Return a line as it may be shown, and whether a private key goes on after it."""
        body = line.rstrip("\r\n")
        end = line[len(body) :]
        if in_key:
            if found := _END.search(body):
                return self._shown(body[found.end() :]) + end, False
            if _KEY_LINE.fullmatch(body):
                return end, True
            if found := _KEY_HEAD.match(body):  # its last line, with something else behind it
                return self._shown(self._mark() + body[found.end() :]) + end, False
        for known in self._known:
            if known in body:
                body = body.replace(known, self._mark())
        if found := _BEGIN.search(body):
            before, rest = body[: found.start()], body[found.end() :]
            last = _END.search(rest)
            after = rest[last.end() :] if last else ""
            return self._shown(before) + self._mark() + self._shown(after) + end, last is None
        return self._shown(body) + end, False

    def _shown(self, text: str) -> str:
        if len(text) < KNOWN_CHARS_MIN:
            return text
        text = _URL.sub(self._url, text)
        text = _HEADER.sub(lambda m: m[1] + m[2] + self._mark(), text)
        text = _PAIR.sub(self._pair, text)
        text = _SCHEME.sub(lambda m: m[1] + m[2] + self._mark(), text)
        text = _LOGIN.sub(lambda _: self._mark() + "@", text)
        for shape in (_TOKEN, _JWT, _CODE):  # whole, before `basic` takes the beginning of one
            text = shape.sub(lambda _: self._mark(), text)
        text = _BASIC.sub(self._basic, text)
        return _RUN.sub(lambda m: self._mark() if _looks_random(m[0]) else m[0], text)

    def _pair(self, found: re.Match[str]) -> str:
        name, suffix, escape, value = found[1], found[2], found[3], found[4]
        if _FILE.search(suffix) or value.strip("\"'") in {"", MARK, "[redacted", "true", "false", "null", "None"}:
            return found[0]
        quote = value[0] if value[0] in "\"'" else ""
        return f"{name}{escape}{quote}{self._mark()}{quote}"

    def _url(self, found: re.Match[str]) -> str:
        scheme, rest = found[1], found[2]
        place, mark, query = rest.partition("?")
        if "@" in place:
            place = f"{self._mark()}@{place.rpartition('@')[2]}"
        return scheme + place + _QUERY.sub(lambda m: m[1] + self._mark(), mark + query)

    def _basic(self, found: re.Match[str]) -> str:
        try:
            decoded = base64.b64decode(found[3] + "=" * (-len(found[3]) % 4), validate=True)
        except binascii.Error:
            return found[0]
        return found[1] + found[2] + self._mark() if b":" in decoded else found[0]

    def _mark(self) -> str:
        self.count += 1
        return MARK


def is_secret_name(name: str) -> bool:
    """Tell whether what stands under a name is a secret; the path of a file with one is none."""
    found = _NAMED.search(name)
    return found is not None and not _FILE.search(name)


def _looks_random(text: str) -> bool:
    """Tell random base64url from hexadecimal digits and from names."""
    sorts = ["d" if char.isdigit() else "u" if char.isupper() else "l" if char.islower() else "" for char in text]
    if "u" not in sorts or "l" not in sorts:
        return False
    return sum(1 for a, b in itertools.pairwise(sorts) if a and b and a != b) >= _SWITCHES_MIN
