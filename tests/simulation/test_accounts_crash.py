"""Power cuts while accounts are written: at every write, flush and deletion that SQLite asks for, with what was not flushed there or not.

The real store on the real SQLite, on the simulated disk of `sqlite_disk`. One test cuts a whole core: ledger, door, claim code and accounts
lose power at one moment, and must tell one story afterwards. Decision 0019.
"""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from ledger_client.kinds import Kind
from runtime.accounts.book import AccountBook
from runtime.accounts.people import ApiToken, Person, folded
from runtime.accounts.store import Store, StoreFaultError
from runtime.permissions import Role
from tests.rigs.core import Plant, payloads, prepare, running, two_devices, verified
from tests.rigs.people import PASSWORD, People
from tests.simulation.disk import Crash, ShimDisk
from tests.simulation.loop import VirtualClock, run
from tests.simulation.sqlite_disk import SqliteDisk

PRIVATE = Path("/state/private")
FILE = "accounts.sqlite"
LONG = "long enough to need pages of its own " * 300


@dataclass(frozen=True)
class Kept:
    """What somebody who has asked for it and was answered may rely on."""

    people: frozenset[Person] = frozenset()
    tokens: frozenset[ApiToken] = frozenset()
    policy: frozenset[tuple[str, str]] = frozenset()

    def put(self, person: Person) -> Kept:
        return replace(self, people=frozenset({each for each in self.people if folded(each.name) != folded(person.name)} | {person}))


Step = tuple[Callable[[Store], object], Kept]


def life() -> Iterator[Step]:
    """Yield changes of every kind, each with all that is to be there after it."""
    ada = Person("Ada", frozenset({Role.ADMIN}), "$hash", made_ms=1)
    yield lambda store: store.claim(ada), (kept := Kept(frozenset({ada})))
    for number in range(12):
        person = Person(f"P{number}", frozenset({Role.VIEWER}), f"$hash{number}" + LONG * (number % 3 == 0), made_ms=number)
        yield lambda store, person=person: store.put_person(person), (kept := kept.put(person))
    changes: list[dict[str, object]] = [
        {"password": "$another"}, {"enabled": False}, {"roles": frozenset({Role.ENGINEER, Role.TECHNICIAN})}, {"enabled": True},
        {"must_change": True, "password": "$" + LONG}, {"lang": "zh", "zone": "Asia/Shanghai"}, {"key": "ab" * 40},
    ]  # fmt: skip
    for number, change in enumerate(changes):
        name = f"P{number}"
        person = replace(next(each for each in kept.people if each.name == name), **change)  # type: ignore[arg-type]
        yield lambda store, person=person: store.put_person(person), (kept := kept.put(person))
    renewed = replace(next(each for each in kept.people if each.name == "P9"), password="$better")
    yield lambda store: store.renew_password("P9", "$hash9" + LONG, "$better"), (kept := kept.put(renewed))
    seen = replace(ada, login_ms=77)
    yield lambda store: store.note_login("Ada", 77), (kept := kept.put(seen))
    for number in range(3):
        token = ApiToken(f"id{number}", "meter", bytes([number]) * 32, frozenset({"view.values"}), "Ada", 5, 9)
        yield lambda store, token=token: store.put_token(token), (kept := replace(kept, tokens=kept.tokens | {token}))
    for number in (1, 0):
        left = frozenset(each for each in kept.tokens if each.id != f"id{number}")
        yield lambda store, number=number: store.drop_token(f"id{number}"), (kept := replace(kept, tokens=left))
    for value in ("yes", "no"):
        yield (
            lambda store, value=value: store.put_policy("self_approval", value),
            (kept := replace(kept, policy=frozenset({("self_approval", value)}))),
        )


@dataclass
class Lived:
    """A life: the disk, and (position of its log when it was acknowledged, what was there then)."""

    disk: ShimDisk
    first: int
    said: list[tuple[int, Kept]]

    def possible(self, position: int) -> list[Kept]:
        """What a power cut there may leave: all that was acknowledged, and of the change under way nothing or all."""
        done = sum(1 for at, _ in self.said if at <= position)
        return [kept for _, kept in self.said[max(0, done - 1) : done + 1]] if done else [Kept(), Kept()]


def new_disk() -> ShimDisk:
    disk = ShimDisk()
    disk.mkdir(PRIVATE)
    for folder in (*reversed(PRIVATE.parents), PRIVATE):
        disk.sync_folder(folder)
    return disk


def lived(folder: Path) -> Lived:
    disk = new_disk()
    found = Lived(disk, disk.position, [])
    with SqliteDisk(disk, folder, PRIVATE) as place:
        store = Store(place / FILE)
        store.open()
        found.said.append((disk.position, Kept()))
        for change, kept in life():
            change(store)
            found.said.append((disk.position, kept))
        store.close()
    return found


def opened(disk: ShimDisk, folder: Path) -> Kept:
    """Open what a power cut left as the next start does, on the simulated disk."""
    shutil.rmtree(folder, ignore_errors=True)
    with SqliteDisk(disk, folder, PRIVATE) as place:
        store = Store(place / FILE)
        stored = store.open()
        store.close()
    return Kept(frozenset(stored.people), frozenset(stored.tokens), frozenset(stored.policy.items()))


def judge(found: Lived, crash: Crash, folder: Path, *, again: bool) -> None:
    """Raise AssertionError for anything that was acknowledged and is not so; `again`: power fails during the recovery too."""
    possible = found.possible(crash.position)
    disk = ShimDisk.from_image(crash.image)
    kept = opened(disk, folder)
    assert kept in possible
    if again:
        second = disk.crash_state(crash.seed)
        assert opened(ShimDisk.from_image(second.image), folder) in possible, f"cut again at {second.position}"


def test_whenever_the_power_fails_accounts_open_and_nothing_acknowledged_is_lost_or_half_there(
    tmp_path: Path, seed: int, count: Callable[[int, int, int], int]
) -> None:
    found = lived(tmp_path / "life")
    assert len(found.said) == 30
    states = 0
    for crash in found.disk.every_state(seed=seed, each=count(1, 3, 60), first=found.first):
        states += 1
        try:
            judge(found, crash, tmp_path / "cut", again=Random(states).random() < 0.3)
        except BaseException:
            print(f"crash state: seed {crash.seed}, position {crash.position} of {found.disk.position}")
            raise
    assert states > 400


def test_a_disk_that_is_full_or_fails_refuses_the_change_and_keeps_the_rest(tmp_path: Path) -> None:
    for how in ("full", "write", "sync"):
        for nth in range(1, 12):
            disk, said = new_disk(), Kept()
            folder = tmp_path / f"{how}{nth}"
            with SqliteDisk(disk, folder, PRIVATE) as place:
                store = Store(place / FILE)
                store.open()
                refused = False
                for number, (change, kept) in enumerate(life()):
                    if number == 5:
                        used = sum(len(data) for data in disk.image().values() if data is not None)
                        disk.faults.capacity_bytes = used + 700 * nth if how == "full" else None
                        disk.faults.fail_write_at = nth if how == "write" else None
                        disk.faults.fail_sync_at = nth if how == "sync" else None
                    try:
                        change(store)
                    except StoreFaultError:
                        refused = True
                        break
                    said = kept
                disk.faults.capacity_bytes = disk.faults.fail_write_at = disk.faults.fail_sync_at = None
                store.close()
            assert refused, f"{how} {nth}"
            assert opened(ShimDisk.from_image(disk.image()), tmp_path / "again") == said, f"{how} {nth}"


# ---------------------------------------------------------------------------------------------------------- a whole core


def known(book: AccountBook) -> Kept:
    """What a core knows; when somebody logged in last is nobody's act, and may be lost."""
    people = frozenset(replace(person, login_ms=None) for person in book.people.values())
    return Kept(people, frozenset(book.tokens.values()), frozenset(book.policy.items()))


async def busy(clock: VirtualClock, folder: Path) -> Lived:
    """Have a core claimed and its accounts changed by acts; one entry of `said` for each act."""
    disk = ShimDisk()
    prepare(disk, two_devices(period_ms=1_000_000, tags=1))
    found = Lived(disk, disk.position, [])
    with SqliteDisk(disk, folder, PRIVATE) as place:
        async with running(disk, clock, Plant(clock), accounts=place / FILE) as now:
            people = People(now, disk)
            book = now.core.accounts._book

            async def said(act: Awaitable[dict[str, Any]]) -> dict[str, Any]:
                answer = await act
                assert answer.get("code", "done") == "done", answer
                found.said.append((disk.position, known(book)))
                return answer

            claimed = await said(
                people.ask("account.claim", code=people.code(), name="Ada", password=PASSWORD.format("Ada"), source="10.0.0.1")
            )
            admin = str(claimed["token"])
            for name in ("Bo", "Cy"):
                await said(people.act(admin, "account.create", name, roles="viewer", password="the first one " + name))
            bo = str((await people.ask("account.login", name="Bo", password="the first one Bo", source="10.0.0.2"))["token"])
            changed = {"old_password": "the first one Bo", "password": PASSWORD.format("Bo")}
            await said(people.act(bo, "account.password", "Bo", **changed))
            await said(people.act(admin, "account.roles", "Bo", roles="admin technician"))
            made = await said(people.act(admin, "token.create", "meter", actions="view.values", days=9))
            await said(people.act(admin, "policy.set", "self_approval", value=True))
            await said(people.act(admin, "account.disable", "Cy"))
            await said(people.act(admin, "token.revoke", str(made["params"]["token_id"])))
            await said(people.act(admin, "account.enable", "Cy"))
            await said(people.act(admin, "account.password", "Cy"))
            await said(people.act(admin, "account.language", "Ada", lang="zh", zone="Asia/Shanghai"))
    return found


async def restarted(clock: VirtualClock, disk: ShimDisk, folder: Path) -> tuple[Kept, str | None, dict[str, Any]]:
    """Start on what the power cut left; return what the core knows of accounts, the claim code, and whether Ada gets in."""
    clock.reboot()
    with SqliteDisk(disk, folder, PRIVATE) as place:
        async with running(disk, clock, Plant(clock), first_act=10_000, accounts=place / FILE) as now:
            people = People(now, disk)
            kept, code = known(now.core.accounts._book), people.code()
            return kept, code, await people.login("Ada")


def judge_core(found: Lived, crash: Crash, folder: Path) -> None:
    """Raise AssertionError where the ledger and the accounts tell two stories, or one that is not what was answered."""
    shutil.rmtree(folder, ignore_errors=True)
    disk = ShimDisk.from_image(crash.image)
    kept, code, login = run(lambda clock: restarted(clock, disk, folder), seed=1)
    acts: dict[bytes, list[str]] = {}
    for payload in payloads(disk):
        if payload.kind == Kind.COMMAND:
            acts.setdefault(payload.detail[0], []).append(payload.detail[2])
    outcomes = [told[1] for told in acts.values()]
    answered = sum(1 for at, _ in found.said if at <= crash.position)
    states = [Kept(), *(state for _, state in found.said)]
    assert outcomes[:answered] == ["done"] * answered
    assert len(outcomes) <= answered + 1
    begun = outcomes[answered:]
    possible = {(): states[answered : answered + 1], ("done",): states[answered + 1 :][:1]}.get(tuple(begun), states[answered:][:2])
    assert kept in possible, f"{answered} answered, then {begun}"
    assert (code is None) == bool(kept.people), "the claim code is there as long as nobody owns the gateway"
    assert ("token" in login) == bool(kept.people), "whoever claimed it gets in"
    assert verified(disk).verdict != "fails"


def test_a_core_that_loses_power_has_accounts_and_ledger_tell_one_story(
    tmp_path: Path, seed: int, count: Callable[[int, int, int], int]
) -> None:
    found = run(lambda clock: busy(clock, tmp_path / "life"), seed=1)
    assert len(found.said) == 12
    for crash in found.disk.crash_states(seed=seed, count=count(12, 60, 2_000), first=found.first):
        try:
            judge_core(found, crash, tmp_path / "cut")
        except BaseException:
            print(f"crash state: seed {crash.seed}, position {crash.position} of {found.disk.position}")
            raise
