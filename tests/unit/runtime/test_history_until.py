"""A page that lists what happened says from when on all of it is there, once the index has let the oldest go; asked of a real history."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from ledger_client.disk import RealDisk
from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from runtime.faces.feed import Session
from runtime.faces.feed_client import FeedClient
from runtime.faces.feed_server import FeedServer
from runtime.faces.web.audit_pages import AuditPages, AuditQuery
from runtime.faces.web.config_api import ConfigApi
from runtime.faces.web.face import Face
from runtime.faces.web.handover_pages import HandoverPages
from runtime.faces.web.stream import Fanout
from runtime.history import kept as kept_file
from runtime.history.follow import Follower
from runtime.history.index import Index, Limits
from runtime.history.query import Query
from runtime.history.service import Nothing
from runtime.messages.catalogue import word
from runtime.messages.page_reader import PageReader
from runtime.messages.values import moment
from tests.rigs.evidence import EvidenceLog

LIMIT = 1 << 20
KEPT = LIMIT // 4 // 2 // kept_file.ROW_BYTES


@contextlib.asynccontextmanager
async def history(folder: Path, log: EvidenceLog) -> AsyncIterator[Face]:
    """A face and the history of a ledger behind its socket, in a store as small as that."""
    reader = LedgerReader(RealDisk(), log.write(folder), 1)
    with Index(folder / "h.db", log.origin, Limits(size_bytes_max=LIMIT)) as index:
        follower = Follower(reader, index, log.size)
        for seq in range(log.size()):
            follower.take(seq)
        list(index.write())
        query, nothing = Query(reader, index, follower, lambda _uid, _at: b""), Nothing()

        async def answer(session: Session, method: str, params: Mapping[str, Any]) -> Any:
            return query.ask(method, params)

        async with FeedServer(folder / "s", nothing, nothing, nothing, answer) as server, asyncio.TaskGroup() as group:
            serving = group.create_task(server.run())
            yield Face(FeedClient(folder / "f", "t"), Fanout(), folder / "s")
            serving.cancel()


def ledger(count: int) -> EvidenceLog:
    log = EvidenceLog().begin()
    for number in range(count):
        log.append(Kind.CONFIG, (number, 1, bytes(32), "alice", "why"))
    return log


async def lists(face: Face, until: int) -> tuple[str, Any, int | None]:
    """What the audit trail, the revisions and the handover of a shift from then on say."""
    state = {"may": lambda action: True, "query": AuditQuery(before=until), "who": None}
    request = Request({"type": "http", "query_string": b"lang=en", "headers": [], "state": state})
    audit = unescape(bytes((await AuditPages(face).page(request)).body).decode())
    revisions = await ConfigApi(face).revisions(request)
    _, cut_ms, fault = await HandoverPages(face)._sections(0, "en", PageReader())
    assert fault is None
    return audit, revisions, cut_ms


@pytest.mark.parametrize("count", [50, KEPT + 700])
def test_lists_say_from_when_on_all_is_there(tmp_path: Path, count: int) -> None:
    log = ledger(count)

    async def run() -> None:
        async with history(tmp_path, log) as face:
            until_ms = await face.ask_history("entries_until", {})
            assert (until_ms is None) is (count == 50)
            first = log.size() - KEPT if until_ms else 0
            audit, revisions, cut_ms = await lists(face, max(first + 20, 20))
            assert (word("audit.until") in audit) is (until_ms is not None)
            if until_ms is not None:
                assert moment(until_ms) in audit
                assert cut_ms is not None
                assert cut_ms >= until_ms
            else:
                assert (revisions["until_ms"], cut_ms) == (None, None)

    asyncio.run(run())
