"""The verifier page in a browser without a network: what it finds in the frozen files, and what a person reads on it."""

from __future__ import annotations

import asyncio
import json
import random
import zlib
from collections.abc import Callable
from copy import copy
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger_client import cbor
from ledger_client.deflate import deflate
from ledger_client.entry import parse
from ledger_client.kinds import Kind
from tests.rigs.evidence import EvidenceLog, policy_text
from tests.rigs.mutations import mutated
from tests.rigs.verdict_logs import flipped, mixed_log, resealed
from tests.rigs.verifier_page import browser_of, page_of, verified
from tests.vectors.make_verdicts import found

PROOFS = Path(__file__).parents[2] / "vectors" / "proofs_v1"
VERDICTS = Path(__file__).parents[2] / "vectors" / "verdicts"


def test_every_frozen_file_is_found_as_expected(require_service: Callable[[str], str]) -> None:
    """Statuses and reasons claim by claim, the page's own where a later version wrote something, in a browser without a network."""
    proofs: dict[str, dict[str, Any]] = json.loads((PROOFS / "expected.json").read_text())
    verdicts: dict[str, dict[str, Any]] = json.loads((VERDICTS / "expected.json").read_text(encoding="utf-8"))
    rows = [((PROOFS / name).read_bytes(), (PROOFS / "policy.txt").read_bytes()) for name in proofs]
    rows += [
        ((VERDICTS / "files" / row["file"]).read_bytes(), (VERDICTS / "policies" / row["policy"]).read_bytes()) for row in verdicts.values()
    ]

    async def run() -> list[dict[str, Any]]:
        async with browser_of(require_service("chromium")) as browser, page_of(browser) as page:
            return await verified(page, rows)

    reports = iter(asyncio.run(run()))
    for name, was in proofs.items():
        report = next(reports)
        assert (report["verdict"], report["claims"], report["independent"]) == (was["verdict"], was["claims"], was["independent"]), name
        if "reading" in was["facts"]:
            assert (report["value"], report["tag"]) == (was["facts"]["reading"]["value"], was["facts"]["tag"]["name"]), name
    differ = {}
    for name, row in verdicts.items():
        report = {key: value for key, value in next(reports).items() if key not in {"tag", "value"}}
        wanted = row.get("page", row["python"])
        if "page" in row:  # which of several later things is named first is each verifier's own affair
            wanted, report = statuses(wanted), statuses(report)
        if report != wanted:
            differ[name] = (wanted, report)
    assert not differ


def test_no_bit_makes_the_page_say_more_than_python(
    require_service: Callable[[str], str], count: Callable[[int, int, int], int], seed: int
) -> None:
    """Of each claim of a bent file the page says what Python says, or "cannot check here"; and shows no other reading."""
    rng = random.Random(seed)
    log = EvidenceLog().typical(6)
    mixed = mixed_log()
    bases = [
        log.proof(8).encode(),
        log.range(4, 10).encode(),
        mixed.range(0, mixed.size()).encode(),
        mixed.proof(mixed.size() - 2, 14, 5).encode(),
    ]
    policy = policy_text()
    bent = [resealed(flipped_inside(rng, rng.choice(bases))) for _ in range(count(40, 70, 3_000))]
    bent += [lying_range(rng, mixed) for _ in range(count(20, 40, 2_000))]

    async def run() -> list[dict[str, Any]]:
        async with browser_of(require_service("chromium")) as browser, page_of(browser) as page:
            return [
                each for at in range(0, len(bent), 200) for each in await verified(page, [(data, policy) for data in bent[at : at + 200]])
            ]

    same, more = 0, []
    for data, report in zip(bent, asyncio.run(run()), strict=True):
        python = found(data, policy)
        if python["verdict"] == "refused":
            assert report["verdict"] == "refused"
            continue
        pairs = [(name, status, report["claims"][name][0]) for name, (status, _) in python["claims"].items()]
        assert "page_fault" not in {code for _, code in report["claims"].values()}, data.hex()
        more += [(data.hex(), pair) for pair in pairs if pair[2] not in {pair[1], "unknown"}]
        assert report["verdict"] in {python["verdict"], "cannot tell"}
        same += report["verdict"] == python["verdict"]
    assert not more
    print(f"{len(bent)} bent files, the same verdict in {same}")


def lying_range(rng: random.Random, log: EvidenceLog) -> bytes:
    """Bend a column of a batch's body and sign that: what a device with a stolen key could do, and what reaches the deepest parsers."""
    lying = copy(log)
    lying.entries, lying.bodies = list(log.entries), list(log.bodies)
    at = max(seq for seq, raw in enumerate(log.entries) if parse(raw).payload.kind == Kind.BATCH)
    body, detail = log.bodies[at] or b"", list(parse(log.entries[at]).payload.detail)
    _, offset_ms, (section,) = cbor.decode(zlib.decompress(body[32:], -15), size_max=1 << 20, what="body")
    place = rng.choice((2, 3, 4, 5, 5, 5, 5))
    section = [*section[:place], mutated(rng, section[place]), *section[place + 1 :]]
    body = body[:32] + deflate(cbor.encode([1, offset_ms, [section]]))
    detail[5:7] = len(body), sha256(body).digest()
    lying.append(Kind.BATCH, tuple(detail), body)
    return lying.range(lying.size() - 2, lying.size()).encode()


def flipped_inside(rng: random.Random, data: bytes) -> bytes:
    """Flip one bit of a file: where it is deflated, of what stands in there, so that it reaches the parsers behind."""
    if data.startswith(b"WMPROOF1"):
        inner = zlib.decompress(data[8:-32], -15)
        return data[:8] + deflate(flipped(inner, rng.randrange(len(inner)), rng.randrange(8))) + bytes(32)
    return flipped(data, rng.randrange(8, len(data) - 32), rng.randrange(8))


def statuses(report: dict[str, Any]) -> dict[str, Any]:
    return {"verdict": report["verdict"], "claims": {name: status for name, (status, _) in report.get("claims", {}).items()}}
