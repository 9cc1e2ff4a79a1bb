"""The mirror: holds copies of entries, each proven to be in a tree that this anchor cosigned.

Room: upstream. The server calls it in the store's thread. An entry is stored only after its leaf hash, with those of all
entries held before it, gives a root from which the package's proof leads to a cosigned root: what is held is what the
gateway signed, in order, without a hole. A later upload may bring bodies that were kept back, never take one away. It reads
no body's content. The package format is `ledger_client/anchors/package.py`.
It makes no mirror cosignature: that it holds entries is shown by serving them.
"""

from __future__ import annotations

from anchor.store import Store
from anchor.witness import Answer
from ledger_client.anchors.package import ENTRIES_MAX, Package, encode_held, parse_package
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

        An upload may begin among held entries only when it brings bodies that they lack.
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
            known = frontier.size - package.start
            bodies = self._bodies_to_add(origin, package, known)
            if root is None or known < 0 or (known and not bodies):
                size = package.size if root is not None else self._store.latest(origin).size
                return _progress(409, size, frontier.size)
            fresh = package.entries[known:]
            total_bytes += sum(len(entry) + len(body or b"") for entry, body in fresh) + sum(map(len, bodies.values()))
            if total_bytes > self._held_bytes_max:
                return Answer(507, b"no more room for this origin\n")
            for entry, _ in fresh:
                frontier.append(leaf_hash(entry))
            if fresh and not consistent(package.end, package.size, frontier.root(), root, package.path):
                return Answer(422, b"these entries are not in the cosigned tree\n")
            self._store.add_bodies(origin, bodies)
            self._store.hold(origin, frontier.size - len(fresh), fresh, frontier, total_bytes)
        return _progress(200 if frontier.size >= package.size else 202, package.size, frontier.size)

    def read(self, origin: str, start: int, count: int) -> Answer:
        """Answer a read of held entries: 200 with CBOR, 404 for an unknown origin."""
        if not self._store.keys(origin):
            return Answer(404, b"this origin is not enrolled here\n")
        held = self._store.entries(origin, start, min(count, ENTRIES_MAX), ANSWER_BYTES_MAX)
        return Answer(200, encode_held(start, held), "application/cbor")

    def _bodies_to_add(self, origin: str, package: Package, known: int) -> dict[int, bytes]:
        """Return the package's bodies of entries that are held without one; the package's reader held each against its entry."""
        lacking = self._store.without_body(origin, package.start, known) if known > 0 else {}
        given = enumerate(package.entries[: max(known, 0)], package.start)
        return {seq: body for seq, (entry, body) in given if body and lacking.get(seq) == entry}


def _progress(status: int, size: int, next_entry: int) -> Answer:
    return Answer(status, f"{size}\n{next_entry}\n\n".encode(), "text/x.tlog.mirror-info")
