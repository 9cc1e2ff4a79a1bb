"""Every board loads, and a wrong one says everything that is wrong with it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from boards.board import FOLDER, BoardError, board_ids, load_board

GOOD = (FOLDER / "generic" / "x86_64" / "board.toml").read_text(encoding="utf-8")


def _put(folder: Path, text: str) -> Path:
    place = folder / "generic" / "x86_64"
    place.mkdir(parents=True)
    (place / "board.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("board_id", board_ids())
def test_every_board_loads_and_has_a_readme(board_id) -> None:
    board = load_board(board_id)
    assert board.id == board_id
    readme = (FOLDER / board_id / "README.md").read_text(encoding="utf-8")
    assert bool(board.tried) != ("Not tried on hardware yet" in readme)
    assert f"[{board_id}]" in (FOLDER / "README.md").read_text(encoding="utf-8")
    with pytest.raises(dataclasses.FrozenInstanceError):
        board.name = "other"


def test_the_boards_of_this_release() -> None:
    assert board_ids() == ["generic/debian-arm64", "generic/x86_64", "raspberrypi/cm4", "sim"]


@pytest.mark.parametrize("board_id", ["", "nodes", "../etc", "sim/sim", "raspberrypi"])
def test_an_unknown_board_names_the_known_ones(board_id) -> None:
    with pytest.raises(BoardError, match="choose one of: generic/debian-arm64, generic/x86_64, raspberrypi/cm4, sim"):
        load_board(board_id)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('arch = "x86_64"', 'arch = "sparc"', "arch is 'sparc'; write one of: any, x86_64"),
        ("rtc = true", "rtc = 1", "rtc is '1'; it is true or false"),
        ("rtc = true", "rct = true", "rtc is missing; it is true or false; rct is unknown; known are: name,"),
        ('name = "x86_64"', 'name = "pc"', "name is 'pc'; its folder says 'x86_64'"),
        ('vendor = "generic"', 'vendor = "acme"', "vendor is 'acme'; its folder says 'generic'"),
        ('device = "/dev/ttyS0"', 'device = "COM1"', "serial[0].device is 'COM1'; write a path from the root"),
        ("rs485 = false", 'rs485 = "no"', "serial[0].rs485 is 'no'; it is true or false"),
        ("[[serial]]", "[serial]", "serial is \"{'name': 'COM1'"),
        ("endurance_tbw = 0", "endurance_tbw = nan", "write 0 when the maker does not say"),
        ("slots = 1", "slots = 3", "flash.slots is 3; write 0 (none), 1 or 2"),
        ("slots = 1", "slots = true", "flash.slots is 'True'; it is a whole number"),
        ('method = "debian"', 'method = "floppy"', "flash.method is 'floppy'"),
        ('full_name = "', 'full_name = "' + "x" * 300, "full_name is 'xxx"),
        ("rtc = true", "rtc = ", "cannot be read"),
    ],
)
def test_a_wrong_file_says_what_where_and_what_to_do(tmp_path, old, new, words) -> None:
    assert old in GOOD
    folder = _put(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(BoardError) as caught:
        load_board("generic/x86_64", folder)
    assert str(caught.value).startswith("boards/generic/x86_64/board.toml: ")
    assert words in str(caught.value)


def test_every_fault_is_said_at_once(tmp_path) -> None:
    text = GOOD.replace('arch = "x86_64"', 'arch = "?"').replace("slots = 1", "slots = 9").replace('"/dev/ttyS0"', '"x"')
    with pytest.raises(BoardError) as caught:
        load_board("generic/x86_64", _put(tmp_path, text))
    assert len(caught.value.faults) == 3
