"""Who came and went, as entries: told soon, gathered when there are many, and nothing in them that was meant to be secret."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger_client.access_events import ACCESS, AccessBody, read_access
from ledger_client.errors import FormatError
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from runtime.accounts.access_log import ROWS_PER_MINUTE
from runtime.messages.event_words import event_text
from tests.rigs.core import STATE, payloads, verified
from tests.rigs.field import after
from tests.rigs.people import PASSWORD, People, played
from tests.simulation.disk import ShimDisk
from tests.simulation.loop import VirtualClock


def told(disk: ShimDisk) -> list[AccessBody]:
    reader = LedgerReader(disk, STATE, 1)
    found = [
        read_access(p.detail[0], p.detail[1], reader.body(p.seq) or b"")
        for p in payloads(disk)
        if p.kind == Kind.EVENT and p.detail[0] == ACCESS
    ]
    return [each for each in found if each is not None]


def test_logins_are_entries_and_failures_are_gathered_by_the_minute() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        admin = await people.claim()
        await people.login("Ada", "hunter2hunter2!")
        await people.login("Ada", "hunter2hunter3!")
        await people.login("correct horse battery", "x")  # a password in the field of the name
        await after(clock, 2)
        assert sum(each.what == "login_failed" for each in told(people.disk)) == 2
        await people.ask("account.logout", token=admin)
        await after(clock, 2)

    disk = played(program)
    rows = told(disk)
    assert [(each.what, each.name, each.count) for each in rows] == [
        ("login", "Ada", 1), ("login_failed", "Ada", 2), ("login_failed", "", 1), ("logout", "Ada", 1),
    ]  # fmt: skip
    assert rows[0].session == rows[3].session != ""
    written = b"".join(data for data in disk.image().values() if data is not None)
    for secret in (b"hunter2", b"battery", PASSWORD.format("Ada").encode()):
        assert secret not in written
    assert verified(disk).claims["content"].status == "holds"
    said = [event_text(ACCESS, 1, each.encode(), lang) for each in rows for lang in ("en", "zh")]
    assert None not in said
    assert "an unknown name" in str(said[4])


def test_an_attacker_from_everywhere_does_not_fill_the_ledger() -> None:
    async def program(people: People, clock: VirtualClock) -> None:
        await people.claim()
        for attempt in range(600):
            await people.login(f"user{attempt % 40}", "x", source=f"10.1.{attempt % 250}.{attempt % 7}")
            await after(clock, 0.2)
        await after(clock, 120)

    disk = played(program)
    failed = [each for each in told(disk) if each.what == "login_failed"]
    assert sum(each.count for each in failed) == 600, "every one of them is counted"
    minutes = 600 * 0.2 / 60 + 3
    assert len(failed) <= (ROWS_PER_MINUTE + 1) * minutes


BODIES = st.builds(
    AccessBody, st.sampled_from(["login", "logout", "login_failed"]), st.text(max_size=20), st.text(max_size=8), st.text(max_size=20),
    st.just("web"), st.integers(1, 1 << 40), st.integers(0, 1 << 40), st.integers(1 << 40, 1 << 41),
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(body=BODIES, at=st.integers(0, 200), bit=st.integers(0, 7))
def test_a_body_is_read_as_it_was_written_and_a_damaged_one_is_another_or_none(body: AccessBody, at: int, bit: int) -> None:
    raw = body.encode()
    assert read_access(ACCESS, 1, raw) == body
    assert read_access(ACCESS, 2, raw) is None
    damaged = bytearray(raw)
    damaged[at % len(raw)] ^= 1 << bit
    try:
        found = read_access(ACCESS, 1, bytes(damaged))
    except FormatError:
        return
    assert found is not None
    assert found.encode() == bytes(damaged) != raw
