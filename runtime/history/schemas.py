"""Which tags and groups were in force when: schema entries found by the index, states read from the ledger and kept, a few of them.

Room: hall, history. `raw` and `trends` ask. Blocking; it never goes past what the index has been given.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from ledger_client.kinds import Kind
from ledger_client.reader import LedgerReader
from ledger_client.schema import Descriptor, SchemaState
from runtime.history.index import Index

STATES_KEPT: Final = 8
STATES_LOOKED_AT_MAX: Final = 64


class Schemas:
    """States of the schema by seq and by time."""

    def __init__(self, reader: LedgerReader, index: Index) -> None:
        self._reader, self._index = reader, index
        self._states: OrderedDict[int, SchemaState] = OrderedDict()
        self._known: tuple[int, list[int]] = (-1, [])

    def at(self, seq: int) -> SchemaState:
        """Return the state in force before entry `seq`. Raises what the reader raises."""
        seqs = self._seqs()
        place = bisect_left(seqs, seq)
        return self._after(seqs[place - 1]) if place else SchemaState()

    def between(self, t0_ms: int, t1_ms: int) -> list[SchemaState]:
        """Return the states in force at any time in [t0, t1], the newest first; not more than STATES_LOOKED_AT_MAX."""
        rows = self._index.catalogue.ask(
            "SELECT seq, wall_ms FROM event WHERE kind = ? AND wall_ms <= ? ORDER BY seq DESC LIMIT ?",
            (int(Kind.SCHEMA), t1_ms, STATES_LOOKED_AT_MAX),
        )
        found = []
        for seq, wall_ms in rows:
            found.append(self._after(seq))
            if wall_ms < t0_ms:
                break
        return found

    def groups_of(self, uids: Iterable[int], t0_ms: int, t1_ms: int) -> dict[int, set[int]]:
        """Return tag -> the groups in which it was read at any time in [t0, t1]."""
        found: dict[int, set[int]] = {uid: set() for uid in uids}
        for state in self.between(t0_ms, t1_ms):
            for group in state.groups.values():
                for uid in found.keys() & set(group.tag_uids):
                    found[uid].add(group.uid)
        return found

    def descriptors(self, uids: Iterable[int], t0_ms: int, t1_ms: int) -> dict[int, Descriptor]:
        """Return what each tag was last said to be."""
        wanted = set(uids)
        found: dict[int, Descriptor] = {}
        for state in self.between(t0_ms, t1_ms):
            found = {uid: state.descriptors[uid] for uid in wanted & state.descriptors.keys()} | found
        return found

    def _seqs(self) -> list[int]:
        if self._known[0] != self._index.read_to:
            rows = self._index.catalogue.ask("SELECT seq FROM event WHERE kind = ? ORDER BY seq", (int(Kind.SCHEMA),))
            self._known = (self._index.read_to, [row[0] for row in rows])
        return self._known[1]

    def _after(self, seq: int) -> SchemaState:
        state = self._states.get(seq)
        if state is None:
            state = self._states[seq] = self._reader.schema_at(seq + 1)
            if len(self._states) > STATES_KEPT:
                self._states.popitem(last=False)
        return state
