"""Verdict vectors that are stories: what honest and lying devices lived through, as the range of all their entries.

Room: tests. Clocks, boots, silences and keys; what is in the bodies stands in verdict_ranges.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from functools import cache
from hashlib import sha256
from typing import Any

from ledger_client.kinds import Kind
from tests.rigs.evidence import ORIGIN, EvidenceLog
from tests.rigs.small_log import key_of
from tests.rigs.verdict_logs import Cases, append_signed

Story = Callable[[EvidenceLog], object]


def story_cases(policy: bytes) -> Cases:
    cases = Cases(policy)
    _clocks(cases)
    _boots(cases)
    _silences(cases)
    _lies(cases)
    return cases


def whole(cases: Cases, name: str, story: Story, sort: Any, **how: bool) -> None:
    """The range of all entries of a log to which a story was added."""
    log = copy(_typical())
    log.entries, log.bodies, log.links = list(log.entries), list(log.bodies), list(log.links)
    story(log)
    cases.put(f"range-{name}", log.range(0, log.size()), sort, **how)


@cache
def _typical() -> EvidenceLog:
    return EvidenceLog().typical(3)


def _clocks(cases: Cases) -> None:
    def step(by_ms: int, *, said: bool, after: int = 2) -> Story:
        def story(log: EvidenceLog) -> None:
            before = log.wall_ms
            log.offset_ms += by_ms
            if said:
                log.append(Kind.CLOCK, (before, before + by_ms, 1, 2))
            for _ in range(after):
                log.batch()

        return story

    whole(cases, "clock-step-said", step(90_000, said=True), "good")
    whole(cases, "clock-step-unsaid", step(90_000, said=False, after=30), "back-dated")
    whole(cases, "clock-step-unsaid-at-the-end", step(90_000, said=False), "cannot tell")
    whole(cases, "clock-step-back-said", step(-2_000, said=True), "good")
    whole(cases, "clock-step-back-beyond-receipts", step(-600_000, said=True), "back-dated")

    def drift(log: EvidenceLog) -> None:
        for _ in range(60):
            log.offset_ms -= 100
            log.batch(1)

    whole(cases, "clock-drift", drift, "cannot tell")

    def backwards(log: EvidenceLog) -> None:
        log.mono_ms -= 2 * log.step_ms
        log.batch()

    whole(cases, "boottime-backwards", backwards, "back-dated")


def _boots(cases: Cases) -> None:
    def reboot(log: EvidenceLog) -> None:
        log.append(Kind.CLOSE, ("stopped",))
        log.mono_ms += 600_000
        log.reboot()
        log.batch()

    whole(cases, "reboot", reboot, "good")
    whole(cases, "config-and-command", lambda log: [log.append(Kind.CONFIG, (2, 1, bytes(32), "anna", "limit")), _command(log)], "good")
    whole(cases, "boot-twice", lambda log: log.append(Kind.BOOT, ("1", "sim", 0, 0)), "reordered")

    def other_boot(*, entry: bool) -> Story:
        def story(log: EvidenceLog) -> None:
            log.boot += 1
            log.reboot() if entry else log.batch()

        return story

    whole(cases, "boot-number-jumps", other_boot(entry=True), "reordered")
    whole(cases, "boot-without-entry", other_boot(entry=False), "reordered")
    genesis = (ORIGIN, 1, key_of(1).public.cose, (), None, bytes(32))
    whole(cases, "genesis-twice", lambda log: log.append(Kind.GENESIS, genesis), "reordered")


def _command(log: EvidenceLog) -> int:
    body = b"{}"
    return log.append(Kind.COMMAND, (bytes(16), 0, "device.write", len(body), sha256(body).digest()), body)


def _silences(cases: Cases) -> None:
    def silent(*rows: tuple[Any, ...], minutes: int = 15, heard: bool = True) -> Story:
        def story(log: EvidenceLog) -> None:
            start = log.wall_ms
            log.mono_ms += minutes * 60_000
            if rows:
                log.append(Kind.GAP, tuple((group, start + from_ms, start + to_ms, "device_down", 9) for group, from_ms, to_ms in rows))
            if heard:
                log.batch()
            else:
                log.append(Kind.CLOSE, ("stopped",))

        return story

    whole(cases, "silence-unsaid", silent(), "cannot tell")
    whole(cases, "silence-said", silent((7, 0, 900_000)), "good")
    whole(cases, "silence-said-in-two-rows", silent((7, 0, 400_000), (None, 390_000, 900_000)), "good")
    whole(cases, "silence-said-in-part", silent((7, 0, 200_000)), "cannot tell")
    whole(cases, "silence-said-for-the-future", silent((7, 0, 9_000_000)), "cannot tell")
    whole(cases, "silence-at-the-end", silent(heard=False), "cannot tell")
    whole(cases, "silence-short", silent(minutes=4), "good")


def _lies(cases: Cases) -> None:
    def wrong_prev(log: EvidenceLog) -> None:
        append_signed(log, lambda row: [*row[:3], bytes(32), *row[4:]])
        log.batch()

    whole(cases, "prev-differs", wrong_prev, "altered")

    def forgetful(log: EvidenceLog) -> None:
        log.seen = None
        log.offset_ms -= 600_000
        log.reboot()
        log.batch()
        log.offset_ms += 600_000

    whole(cases, "back-dated-naming-no-receipt", forgetful, "back-dated")

    def unheard(log: EvidenceLog) -> None:
        log.mono_ms += 2 * 3_600_000
        for _ in range(2):
            log.batch()

    whole(cases, "confirmed-late", unheard, "cannot tell")

    def rotation(log: EvidenceLog) -> None:
        log.rotate(key_of(2))
        log.coming = None
        log.batch()

    whole(cases, "old-key-goes-on", rotation, "wrong key")
