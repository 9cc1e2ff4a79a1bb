"""Sessions against a model of them, over random histories; names, passwords and delays against what they must never let through."""

from __future__ import annotations

import os
import unicodedata
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from runtime.accounts.attempts import DELAY_S_MAX, PLACES_MAX, Attempts, place_of
from runtime.accounts.claim_code import make_code, same_code
from runtime.accounts.people import checked_name, checked_password, folded
from runtime.accounts.sessions import SESSIONS_PER_PERSON, TOKEN_BYTES, Sessions, is_over
from runtime.faces.feed import RequestRefusedError

EXAMPLES = {"fast": 8, "run": 40, "full": 400}[os.environ.get("WITNESSMARK_TEST_SIZE", "fast")]

IDLE_MS, LONGEST_MS = 1_000, 5_000
NAMES = st.sampled_from(["ada", "bo", "cy"])


class History(RuleBasedStateMachine):
    """`model` says of each token whose it is, when it began and when it was used last."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions, self.random, self.now_ms = Sessions(), Random(1), 0
        self.model: dict[str, tuple[str, str, int, int]] = {}
        self.ever: list[str] = []

    @rule(name=NAMES)
    def log_in(self, name: str) -> None:
        token, session = self.sessions.open(self.random.randbytes(TOKEN_BYTES + 24), name, "s", self.now_ms, 0)
        own = sorted((seen, key) for key, (whose, _, _, seen) in self.model.items() if whose == name)
        if len(own) >= SESSIONS_PER_PERSON:
            seen = {key: self.sessions.by_token(key) for _, key in own}
            gone = [key for key, found in seen.items() if found is None]
            assert len(gone) == 1
            assert self.model[gone[0]][3] == own[0][0], "the least used one makes room"
            del self.model[gone[0]]
        self.model[token] = (name, session.id, self.now_ms, self.now_ms)
        self.ever.append(token)

    @rule(at=st.integers(0, 50))
    def use(self, at: int) -> None:
        if self.ever:
            token = self.ever[at % len(self.ever)]
            found = self.sessions.by_token(token)
            if found is not None and is_over(found, self.now_ms, IDLE_MS, LONGEST_MS):
                assert self.sessions.end(found.id)
                found = None
            assert (found is not None) == (token in self._alive())
            if found is None:
                self.model.pop(token, None)
            else:
                found.seen_ms = self.now_ms
                name, session, since, _ = self.model[token]
                self.model[token] = (name, session, since, self.now_ms)

    @rule(at=st.integers(0, 50))
    def log_out(self, at: int) -> None:
        if self.model:
            token = sorted(self.model)[at % len(self.model)]
            assert self.sessions.end(self.model.pop(token)[1])

    @rule(name=NAMES, keep=st.booleans())
    def change_password(self, name: str, keep: bool) -> None:
        own = [token for token, row in sorted(self.model.items()) if row[0] == name]
        kept = own[0] if own and keep else None
        ended = self.sessions.end_of(name, but=self.model[kept][1] if kept else "")
        assert ended == len(own) - (kept is not None)
        self.model = {token: row for token, row in self.model.items() if row[0] != name or token == kept}

    @rule(passed_ms=st.integers(1, 1_500))
    def wait(self, passed_ms: int) -> None:
        self.now_ms += passed_ms

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        assert {each.id for each in self.sessions} == {row[1] for row in self.model.values()}

    def _alive(self) -> set[str]:
        return {
            token for token, (_, _, since, seen) in self.model.items() if self.now_ms - seen < IDLE_MS and self.now_ms - since < LONGEST_MS
        }


History.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None)
TestHistory = History.TestCase


@settings(max_examples=300, deadline=None)
@given(raw=st.text(max_size=70))
def test_a_name_that_is_let_through_can_neither_hide_nor_pretend(raw: str) -> None:
    try:
        name = checked_name(raw)
    except RequestRefusedError:
        return
    assert not [char for char in name if unicodedata.category(char)[0] in "CZ" and char != " "]
    assert not set(name) & set('<>&"`$;|(){}[]\\/=,\n\r\t\u202e')
    assert name[0] not in "=+-@ '", "no cell of a spreadsheet begins so"
    assert checked_name(name) == name
    assert folded(name.upper()) == folded(folded(name)) or folded(name.upper()) != ""
    assert folded(folded(name)) == folded(name)


@pytest.mark.parametrize("name", ["Ada", "王小明", "José Ñandú", "O'Neil", "Ана Петровна", "b.lee@plant-7", "Jean-Luc", "Zoë 2"])
def test_names_of_people_are_let_through(name: str) -> None:
    assert checked_name(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    "password",
    ["short", "aaaaaaaaaaaaaaa", "123456789012", "210987654321", "abcdefghijklmnop", "passwordpassword", "Password12345!", "!!!welcome1234",
     "adminadminadmin", "witnessmark2026", "Operator 1 1 1 1", "line operator 7", 5, None, "x" * 257],
)  # fmt: skip
def test_passwords_that_anybody_tries_first_are_refused(password: object) -> None:
    with pytest.raises(RequestRefusedError) as refused:
        checked_password(password, "line operator")
    assert str(password) not in str(refused.value.params), "what was typed is in no error"


@pytest.mark.parametrize("password", ["correct horse battery", "长城外古道边芳草碧连天一", "nine%Tulips:left", "  spaces at  both ends "])
def test_passwords_of_people_are_let_through(password: str) -> None:
    assert checked_password(password, "Ada") == unicodedata.normalize("NFC", password)


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["10.0.0.1", "10.0.0.2", "fe80::1%eth0"]), st.integers(0, 400_000)))
)
def test_no_wait_is_longer_than_five_minutes_whatever_was_tried(steps: list[tuple[str, str, int]]) -> None:
    attempts, now_ms = Attempts(), 0
    for account, source, passed_ms in steps:
        now_ms += passed_ms
        before = attempts.wait_ms(account, source, now_ms)
        attempts.failed(account, source, now_ms)
        assert 0 <= before <= DELAY_S_MAX * 1_000
        assert 0 <= attempts.wait_ms(account, source, now_ms) <= DELAY_S_MAX * 1_000
        assert attempts.wait_ms(account, source, now_ms + DELAY_S_MAX * 1_000) == 0, "never a lock-out"


def test_what_is_remembered_of_attackers_is_bounded_and_a_v6_network_is_one_place() -> None:
    attempts = Attempts()
    for number in range(PLACES_MAX + 500):
        attempts.failed("ada", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0)
    assert len(attempts._counts) <= PLACES_MAX
    assert place_of("2001:db8:1:2::3") == place_of("2001:db8:1:2:ffff::9") != place_of("2001:db8:1:3::3")
    assert place_of("::ffff:10.0.0.1") == place_of("10.0.0.1")
    assert place_of("not an address" * 20) == ("not an address" * 20)[:64]


@settings(max_examples=200, deadline=None)
@given(secret=st.binary(min_size=13, max_size=13), other=st.binary(min_size=13, max_size=13))
def test_a_claim_code_is_read_as_people_write_it_and_no_other_is(secret: bytes, other: bytes) -> None:
    code = make_code(secret)
    assert same_code(code.lower().replace("0", "o").replace("1", "l").replace("-", "  "), code)
    assert not same_code(code[:-1], code)
    if make_code(other) != code:
        assert not same_code(make_code(other), code)
