"""What a state folder tells without a core: revisions, segments, learned maps, models. Blocking; reads names, sizes and small files.

Room: hall, diagnostics. `gather` and `at_rest` take parts from it. It opens nothing under `private/` but what drivers learned, and no file
that an option of the configuration names.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from ledger_client.disk import Disk, read_whole
from ledger_client.reader import epochs, ledger_folder
from runtime.config import CONFIG_SIZE_MAX
from runtime.layout import Layout
from runtime.learned_maps import FILE_SIZE_MAX, FOLDER, SUFFIX

REVISIONS_SHOWN: Final = 200
SEGMENTS_SHOWN: Final = 500


def revisions_of(disk: Disk, layout: Layout) -> dict[str, Any]:
    """Return the newest revisions of the configuration: number, size, hash of the text."""
    numbers = sorted(_numbers(disk, layout), reverse=True)
    rows = []
    for number in numbers[:REVISIONS_SHOWN]:
        data = read_whole(disk, layout.revisions / f"{number}.toml", CONFIG_SIZE_MAX) or b""
        rows.append({"revision": number, "size_bytes": len(data), "sha256": sha256(data).hexdigest()})
    return {"count": len(numbers), "newest_first": rows}


def newest_config(disk: Disk, layout: Layout) -> str:
    """Return the text of the newest revision, else of the config file. Raises OSError when there is neither."""
    numbers = _numbers(disk, layout)
    path = layout.revisions / f"{max(numbers)}.toml" if numbers else layout.config
    data = read_whole(disk, path, CONFIG_SIZE_MAX)
    if data is None:
        raise FileNotFoundError(2, "no configuration", str(path))
    return data.decode("utf-8", "replace")


def ledger_files(disk: Disk, layout: Layout) -> dict[str, Any]:
    """Return the segments of each epoch with their sizes, the newest first, and how much space is left."""
    found: dict[str, Any] = {}
    for epoch in reversed(epochs(disk, layout.state)):
        folder = ledger_folder(layout.state, epoch)
        names = sorted(disk.names(folder), reverse=True)
        files = [[name, _size(disk, folder / name)] for name in names[:SEGMENTS_SHOWN]]
        found[str(epoch)] = {"files": len(names), "newest_first": files}
    return {"epochs": found, "free_bytes": disk.free_bytes(layout.state)}


def learned_of(disk: Disk, layout: Layout) -> dict[str, Any]:
    """Return what drivers learned of their devices, by device."""
    folder = layout.private / FOLDER
    found: dict[str, Any] = {}
    for name in sorted(disk.names(folder)):
        if name.endswith(SUFFIX):
            try:
                found[name.removesuffix(SUFFIX)] = json.loads(read_whole(disk, folder / name, FILE_SIZE_MAX) or b"null")
            except (ValueError, RecursionError):
                found[name.removesuffix(SUFFIX)] = "not readable"
    return found


def _numbers(disk: Disk, layout: Layout) -> list[int]:
    stems = [name.removesuffix(".toml") for name in disk.names(layout.revisions) if name.endswith(".toml")]
    return [int(stem) for stem in stems if stem.isascii() and stem.isdigit()]


def _size(disk: Disk, path: Path) -> int | None:
    try:
        handle = disk.open(path, write=False)
    except OSError:
        return None
    try:
        return disk.size(handle)
    finally:
        disk.close(handle)
