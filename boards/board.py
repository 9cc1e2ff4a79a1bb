"""What a board is, and the loader of `boards/<vendor>/<board>/board.toml` (the sim has no vendor folder).

Room: ground. The runtime asks for the board that its configuration names; `flash.sh` and the update path read the same
data. It reads files and nothing else: whether the hardware is really there is not its question.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parent
FILE: Final = "board.toml"
ARCHITECTURES: Final = ("any", "x86_64", "aarch64", "armv7l")
FLASH_METHODS: Final = ("none", "debian", "rpiboot", "image")
"""none: nothing to flash; debian: installed on a running Debian; rpiboot: over USB; image: written to its medium."""
TEXT_CHARACTERS_MAX: Final = 200

Number = int | float
_BOARD: Final[Mapping[str, Any]] = {
    "name": str,
    "full_name": str,
    "vendor": str,
    "arch": str,
    "rtc": bool,
    "secure_element": str,
    "watchdog": str,
    "tried": str,
    "serial": list,
    "storage": dict,
    "flash": dict,
}
_SERIAL: Final[Mapping[str, Any]] = {"name": str, "device": str, "rs485": bool}
_STORAGE: Final[Mapping[str, Any]] = {"ledger_path": str, "endurance_tbw": Number}
_FLASH: Final[Mapping[str, Any]] = {"method": str, "slots": int}
_WORDS: Final = {str: "a text", bool: "true or false", int: "a whole number", Number: "a number", list: "a list of tables", dict: "a table"}


class BoardError(Exception):
    """A board that cannot be used; the text says what, where and what to do. `faults` has one line for each."""

    def __init__(self, where: str, faults: list[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(f"{where}: " + "; ".join(faults))


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A serial port: the name on the case, the device file, and whether it drives RS-485 by itself."""

    name: str
    device: str
    rs485: bool


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the ledger lives and how much that medium bears, in terabytes written (0: its maker does not say)."""

    ledger_path: str
    endurance_tbw: float


@dataclass(frozen=True, slots=True)
class Flash:
    """How the system gets onto the board (one of FLASH_METHODS) and how many system slots it has for updates."""

    method: str
    slots: int


@dataclass(frozen=True, slots=True)
class Board:
    """One board. `secure_element`, `watchdog` (a device file) and `tried` (revision, date, by whom) are empty for none."""

    id: str
    name: str
    full_name: str
    vendor: str
    arch: str
    serial: tuple[SerialPort, ...]
    rtc: bool
    secure_element: str
    watchdog: str
    tried: str
    storage: Storage
    flash: Flash


def board_ids(folder: Path = FOLDER) -> list[str]:
    """Return every board as its configuration names it: `sim`, `raspberrypi/cm4`."""
    found = [*folder.glob(f"*/{FILE}"), *folder.glob(f"*/*/{FILE}")]
    return sorted(path.parent.relative_to(folder).as_posix() for path in found)


def load_board(board_id: str, folder: Path = FOLDER) -> Board:
    """Return one board. Raises BoardError when there is none of that name or its file is wrong, with every fault."""
    known = board_ids(folder)
    if board_id not in known:
        raise BoardError(f"board {board_id!r}", [f"there is no such board; choose one of: {', '.join(known)}"])
    path = folder / board_id / FILE
    where = f"boards/{board_id}/{FILE}"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BoardError(where, [f"cannot be read ({error}); mend the file or install Witnessmark again"]) from error
    faults = _faults(raw, board_id)
    if faults:
        raise BoardError(where, faults)
    ports = tuple(SerialPort(**row) for row in raw["serial"])
    storage = Storage(raw["storage"]["ledger_path"], float(raw["storage"]["endurance_tbw"]))
    return Board(id=board_id, **{**raw, "serial": ports, "storage": storage, "flash": Flash(**raw["flash"])})


def _faults(raw: dict[str, Any], board_id: str) -> list[str]:
    faults = _shape(raw, "", _BOARD)
    if faults:
        return faults
    for n, row in enumerate(raw["serial"]):
        faults += _shape(row, f"serial[{n}].", _SERIAL) if isinstance(row, dict) else [f"serial[{n}] is a table; write [[serial]]"]
    faults += _shape(raw["storage"], "storage.", _STORAGE) + _shape(raw["flash"], "flash.", _FLASH)
    if faults:
        return faults
    vendor, _, name = f"/{board_id}".rpartition("/")
    for key, value, expected in (("name", raw["name"], name), ("vendor", raw["vendor"], vendor.strip("/"))):
        if value != expected:
            faults.append(f"{key} is {value!r}; its folder says {expected!r}, so write that or move the folder")
    for key, value, allowed in (("arch", raw["arch"], ARCHITECTURES), ("flash.method", raw["flash"]["method"], FLASH_METHODS)):
        if value not in allowed:
            faults.append(f"{key} is {value!r}; write one of: {', '.join(allowed)}")
    devices = [(f"serial[{n}].device", row["device"]) for n, row in enumerate(raw["serial"])]
    for key, value in [*devices, ("watchdog", raw["watchdog"] or "/"), ("storage.ledger_path", raw["storage"]["ledger_path"] or "/")]:
        if not value.startswith("/"):
            faults.append(f"{key} is {value!r}; write a path from the root")
    if not 0 <= raw["flash"]["slots"] <= 2:
        faults.append(f"flash.slots is {raw['flash']['slots']}; write 0 (none), 1 or 2 (A and B)")
    if not 0 <= raw["storage"]["endurance_tbw"] < 1e6:
        faults.append("storage.endurance_tbw is in terabytes written; write 0 when the maker does not say")
    return faults


def _shape(raw: dict[str, Any], prefix: str, wanted: Mapping[str, Any]) -> list[str]:
    """Say which keys are missing, unknown or of another type."""
    faults = [f"{prefix}{key} is missing; it is {_WORDS[kind]}" for key, kind in wanted.items() if key not in raw]
    faults += [f"{prefix}{key} is unknown; known are: {', '.join(wanted)}" for key in raw if key not in wanted]
    for key, kind in wanted.items():
        value = raw.get(key)
        wrong = not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        if key in raw and (wrong or (isinstance(value, str) and len(value) > TEXT_CHARACTERS_MAX)):
            faults.append(f"{prefix}{key} is {str(value)[:40]!r}; it is {_WORDS[kind]}")
    return faults
