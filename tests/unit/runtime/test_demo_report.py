"""What counts as the first reading and as the first confirmation in the demo's figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger_client.disk import RealDisk
from ledger_client.errors import StoreError
from runtime.cli.demo_verbs import _say_summary
from runtime.demo_report import Firsts, ledger_size
from runtime.layout import Layout
from runtime.run_folder import SOCKET_PATH_MAX, only_core


def test_a_confirmation_counts_when_it_covers_a_recorded_reading() -> None:
    firsts = Firsts()
    pending = {1: [1, 20.5, 0, 1_000, None, "pending", None, None]}
    assert firsts.look({}, {}, 0.1) == {}
    assert firsts.look(pending, {"anchors": [{"cosigned_size": 4}]}, 1.0) == {"first reading after": "1.0 s"}
    assert firsts.cosigned_s is None, "the start alone was confirmed"
    recorded = {1: [1, 20.5, 0, 1_000, None, "recorded", 5, None]}
    assert firsts.look(recorded, {"anchors": [{"cosigned_size": 5}, {"cosigned_size": None}]}, 5.0) == {}
    assert firsts.look(recorded, {"anchors": [{"cosigned_size": 6}]}, 6.0) == {"confirmed outside after": "6.0 s"}
    assert (firsts.reading_s, firsts.recorded_seq, firsts.cosigned_s) == (1.0, 5, 6.0)


def test_a_folder_without_a_ledger_has_no_entries(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "s")
    layout.prepare(RealDisk())
    assert ledger_size(layout) == 0


def test_a_path_that_no_socket_can_have_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    state = tmp_path / ("d" * SOCKET_PATH_MAX)
    with pytest.raises(StoreError) as caught, only_core(Layout(state)):
        pass
    assert caught.value.code == "state_path_too_long"
    assert not state.exists()


@pytest.mark.parametrize(
    ("verdict", "said"), [("holds", "Everything holds"), ("fails", "It does not hold"), ("cannot tell", "Cannot tell")]
)
@pytest.mark.parametrize("size", [None, 7.25])
def test_the_closing_line_is_words_for_every_verdict(
    verdict: str, said: str, size: float | None, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = {"readings": 0, "entries": 3, "cosigned": 0, "gaps": {}, "state": "s", "verdict": verdict, "bytes_per_reading": size}
    _say_summary(figures)
    line = capsys.readouterr().out
    assert line.startswith(f"{said}: 0 readings in 3 entries")
    assert f"{'-' if size is None else size} bytes per reading" in line
    assert "None" not in line
