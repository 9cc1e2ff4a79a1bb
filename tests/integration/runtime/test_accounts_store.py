"""The accounts' file of a process that is killed while it writes: all that was acknowledged is there, and nothing is half there."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from runtime.accounts.people import Person
from runtime.accounts.store import Store, StoreFaultError
from runtime.permissions import Role
from tests.rigs.gateway import ROOT

pytestmark = pytest.mark.integration

KILLS = 60 if os.environ.get("WITNESSMARK_TEST_SIZE") == "full" else 6
WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from runtime.accounts.people import Person
from runtime.accounts.store import Store
from runtime.permissions import Role
store = Store(Path(sys.argv[1]))
people = {person.name: person for person in store.open().people}
step = max((person.made_ms for person in people.values()), default=0)
print("open", flush=True)
while True:
    step += 1
    name = f"p{step % 7}"
    roles = frozenset({Role.ADMIN} if step % 2 else {Role.VIEWER, Role.ENGINEER})
    store.put_person(Person(name, roles, "hash" * 500 + str(step), enabled=bool(step % 3), made_ms=step))
    print(step, flush=True)
"""


def test_a_killed_writer_leaves_what_it_acknowledged_and_nothing_by_halves(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path, random = tmp_path / "accounts.sqlite", Random(int(os.environ.get("WITNESSMARK_SEED", "7")))
    acknowledged = 0
    for _ in range(KILLS):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "open\n"
            for _ in range(random.randint(1, 60)):
                acknowledged = int(writer.stdout.readline())
            writer.kill()
            rest = writer.stdout.read().split("\n")[:-1]
            acknowledged = max([acknowledged, *map(int, rest)])
        store = Store(path)
        people = store.open().people
        store.close()
        steps = {person.made_ms for person in people}
        assert max(steps) in {acknowledged, acknowledged + 1}, "what it was about to say may be there too"
        for person in people:
            step = person.made_ms
            assert person.name == f"p{step % 7}"
            assert person.password.endswith("hash" + str(step))
            assert person.enabled == bool(step % 3)
            assert step > max(steps) - 7, "each is the newest of its name"


PERSON = Person("Ada", frozenset({Role.ADMIN}), "$hash")


def test_a_file_that_cannot_be_read_is_said_and_set_aside_by_hand_only(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite"
    store = Store(path)
    store.open()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert store.claim(PERSON)
    assert not store.claim(replace(PERSON, name="Eve")), "one owner"
    store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:3_000] + os.urandom(3_000) + whole[6_000:])
    with pytest.raises(StoreFaultError):
        Store(path).open()
    assert path.exists(), "it is not replaced by itself"
    damaged = Store(path)
    damaged.set_aside()
    assert damaged.open().people == ()
    damaged.close()
    assert (tmp_path / "accounts.sqlite.damaged").exists()


def test_a_file_of_a_later_version_is_refused_and_a_link_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite"
    store = Store(path)
    store.open()
    store.close()
    later = sqlite3.connect(path)
    later.execute("PRAGMA user_version = 99")
    later.close()
    with pytest.raises(StoreFaultError):
        Store(path).open()
    link = tmp_path / "link.sqlite"
    link.symlink_to(path)
    with pytest.raises(StoreFaultError):
        Store(link).open()


def test_a_change_that_fails_leaves_all_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "accounts.sqlite"
    store = Store(path)
    store.open()
    store.put_person(PERSON)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreFaultError):
        store.put_person(replace(PERSON, enabled=False))
    other.execute("ROLLBACK")
    other.close()
    store.put_person(replace(PERSON, name="Bo"))
    store.close()
    again = Store(path)
    assert {person.name: person.enabled for person in again.open().people} == {"Ada": True, "Bo": True}
    again.close()
