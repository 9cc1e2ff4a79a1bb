"""An operator opens the next epoch of a ledger: after a quarantine, or a restore that was not meant to be one.

Room: hall. `witnessmark ledger new-epoch` calls it while no core runs (it holds the same lock). The old epoch's files and policy stay; the
new genesis names the old head. It enrols nothing anywhere: witnesses must be told the new log by whoever runs them.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ledger_client.chain_seams import Clock
from ledger_client.disk import Disk, read_whole, write_atomically
from ledger_client.epochs import head_of, next_origin, open_next_epoch
from ledger_client.errors import StoreError
from ledger_client.note import device_note_key
from ledger_client.reader import epochs
from ledger_client.signer_client import SignerProcess
from runtime.first_start import POLICY_SIZE_MAX
from runtime.layout import Layout
from runtime.run_folder import only_core

_LOG: Final = "log "


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """What was opened: `vkey` is what witnesses and policies need, `previous` the head that the genesis names."""

    epoch: int
    origin: str
    vkey: str
    previous: tuple[str, int, bytes]


async def new_epoch(disk: Disk, layout: Layout, clock: Clock) -> NewEpoch:
    """Open the next epoch and point policy.txt at it; the old policy stays beside it as policy-<epoch>.txt.

    Raises StoreError `state_in_use` while a core runs, `ledger_missing`; CorruptError, SignerError, OSError.
    """
    with only_core(layout):
        known = epochs(disk, layout.state)
        if not known:
            raise StoreError("ledger_missing", folder=str(layout.state / "ledger"))
        old = known[-1]
        previous = head_of(disk, layout.state, old)
        async with SignerProcess(layout.state) as signer:
            origin = next_origin(previous[0], old + 1)
            vkey = device_note_key(origin, signer.public).vkey
            before = read_whole(disk, layout.policy, POLICY_SIZE_MAX) or b""
            kept = layout.policy.with_name(f"policy-{old}.txt")
            if read_whole(disk, kept, POLICY_SIZE_MAX) is None:
                write_atomically(disk, kept, before)
            policy = renamed(before.decode(), vkey).encode()
            epoch = await open_next_epoch(disk, layout.state, signer, clock, policy_hash=sha256(policy).digest())
            write_atomically(disk, layout.policy, policy)
    return NewEpoch(epoch, origin, vkey, previous)


def renamed(policy: str, vkey: str) -> str:
    """Return a policy's text with this log instead of the ones it names; everything else stays, comments too."""
    others = [line for line in policy.splitlines() if not line.startswith(_LOG)]
    return "\n".join([_LOG + vkey, *others]) + "\n"
