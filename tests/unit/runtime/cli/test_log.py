"""What a log line of a fault shows, and what it must not."""

from __future__ import annotations

import json
import subprocess
import sys
from subprocess import PIPE

import pytest

PROGRAM = """
import structlog
from runtime.cli.log import set_up_log
set_up_log(json_lines={json_lines})
def connect(token):
    raise ValueError("no such host")
try:
    connect("secret-" + str(6 * 7))
except ValueError:
    structlog.get_logger("t").exception("part_failed", part="outbox")
"""


@pytest.mark.parametrize("json_lines", [True, False])
def test_a_traceback_shows_no_values_of_variables(json_lines: bool) -> None:
    program = PROGRAM.format(json_lines=json_lines)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == ""
    assert "part_failed" in done.stderr
    assert "no such host" in done.stderr
    assert "secret-42" not in done.stderr


STALLED = """
import sys, time
import structlog
from runtime.cli.log import LINES_MAX, set_up_log
set_up_log(json_lines=True)
log = structlog.get_logger("t")
began = time.monotonic()
for n in range(3 * LINES_MAX):
    log.info("line", n=n, more="x" * 1000)
print(time.monotonic() - began < 10, flush=True)
sys.stdin.read()
log.info("again")
"""


def test_a_pipe_that_nobody_empties_keeps_nobody_waiting_and_what_was_dropped_is_said() -> None:
    process = subprocess.Popen([sys.executable, "-c", STALLED], stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n", "all lines were taken while nobody read"
        _, written = process.communicate("", timeout=60)
    rows = [json.loads(line) for line in written.splitlines()]
    dropped = sum(row["count"] for row in rows if row["event"] == "log_lines_dropped")
    kept = sum(row["event"] in ("line", "again") for row in rows)
    assert dropped > 1000
    assert kept + dropped >= 3000


RELAYED = """
import json
from runtime.cli.log import set_up_log
from runtime.diagnostics.log_ring import LogRing
ring = LogRing(lambda: 0)
set_up_log(json_lines={json_lines}, ring=ring)
begun = {{"name": "line", "manifest": "f65e", "event": "model_begun", "level": "info", "timestamp": "2026-01-01"}}
odd = {{"event": "a\\x1b[2J\\nb", "level": ["odd"], "exc_info": True, "exception": "one\\ntwo\\x07", "a\\nb": {{"c": 1}}}}
ring.relay("judgement", json.dumps(begun))
ring.relay("web", json.dumps(odd))
ring.relay("web", "no JSON \x1b[2J\u202e")
print(json.dumps([line.code for line in ring.since(0, 9)[0]]))
"""


def relayed(*, json_lines: bool) -> list[str]:
    program = RELAYED.format(json_lines=json_lines)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == ["model_begun", "a\x1b[2J\nb", ""], "what is kept for the page is the same"
    return done.stderr.splitlines()


LISTENS = """
import json
from runtime.cli.log import set_up_log
from runtime.diagnostics.log_ring import LogRing
ring = LogRing(lambda: 0)
set_up_log(json_lines={json_lines}, ring=ring)
ring.relay("web", json.dumps({{"event": "page_listens", "level": "info", "url": "http://127.0.0.1:8480/\x1b"}}))
"""


@pytest.mark.parametrize("json_lines", [True, False])
def test_where_the_page_listens_is_said_in_words_on_a_console_and_is_an_event_in_a_log_of_json(json_lines: bool) -> None:
    program = LISTENS.format(json_lines=json_lines)
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True).stderr
    if json_lines:
        assert json.loads(said) == {"event": "page_listens", "level": "info", "url": "http://127.0.0.1:8480/\x1b"}
    else:
        assert said == "The gateway's page: http://127.0.0.1:8480/\\x1b\n"


def test_what_a_child_says_is_plain_where_our_own_lines_are() -> None:
    begun, odd, *_, no_json = relayed(json_lines=False)
    assert begun.split() == ["2026-01-01", "[info", "]", "model_begun", "manifest=f65e", "name=line"]
    assert "a\\x1b[2J\\x0ab" in odd
    assert no_json == "no JSON \\x1b[2J\\u202e"
    assert not any("\x1b" in line or "\x07" in line for line in relayed(json_lines=False))


def test_with_json_what_a_child_says_stays_json() -> None:
    begun, odd, no_json = relayed(json_lines=True)
    assert json.loads(begun)["event"] == "model_begun"
    assert json.loads(odd)["exception"] == "one\ntwo\x07"
    assert no_json == "no JSON \x1b[2J\u202e"
