"""Which configuration a start goes on with: what the ledger recorded, a hand edit, and what a crash or a fault leaves."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger_client.disk import RealDisk
from ledger_client.errors import StoreError
from runtime.config import parse_config
from runtime.config_faults import ConfigError
from runtime.config_text import with_values
from runtime.layout import Layout
from runtime.revisions import Recorded, Revision, Revisions, Settled
from runtime.run_folder import only_core
from tests.rigs.field import HEAD, device_toml

TEXT = "# ours\n" + HEAD + device_toml("d", {"a": (100, 2)})
OTHER = TEXT.replace("100", "200")


@pytest.fixture
def revisions(tmp_path: Path) -> Revisions:
    layout = Layout(tmp_path / "state")
    layout.prepare(RealDisk())
    layout.config.write_text(TEXT)
    return Revisions(RealDisk(), layout, layout.config)


class NoRename(RealDisk):
    """Of a config file that cannot be replaced, such as one that is mounted by itself."""

    def replace(self, source: Path, target: Path) -> None:
        if target.name == "witnessmark.toml":
            raise PermissionError(13, "no")
        super().replace(source, target)


def recorded(revision: Revision) -> Recorded:
    return (revision.number, 7, revision.hash)


def put(revisions: Revisions, number: int, text: str) -> Revision:
    revision = Revision(number, number - 1, text, parse_config(text))
    revisions.store(revision)
    return revision


def test_the_first_start_takes_the_file(revisions: Revisions) -> None:
    choice = revisions.choose(None)
    assert (choice.revision.number, choice.revision.parent, choice.recorded) == (1, 0, False)
    revisions.file.unlink()
    with pytest.raises(StoreError, match="config_missing"):
        revisions.choose(None)


def test_the_recorded_revision_wins_until_somebody_edits_the_file(revisions: Revisions) -> None:
    first = put(revisions, 1, TEXT)
    revisions.settle(first)
    second = put(revisions, 2, OTHER)
    # The crash came between the ledger entry and the writing back: the file still says what we last saw in it.
    choice = revisions.choose(recorded(second))
    assert (choice.revision.number, choice.recorded) == (2, True)
    revisions.settle(second)
    assert revisions.file.read_text() == OTHER
    edited = OTHER + "# by hand\n"
    revisions.file.write_text(edited)
    choice = revisions.choose(recorded(second))
    assert (choice.revision.number, choice.revision.parent, choice.revision.text, choice.recorded) == (3, 2, edited, False)


def test_a_hand_edit_with_faults_is_said_and_not_used(revisions: Revisions) -> None:
    first = put(revisions, 1, TEXT)
    revisions.settle(first)
    revisions.file.write_text("[gateway]\nnom = 1\n")
    choice = revisions.choose(recorded(first))
    assert (choice.revision.number, choice.recorded) == (1, True)
    assert {fault.where for fault in choice.faults} == {"gateway.nom", "gateway.name"}


def test_what_was_written_by_hand_is_kept_when_a_later_edit_overtakes_it(revisions: Revisions) -> None:
    first = put(revisions, 1, TEXT)
    assert revisions.settle(first) == Settled(is_in_file=True)
    by_hand = TEXT + "# by hand\n"
    revisions.file.write_text(by_hand)
    kept = revisions.file.with_name("witnessmark.toml.before-revision-2")
    assert revisions.settle(put(revisions, 2, OTHER)) == Settled(is_in_file=True, kept=kept)
    assert (kept.read_text(), revisions.file.read_text()) == (by_hand, OTHER)
    assert revisions.settle(put(revisions, 3, TEXT)) == Settled(is_in_file=True), "what we wrote ourselves needs no copy"


def test_what_cannot_be_kept_is_not_overwritten(tmp_path: Path, revisions: Revisions) -> None:
    revisions.settle(put(revisions, 1, TEXT))
    by_hand = TEXT + "# by hand\n"
    revisions.file.write_text(by_hand)

    class NoCopy(RealDisk):
        def replace(self, source: Path, target: Path) -> None:
            if ".before-revision-" in target.name:
                raise OSError(28, "no space")
            super().replace(source, target)

    settled = Revisions(NoCopy(), Layout(tmp_path / "state"), revisions.file).settle(put(revisions, 2, OTHER))
    assert settled == Settled(is_in_file=False, waits=True)
    assert revisions.file.read_text() == by_hand
    kept = revisions.settle(put(revisions, 3, TEXT)).kept  # and there is room again
    assert kept is not None
    assert (kept.read_text(), revisions.file.read_text()) == (by_hand, TEXT)


def test_what_was_kept_stays_where_only_the_flush_of_the_folder_failed(tmp_path: Path, revisions: Revisions) -> None:
    revisions.settle(put(revisions, 1, TEXT))
    by_hand = TEXT + "# by hand\n"
    revisions.file.write_text(by_hand)

    class NoFlush(RealDisk):
        def sync_folder(self, path: Path) -> None:
            if revisions.file.read_text() != by_hand:
                raise OSError(5, "no flush")

    settled = Revisions(NoFlush(), Layout(tmp_path / "state"), revisions.file).settle(put(revisions, 2, OTHER))
    assert settled.is_in_file
    assert settled.kept is not None
    assert (settled.kept.read_text(), revisions.file.read_text()) == (by_hand, OTHER)


def test_a_file_that_we_may_not_write_is_no_hand_edit(tmp_path: Path, revisions: Revisions) -> None:
    first = put(revisions, 1, TEXT)
    revisions.settle(first)
    second = put(revisions, 2, OTHER)

    assert Revisions(NoRename(), Layout(tmp_path / "state"), revisions.file).settle(second) == Settled(is_in_file=False)
    assert revisions.file.read_text() == TEXT
    assert revisions.choose(recorded(second)).revision.number == 2


@pytest.mark.parametrize("written", ["[gateway]\nnom = 1\n", TEXT + "# by hand\n"])
def test_what_was_written_by_hand_into_a_file_that_we_may_not_write_is_looked_at_at_each_start(
    tmp_path: Path, revisions: Revisions, written: str
) -> None:
    revisions.settle(put(revisions, 1, TEXT))
    revisions.file.write_text(written)
    second = put(revisions, 2, OTHER)
    settled = Revisions(NoRename(), Layout(tmp_path / "state"), revisions.file).settle(second)
    assert settled == Settled(is_in_file=False, waits=True)
    assert list(revisions.file.parent.glob("*before-revision*")) == [], "no copy of what is not overtaken"
    choice = revisions.choose(recorded(second))
    if "nom" in written:
        assert (choice.revision.number, bool(choice.faults)) == (2, True)
    else:
        assert (choice.revision.number, choice.revision.text, choice.recorded) == (3, written, False)


def test_what_was_recorded_before_long_numbers_were_refused_is_started_with(revisions: Revisions) -> None:
    """A whole number stood where a float is meant."""
    text = HEAD + device_toml("d", {"a": (100, 2)}, more=f"range = {{ low = 0, high = {10**20} }}\n")
    first = Revision(1, 0, text, parse_config(TEXT))
    revisions.store(first)
    revisions.settle(first)
    choice = revisions.choose(recorded(first))
    assert (choice.revision.number, choice.recorded, choice.faults) == (1, True, ())
    assert choice.revision.config.devices[0].name == "d"
    revisions.file.write_text(text + "# by hand\n")
    choice = revisions.choose(recorded(first))
    assert (choice.revision.number, {fault.code for fault in choice.faults}) == (1, {"config_number_long"})


def test_a_changed_revision_file_is_refused(revisions: Revisions) -> None:
    first = put(revisions, 1, TEXT)
    revisions.settle(first)
    (revisions.file.parent / "revisions" / "1.toml").write_text(OTHER)
    with pytest.raises(StoreError, match="revision_damaged"):
        revisions.choose(recorded(first))


def test_single_values_are_changed_and_comments_stay() -> None:
    text = TEXT.replace("period_ms = 100", "period_ms = 100 # fast enough")
    changed = with_values(text, [("devices.d.groups.a.period_ms", 250), ("devices.d.groups.a.tags.a1.unit", "bar")])
    assert "# ours" in changed
    assert "# fast enough" in changed
    device = parse_config(changed).devices[0]
    assert (device.groups[0].period_ms, device.groups[0].tags[1].unit) == (250, "bar")
    with pytest.raises(ConfigError) as caught:
        with_values(text, [("devices.d.groups.none.period_ms", 1), ("devices.x.host", "h")])
    assert len(caught.value.faults) == 2


def test_a_state_folder_has_one_core_and_one_layout(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "state")
    layout.prepare(RealDisk())
    with only_core(layout), pytest.raises(StoreError, match="state_in_use"), only_core(layout):
        pass
    with only_core(layout):
        pass
    (layout.state / "FORMAT").write_text("witnessmark-state 9\n")
    with pytest.raises(StoreError, match="state_format_unknown"):
        layout.prepare(RealDisk())
    stranger = tmp_path / "home"
    stranger.mkdir()
    (stranger / "letter.txt").touch()
    with pytest.raises(StoreError, match="state_format_unknown"):
        Layout(stranger).prepare(RealDisk())
