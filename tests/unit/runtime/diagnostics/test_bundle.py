"""Files, archives and log lines: bounded, the same bytes for the same files, kept for a while."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.diagnostics.archive import zip_of
from runtime.diagnostics.bundles import KEPT_MAX, KEPT_S_MAX, Bundles
from runtime.diagnostics.log_ring import TEXT_MAX, LogRing
from runtime.diagnostics.parts import ABOUT, ALL_BYTES_MAX, FILE_BYTES_MAX, PartFile, Parts, log_text
from runtime.diagnostics.redaction import Redactor
from runtime.faces.feed import RequestRefusedError

FILES = (PartFile("a.json", b"{}\n"), PartFile("b.txt", "é\r\n".encode() * 1000))


@given(st.dictionaries(st.from_regex(r"[a-z]{1,9}\.(json|txt)", fullmatch=True), st.binary(max_size=2_000), min_size=1, max_size=8))
def test_an_archive_holds_the_files_and_is_the_same_each_time(given_files: dict[str, bytes]) -> None:
    files = [PartFile(name, data) for name, data in given_files.items()]
    made = zip_of(files)
    assert made == zip_of(list(files))
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == given_files
        assert all("/" not in name for name in archive.namelist())


def test_files_are_bounded_and_what_is_lacking_is_said() -> None:
    parts = Parts(Redactor(), 0, {"source": "test"})
    for number in range(12):
        parts.add_text(f"{number:02}.txt", "ä" * FILE_BYTES_MAX)

    def fails() -> str:
        raise PermissionError(13, "Permission denied")

    parts.attempt("private.json", fails)
    parts.add_json("odd.json", {"nan": float("nan"), "password": "hunter2!"})
    files = {each.name: each.data for each in parts.finish()}
    assert next(iter(files)) == ABOUT
    assert all(len(data) <= FILE_BYTES_MAX for data in files.values())
    assert sum(map(len, files.values())) <= ALL_BYTES_MAX
    assert b"more bytes]" in files["00.txt"]
    about = json.loads(files[ABOUT])
    assert about["could_not_be_had"] == {"private.json": "Permission denied"}
    assert about["redacted"] >= 1
    assert not [name for name, data in files.items() if b"hunter2" in data]
    for data in files.values():
        data.decode()


def test_bundles_are_kept_for_a_while_and_no_more_than_a_few() -> None:
    now = [0]
    bundles = Bundles(lambda: now[0], lambda size: now[0].to_bytes(size, "big"))
    ids = []
    for _ in range(KEPT_MAX + 1):
        now[0] += 1
        ids.append(bundles.keep(0, FILES).id)
    with pytest.raises(RequestRefusedError, match="diag_bundle_gone"):
        bundles.get(ids[0])
    last = bundles.get(ids[-1])
    digest, size, count = last.make({"a.json"})
    assert (len(digest), size, count) == (64, len(last.archive), 1)
    for left_out, code in (({"c.txt"}, "diag_part_unknown"), ({"a.json", "b.txt"}, "diag_nothing_left")):
        with pytest.raises(RequestRefusedError, match=code):
            last.chosen(left_out)
    now[0] += KEPT_S_MAX * 1000 + 1
    with pytest.raises(RequestRefusedError, match="diag_bundle_gone"):
        bundles.get(ids[-1])


def test_the_ring_keeps_the_newest_lines_and_counts_what_it_does_not() -> None:
    ring = LogRing(lambda: 7, lines_max=5, chars_max=100_000)
    for number in range(1, 13):
        ring.note("info", "core", "said", {"n": number})
    lines, missed = ring.since(0, 100)
    assert [line.params["n"] for line in lines] == [8, 9, 10, 11, 12]
    assert (missed, ring.newest) == (7, 12)
    lines, missed = ring.since(10, 1)
    assert [line.number for line in lines] == [12]
    assert missed == 1
    assert ring.since(12, 10) == ([], 0)
    assert ring.since(99, 10) == ([], 0)
    small = LogRing(lambda: 0, chars_max=1_000)
    for _ in range(50):
        small.note("info", "core", "x" * 300, {"path": Path("/x"), "long": "y" * 9_000})
    assert len(small.since(0, 100)[0]) <= 1
    long = LogRing(lambda: 0)
    long.note("odd", "core", "z" * 9_000, text="t" * 9_000)
    line = long.since(0, 1)[0][0]
    assert (line.level, len(line.code), len(line.text)) == ("info", TEXT_MAX, TEXT_MAX)


def test_a_childs_lines_are_events_or_text_and_go_on_to_where_lines_go() -> None:
    ring, passed = LogRing(lambda: 0), []
    ring.pass_on = passed.append
    said = ['{"event": "part_failed", "level": "warning", "part": "x", "timestamp": "t"}', "Traceback (most recent call last):", "{bad", ""]
    for line in said:
        ring.relay("history", line)
    assert passed == [line + "\n" for line in said]
    kept = ring.since(0, 10)[0]
    assert [(line.level, line.code, dict(line.params), line.text) for line in kept] == [
        ("warning", "part_failed", {"part": "x"}, ""),
        ("info", "", {}, "Traceback (most recent call last):"),
        ("info", "", {}, "{bad"),
    ]
    text = log_text(kept, 2)
    assert text.splitlines()[0] == "[2 older lines are not kept]"
    assert 'history: part_failed part="x"' in text


def test_threads_may_note_at_once() -> None:
    ring = LogRing(lambda: 0, lines_max=50)
    threads = [threading.Thread(target=lambda: [ring.note("info", "t", "n") for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = [line.number for line in ring.since(0, 100)[0]]
    assert numbers == list(range(1951, 2001))
