"""A policy: which log, which witnesses, and how many of them a reader wants to have seen a checkpoint.

Room: ground, pure. Whoever verifies brings one; the gateway records the hash of its own in the genesis entry. A policy is
the only source of trust here: no key in a proof or a ledger counts unless a line of this text names it. Source: C2SP
tlog-policy, and two lines of ours (docs/ledger-format.md section 11): `operator` and `max-anchor-gap`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal

from ledger_client.errors import FormatError
from ledger_client.note import SIG_COSIGNATURE, SIG_ECDSA, SIG_ED25519, NoteKey, parse_vkey

POLICY_SIZE_MAX: Final = 256 << 10
LINES_MAX: Final = 1_024
SELF: Final = "self"
"""The operator name that stands for the audited party."""
ANCHOR_GAP_DEFAULT_S: Final = 86_400
"""How far behind the last confirmation a ledger may run where the policy does not say."""

Independence = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Group:
    """At least `threshold` of the `members` (names of witnesses or of earlier groups) must have cosigned."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed policy. `witnesses` is by name, `operators` tells who runs a witness, `quorum` None means that none is asked for."""

    logs: tuple[NoteKey, ...]
    witnesses: Mapping[str, NoteKey]
    groups: Mapping[str, Group]
    quorum: str | None
    operators: Mapping[str, str]
    max_anchor_gap_s: int
    hash: bytes

    def log_keys(self, origin: str) -> list[NoteKey]:
        """Return the keys of the log lines for this origin."""
        return [key for key in self.logs if key.name == origin]

    def name_of(self, key: NoteKey) -> str:
        """Return the policy's name of a witness key. Raises KeyError for another's."""
        for name, known in self.witnesses.items():
            if known is key:
                return name
        raise KeyError(key.name)

    def quorum_time_s(self, cosigned: Mapping[str, int]) -> int | None:
        """Return the moment (s) at which these cosignatures, time by witness name, completed the quorum; None when they do not.

        The time of a group with threshold k is the k-th earliest of its members' times.
        """
        if self.quorum is None:
            return None
        return self._time_s(self.quorum, cosigned)

    def independence(self, cosigners: Iterable[str]) -> Independence:
        """Tell whether anybody but the audited party is among these witnesses; `unknown` where no operator line says so."""
        operators = [self.operators.get(name) for name in cosigners]
        if any(operator not in (None, SELF) for operator in operators):
            return "yes"
        return "no" if all(operator == SELF for operator in operators) else "unknown"

    def _time_s(self, name: str, cosigned: Mapping[str, int]) -> int | None:
        group = self.groups.get(name)
        if group is None:
            return cosigned.get(name)
        times = [time_s for member in group.members if (time_s := self._time_s(member, cosigned)) is not None]
        return sorted(times)[group.threshold - 1] if len(times) >= group.threshold else None


def parse_policy(data: bytes) -> Policy:
    """Read a policy's bytes. Raises FormatError: `policy_invalid` (line from 1, reason); `policy_faulty` where no line is to blame."""
    if len(data) > POLICY_SIZE_MAX:
        raise FormatError("policy_too_long", size=len(data), size_max=POLICY_SIZE_MAX)
    if any((byte < 0x20 and byte not in b"\t\n") or byte == 0x7F for byte in data):
        raise FormatError("policy_faulty", reason="control characters")
    # Names are opaque octets (C2SP); surrogateescape keeps those that are not UTF-8 apart from all others.
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    if len(lines) > LINES_MAX:
        raise FormatError("policy_faulty", reason="too many lines")
    reader = _Reader()
    for number, line in enumerate(lines, 1):
        words = line.replace("\t", " ").split(" ")
        words = [word for word in words if word]
        if words and not words[0].startswith("#"):
            try:
                reader.line(words)
            except FormatError as error:
                raise FormatError("policy_invalid", line=number, reason=str(error.params.get("reason", error.code))) from error
    return reader.policy(sha256(data).digest())


class _Reader:
    """Takes the lines in their order, so that every name is defined before it is used."""

    def __init__(self) -> None:
        self._logs: list[NoteKey] = []
        self._witnesses: dict[str, NoteKey] = {}
        self._groups: dict[str, Group] = {}
        self._used: set[str] = set()
        self._operators: dict[str, str] = {}
        self._quorum: list[str] = []
        self._gap_s: list[int] = []
        self._verbs: dict[str, Callable[[Sequence[str]], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum_line,
            "operator": self._operator,
            "max-anchor-gap": self._gap,
        }

    def line(self, words: Sequence[str]) -> None:
        verb = self._verbs.get(words[0])
        if verb is None:
            raise _wrong(f"unknown line {words[0]!r}")
        verb(words[1:])

    def policy(self, digest: bytes) -> Policy:
        if len(self._quorum) != 1:
            raise FormatError("policy_faulty", reason="exactly one quorum line is needed")
        quorum = None if self._quorum[0] == "none" else self._quorum[0]
        gap_s = self._gap_s[0] if self._gap_s else ANCHOR_GAP_DEFAULT_S
        return Policy(tuple(self._logs), self._witnesses, self._groups, quorum, self._operators, gap_s, digest)

    def _log(self, words: Sequence[str]) -> None:
        _count(words, 1, 2)
        key = _key(words[0], (SIG_ED25519, SIG_ECDSA))
        if any(key.key == known.key for known in self._logs):
            raise _wrong("a log key stands twice")
        self._logs.append(key)

    def _witness(self, words: Sequence[str]) -> None:
        _count(words, 2, 3)
        self._new_name(words[0])
        key = _key(words[1], (SIG_COSIGNATURE,))
        if any(key.key == known.key for known in self._witnesses.values()):
            raise _wrong("a witness key stands twice")
        self._witnesses[words[0]] = key

    def _group(self, words: Sequence[str]) -> None:
        _count(words, 3, 1_000)
        name, asked, *members = words
        self._new_name(name)
        for member in members:
            self._known(member)
            if member in self._used:
                raise _wrong(f"{member!r} is a member twice")
            self._used.add(member)
        threshold = {"any": 1, "all": len(members)}.get(asked) or _number(asked)
        if not 1 <= threshold <= len(members):
            raise _wrong("a threshold outside the members")
        self._groups[name] = Group(threshold, tuple(members))

    def _quorum_line(self, words: Sequence[str]) -> None:
        _count(words, 1, 1)
        if words[0] != "none":
            self._known(words[0])
        self._quorum.append(words[0])

    def _operator(self, words: Sequence[str]) -> None:
        _count(words, 2, 1_000)
        for name in words[1:]:
            if name not in self._witnesses:
                raise _wrong(f"no witness {name!r} before this line")
            if name in self._operators:
                raise _wrong(f"two operators of {name!r}")
            self._operators[name] = words[0]

    def _gap(self, words: Sequence[str]) -> None:
        _count(words, 1, 1)
        if self._gap_s:
            raise _wrong("max-anchor-gap stands twice")
        self._gap_s.append(_number(words[0]))

    def _new_name(self, name: str) -> None:
        if name == "none" or name in self._witnesses or name in self._groups:
            raise _wrong(f"the name {name!r} is taken")

    def _known(self, name: str) -> None:
        if name not in self._witnesses and name not in self._groups:
            raise _wrong(f"no witness or group {name!r} before this line")


def _key(text: str, types: Sequence[int]) -> NoteKey:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _wrong("a key name that is not UTF-8") from error
    try:
        key = parse_vkey(text)
    except FormatError as error:
        raise _wrong(f"not a verifier key: {text[:40]!r}") from error
    if key.type not in types:
        raise _wrong("a key of the wrong type for this line")
    return key


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9) or text[0] == "0":
        raise _wrong(f"not a number from 1: {text[:20]!r}")
    return int(text)


def _count(words: Sequence[str], least: int, most: int) -> None:
    if not least <= len(words) <= most:
        raise _wrong("too few or too many words")


def _wrong(reason: str) -> FormatError:
    return FormatError("policy_invalid", reason=reason)
