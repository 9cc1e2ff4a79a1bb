"""What a secret must not do: tell by the time of an answer who has an account, or come back out of a refusal, a log or a disk."""

from __future__ import annotations

import itertools
import time
from statistics import median
from typing import Any

import pytest

from runtime.accounts.passwords import MEMORY_KIB
from tests.rigs.people import WEB, People, played
from tests.simulation.loop import VirtualClock

CANARY = "Kanarienvogel-4711-im-Bergwerk"
PAIRS = 15
ROUNDS = 4
DIFFERENCE_MAX = 0.10


def test_an_unknown_name_costs_the_time_of_a_known_one() -> None:
    """CPU time of the whole answer, known and unknown by turns, hashes as dear as in service.

    A busy machine may spoil a round; who has an account would be told by every one.
    """
    rounds: list[float] = []

    async def program(people: People, clock: VirtualClock) -> None:
        admin = await people.claim()
        await people.add(admin, "Bo", "viewer")
        passwords = people.now.core.accounts.passwords
        passwords.memory_kib, passwords._nobody = MEMORY_KIB, None
        assert (await people.act(admin, "account.password", "Bo", password="kept at today's cost"))["code"] == "done"
        await people.login("nobody at all", "the first makes the hash that is nobody's", source="10.9.9.9")
        places = itertools.count(1)
        for _ in range(ROUNDS):
            costs: dict[str, list[float]] = {"Bo": [], "nobody": []}
            for name in ["Bo", "nobody"] * PAIRS:
                source = f"10.1.{next(places) // 250}.{next(places) % 250}"
                before = time.thread_time()
                assert (await people.login(name, "no such password", source=source))["refused"] == "login_refused"
                costs[name].append(time.thread_time() - before)
            rounds.append(abs(median(costs["nobody"]) / median(costs["Bo"]) - 1))
            if rounds[-1] < DIFFERENCE_MAX:
                return

    played(program)
    assert min(rounds) < DIFFERENCE_MAX, rounds


def requests() -> list[tuple[str, dict[str, Any]]]:
    """Requests of accounts with a secret where one belongs, and everything around it wrong in some way."""
    around: list[dict[str, Any]] = [
        {"name": "Ada"}, {"name": "nobody"}, {"name": 5}, {"name": "x" * 500}, {"name": "Ada", "source": 5}, {"name": "Ada\u202e"},
        {"name": "Ada", "lang": "xx"}, {"name": "Ada", "roles": "owner"}, {"name": ["Ada"], "zone": {}}, {},
    ]  # fmt: skip
    secrets: list[dict[str, Any]] = [
        {"password": CANARY}, {"password": [CANARY]}, {"code": CANARY, "password": "x"}, {"token": CANARY},
        {"code": CANARY, "password": CANARY},
        {"token": {"is": CANARY}}, {"password": CANARY * 200}, {"old_password": CANARY, "token": CANARY},
    ]  # fmt: skip
    methods = ("account.login", "account.claim", "account.who", "account.again", "account.logout", "account.list", "account.state")
    return [(method, {"source": "10.3.0.1", **rest, **secret}) for method in methods for rest in around for secret in secrets]


def test_a_secret_that_somebody_sends_comes_back_out_of_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    answers: list[str] = []

    async def program(people: People, clock: VirtualClock) -> None:
        admin = await people.claim()
        for number, (method, params) in enumerate(requests()):
            answer = await people.ask(method, WEB, **{**params, "source": params.get("source") if number % 3 else f"10.3.1.{number % 250}"})
            answers.append(f"{method} {answer}")
        for action in ("account.create", "account.password", "token.create", "account.key", "session.end", "token.revoke", "policy.set"):
            for secret in ({"password": CANARY}, {"old_password": CANARY}, {"password": CANARY, "old_password": CANARY, "roles": "owner"}):
                answers.append(f"{action} {await people.act(admin, action, 'Bo', **secret)}")
            answers.append(f"{action} {await people.act(CANARY, action, 'Bo')}")
        assert (await people.act(admin, "account.create", "Cy", roles="viewer", password=CANARY))["code"] == "done", "a good one, too"
        assert "token" in await people.login("Cy", CANARY)

    disk = played(program)
    assert not [each[:200] for each in answers if CANARY in each]
    assert not [path for path, data in disk.image().items() if data is not None and CANARY.encode() in data]
    said = capfd.readouterr()
    assert CANARY not in said.out + said.err
