"""The mirror: holds copies of entries, each proven to be in a tree that this anchor cosigned.

Room: upstream. The server calls it in the store's thread. An entry is stored only after its leaf hash, with those of all
entries held before it, gives a root from which the package's proof leads to a cosigned root: what is held is what the
gateway signed, in order, without a hole. It reads no body's content. The package format is `ledger_client/anchors/package.py`.
It makes no mirror cosignature: that it holds entries is shown by serving them.
"""

from __future__ import annotations

from anchor.store import Store
from anchor.witness import Answer
from ledger_client.anchors.package import ENTRIES_MAX, encode_held, parse_package
from ledger_client.errors import FormatError
from ledger_client.merkle import consistent, leaf_hash

HELD_BYTES_MAX = 16 << 30
ANSWER_BYTES_MAX = 8 << 20


class Mirror:
    """Held entries of every enrolled origin; at most `held_bytes_max` bytes of each."""

    def __init__(self, store: Store, *, held_bytes_max: int = HELD_BYTES_MAX) -> None:
        self._store = store
        self._held_bytes_max = held_bytes_max

    def add_entries(self, origin: str, body: bytes) -> Answer:
        """Answer an upload: 200 (held up to the package's size), 202 (held, more to come), 400, 404, 409, 422 or 507.

        200, 202 and 409 carry three lines, as in C2SP tlog-mirror: a size to prove against, the next entry wanted, an empty ticket.
        """
        if not self._store.keys(origin):
            return Answer(404, b"this origin is not enrolled here\n")
        try:
            package = parse_package(body)
        except FormatError as error:
            return Answer(400, f"{error}\n".encode())
        with self._store.transaction():
            frontier, total_bytes = self._store.held(origin)
            root = self._store.recent_root(origin, package.size)
            if root is None or package.start != frontier.size:
                size = package.size if root is not None else self._store.latest(origin).size
                return _progress(409, size, frontier.size)
            total_bytes += sum(len(entry) + len(body or b"") for entry, body in package.entries)
            if total_bytes > self._held_bytes_max:
                return Answer(507, b"no more room for this origin\n")
            for entry, _ in package.entries:
                frontier.append(leaf_hash(entry))
            if not consistent(package.end, package.size, frontier.root(), root, package.path):
                return Answer(422, b"these entries are not in the cosigned tree\n")
            self._store.hold(origin, package.start, package.entries, frontier, total_bytes)
        return _progress(200 if package.end == package.size else 202, package.size, package.end)

    def read(self, origin: str, start: int, count: int) -> Answer:
        """Answer a read of held entries: 200 with CBOR, 404 for an unknown origin."""
        if not self._store.keys(origin):
            return Answer(404, b"this origin is not enrolled here\n")
        held = self._store.entries(origin, start, min(count, ENTRIES_MAX), ANSWER_BYTES_MAX)
        return Answer(200, encode_held(start, held), "application/cbor")


def _progress(status: int, size: int, next_entry: int) -> Answer:
    return Answer(status, f"{size}\n{next_entry}\n\n".encode(), "text/x.tlog.mirror-info")
