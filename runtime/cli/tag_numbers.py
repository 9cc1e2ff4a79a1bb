"""The numbers that a gateway gave its tags, out of its state folder, for the verbs `tags`.

Room: hall. `tags_verb` calls it. It reads and writes nothing.
"""

from __future__ import annotations

from pathlib import Path

from ledger_client.disk import RealDisk
from runtime.layout import Layout
from runtime.tag_ids import load_tag_ids


def numbers_kept(state: Path) -> dict[str, int]:
    """Return the tag numbers that a gateway has given, by `device/tag`; none where there was none yet. Raises OSError, FormatError."""
    ids = load_tag_ids(RealDisk(), Layout(state).private)
    return {name: uid for uid, name in ids.tags.rows()} if ids is not None else {}
