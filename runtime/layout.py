"""Where everything stands under the state folder, and the one file that says which layout it is.

Room: hall. `app`, `demo`, the CLI and the children ask it for paths. It makes folders and checks the format; it reads nothing else.

    FORMAT              "witnessmark-state 1"
    policy.txt          whom a verifier of this ledger is told to trust; its hash is in the genesis entry
    ledger/<epoch>/     truth            index/    rebuildable
    private/            0700: device.key, tags.cbor, acts.cbor, read_only.cbor, moves.cbor, network_change.cbor, network_profile.cbor,
                        alarms_pending.cbor, accounts.sqlite, claim_code, anchors/, mirrors/, learned/
    models/             <manifest hash>/: models; book.cbor: their states; labelled.cbor: who labelled findings
    config/witnessmark.toml, config/revisions/<n>.toml
    run/                lock and sockets; means nothing after a restart (see run_folder)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger_client.disk import Disk, read_whole, write_atomically
from ledger_client.errors import StoreError

FORMAT: Final = b"witnessmark-state 1\n"
FORMAT_SIZE_MAX: Final = 100
BEFORE_FORMAT: Final = ("config", "run", "FORMAT.new")
"""What may be in a new state folder: a config file that somebody put there, and what an interrupted first start left."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths under one state folder."""

    state: Path

    @property
    def private(self) -> Path:
        """What only the gateway's own user may see."""
        return self.state / "private"

    @property
    def key(self) -> Path:
        """The device key; only the signer reads it."""
        return self.private / "device.key"

    @property
    def accounts(self) -> Path:
        """Who may log in."""
        return self.private / "accounts.sqlite"

    @property
    def claim_code(self) -> Path:
        """What the first admin needs; there until there is one."""
        return self.private / "claim_code"

    @property
    def web_certificate(self) -> Path:
        """The folder of the page's key and certificate."""
        return self.private / "web"

    @property
    def policy(self) -> Path:
        """The policy whose hash the genesis entry names."""
        return self.state / "policy.txt"

    @property
    def config(self) -> Path:
        """The config file that a person edits."""
        return self.state / "config" / "witnessmark.toml"

    @property
    def revisions(self) -> Path:
        """Every recorded revision of it."""
        return self.state / "config" / "revisions"

    @property
    def index(self) -> Path:
        """What can be made again from the ledger."""
        return self.state / "index"

    @property
    def models(self) -> Path:
        """Models, and what the core remembers of them; see judgement.store and judgement.book."""
        return self.state / "models"

    @property
    def feed(self) -> Path:
        """The core's socket, unless the folder cannot be written: see run_folder."""
        return self.state / "run" / "feed.sock"

    def prepare(self, disk: Disk) -> None:
        """Make the folders, or check that they are of a layout that we know. Blocking.

        Raises StoreError `state_format_unknown` for a folder that a later version wrote or that is not ours; OSError.
        """
        found = read_whole(disk, self.state / "FORMAT", FORMAT_SIZE_MAX)
        if found is None and [name for name in disk.names(self.state) if name not in BEFORE_FORMAT]:
            raise StoreError("state_format_unknown", path=str(self.state), found="")
        if found not in (None, FORMAT):
            raise StoreError("state_format_unknown", path=str(self.state), found=found.decode("latin-1").strip() if found else "")
        for folder in (self.state, self.private, self.revisions.parent, self.revisions, self.index):
            disk.mkdir(folder)
            disk.sync_folder(folder.parent)
            if folder == self.state and found is None:
                # Before anything else: a folder with things in it and no FORMAT is not ours.
                write_atomically(disk, self.state / "FORMAT", FORMAT)
