"""What a directory's word means here, as far as it needs no directory: names, roles, shapes, and who is away at a provider."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.accounts.directory import AWAY, LDAP, OIDC, DirectoryError, Vouched, read_vouched, roles_of, shown
from runtime.accounts.directory_desk import name_here, without_suffix
from runtime.accounts.oidc_pending import PENDING_MAX, PENDING_PER_PLACE, RANDOM_BYTES, WAIT_MS, PendingSignIns, address
from runtime.accounts.people import Person, checked_name, directory_of, folded, keeps_an_admin
from runtime.accounts.store import MIGRATIONS, Store
from runtime.faces.feed import RequestRefusedError
from runtime.permissions import ACTIONS, Actor, Role

WORD = {"name": "a", "subject": "b", "groups": [], "auth_s": None}
ENDPOINTS = {"authorization_endpoint": "https://login.example/auth?realm=a", "token_endpoint": "", "jwks_uri": ""}


def vouched(name: str, directory: str = LDAP) -> Vouched:
    return Vouched(directory, name, "an id", ())


@given(st.text(max_size=70))
def test_no_local_name_is_one_of_a_directory_and_no_directory_makes_a_local_one(text: str) -> None:
    try:
        local = folded(checked_name(text))
    except RequestRefusedError:
        return
    assert directory_of(local) == ""
    for directory in (LDAP, OIDC):
        try:
            theirs = name_here(vouched(text, directory))
        except RequestRefusedError:
            continue
        assert directory_of(theirs) == directory
        assert folded(theirs) != local
        assert without_suffix(theirs, directory) == checked_name(text)


@pytest.mark.parametrize(
    "name", ["anna@ldap", "Anna@LDAP", "anna@oidc", "anna@Idap", "anna@1dap", "anna@0idc", "anna @ldap", "anna@o1dc", "a@ L dap"]
)
def test_names_that_read_like_a_directorys_are_nobodys(name: str) -> None:
    with pytest.raises(RequestRefusedError):
        checked_name(name)


@pytest.mark.parametrize("name", ["anna@works.example", "ldap", "oidc", "anna+ldap", "Lida"])
def test_names_that_only_mention_one_are_anybodys(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", " anna", "an\u202ena", "аnna", "a\nb", "x" * 60, "gateway", "<b>", "anna@ldap"])
def test_a_directory_gives_nobody_a_name_that_could_hide_or_pretend(name: str) -> None:
    with pytest.raises(RequestRefusedError):
        name_here(vouched(name))


def test_roles_are_those_of_the_groups_that_the_configuration_names() -> None:
    wanted = {"viewer": ("a", "b"), "engineer": ("b",), "admin": ()}
    assert roles_of(["b", "zz"], wanted) == {"viewer", "engineer"}
    assert roles_of(["admin", "engineer"], wanted) == frozenset()
    assert roles_of([], wanted) == frozenset()


@pytest.mark.parametrize(
    "said",
    [
        {}, None, [], {**WORD, "subject": ""}, {**WORD, "groups": [1]}, {**WORD, "name": 1}, {**WORD, "subject": "b" * 300},
        {**WORD, "auth_s": True}, {**WORD, "auth_s": 1.5},
    ],
)  # fmt: skip
def test_a_child_that_says_anything_else_has_said_nothing(said: Any) -> None:
    with pytest.raises(DirectoryError) as caught:
        read_vouched(LDAP, said)
    assert caught.value.code == AWAY
    whole = Vouched(OIDC, "a", "b", ("c",), 7)
    assert read_vouched(OIDC, whole.plain()) == whole


def test_what_a_server_says_is_one_short_line_in_a_log() -> None:
    assert shown("a\nb\x1b[31m" + "c" * 500) == "a b [31m" + "c" * (200 - 8)


def test_an_admin_by_a_directorys_word_is_none_to_rely_on() -> None:
    own, theirs = Person("Ada", frozenset({Role.ADMIN}), "hash"), Person("eva@ldap", frozenset({Role.ADMIN}), "", directory=LDAP)
    assert not keeps_an_admin([own, theirs], Person("Ada", frozenset({Role.VIEWER}), "hash"))
    assert keeps_an_admin([own, theirs], theirs)


def test_whoever_vouches_may_do_nothing_else_and_nobody_else_may_vouch() -> None:
    directory = Actor("", frozenset(Role), "ldap from x", fresh=True, kind="directory")
    assert {action for action in ACTIONS if directory.may(action)} == {"account.vouched"}
    for kind in ("person", "local", "claim", "token", "nobody"):
        other = Actor("x", frozenset(Role), "s", fresh=True, kind=kind, scope=frozenset(ACTIONS))
        assert not other.may("account.vouched")


def begin(pending: PendingSignIns, number: int, source: str = "10.0.0.1", now_ms: int = 0) -> tuple[str, str]:
    random = number.to_bytes(4, "big") * RANDOM_BYTES
    state, binding, _ = pending.begin(random, source, "/", "", now_ms, 0, ENDPOINTS)
    return state, binding


def test_a_way_back_is_good_once_for_one_browser_and_for_ten_minutes() -> None:
    pending = PendingSignIns()
    (mine, my_binding), (theirs, their_binding) = begin(pending, 1), begin(pending, 2)
    assert pending.take(mine, their_binding, 1) is None
    assert pending.take(mine, "", 1) is None
    assert pending.take("another", my_binding, 1) is None
    assert pending.take(mine, my_binding, 1) is not None, "what others tried has not spent it"
    assert pending.take(mine, my_binding, 1) is None
    assert pending.take(theirs, their_binding, WAIT_MS) is None


def test_who_begins_without_end_pushes_out_their_own() -> None:
    pending = PendingSignIns()
    first = begin(pending, 1, "10.0.0.9")
    for number in range(2, 200):
        begin(pending, number, "10.6.6.6")
    assert pending.take(*first, 1) is not None
    flood = [begin(pending, number, f"10.7.{number}.1") for number in range(300, 300 + 2 * PENDING_MAX)]
    assert sum(pending.take(*each, 1) is not None for each in flood) == PENDING_MAX
    same = [begin(pending, number, "10.8.0.1") for number in range(600, 640)]
    assert sum(pending.take(*each, 1) is not None for each in same) == PENDING_PER_PLACE


def test_the_address_asks_for_a_code_with_its_proof_and_anew_where_somebody_is_to_prove_themselves() -> None:
    for session, more in (("", {}), ("3f2a90c1", {"prompt": "login", "max_age": "0"})):
        state, _, made = PendingSignIns().begin(bytes(range(4 * RANDOM_BYTES)), "", "/", session, 0, 0, ENDPOINTS)
        url = address(made, state, "us & them", "https://press.example/login/sso/back", ["openid", "groups"])
        asked = dict(parse_qsl(urlsplit(url).query))
        assert url.startswith("https://login.example/auth?realm=a&")
        assert (asked["client_id"], asked["scope"], asked["state"], asked["nonce"]) == ("us & them", "openid groups", state, made.nonce)
        assert asked["code_challenge_method"] == "S256"
        assert made.verifier not in url
        assert {name: asked[name] for name in ("prompt", "max_age") if name in asked} == more
        assert len({state, made.nonce, made.verifier}) == 3


def test_a_store_of_the_release_before_gets_what_is_new_and_keeps_everybody(tmp_path: Any) -> None:
    import sqlite3

    path = tmp_path / "accounts.sqlite"
    with sqlite3.connect(path) as old:
        for statement in filter(str.strip, MIGRATIONS[0].split(";")):
            old.execute(statement)
        old.execute("INSERT INTO people VALUES ('ada', 'Ada', 'admin', 'hash', 1, 0, 'en', 'UTC', NULL, 7, NULL)")
        old.execute("PRAGMA user_version = 1")
    old.close()
    store = Store(path)
    ada = Person("Ada", frozenset({Role.ADMIN}), "hash", lang="en", zone="UTC", made_ms=7)
    assert store.open().people == (ada,)
    eva = Person("eva@ldap", frozenset({Role.VIEWER}), "", directory=LDAP, subject="an id")
    store.put_person(eva)
    store.close()
    assert set(Store(path).open().people) == {ada, eva}
