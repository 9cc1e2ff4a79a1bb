"""The verifier page that is committed is the one that its modules make, and nothing in it reaches for a network.

Room: tests. Reads files; the browser's part is in tests/integration/evidence.
"""

from __future__ import annotations

import re
from hashlib import sha256

import pytest

from ledger_client.errors import FormatError
from ledger_client.verifier_page import verifier_page
from ledger_client.verifier_page.embed import PAGE_FILE, page_policy_header
from tests.make_verifier_page import SOURCES, page
from tests.rigs.evidence import policy_text


def test_the_committed_page_is_made_of_its_modules() -> None:
    assert PAGE_FILE.read_text(encoding="utf-8") == page(), "run python -m tests.make_verifier_page"


def test_nothing_reaches_out_and_nothing_writes_markup() -> None:
    """The page's own policy forbids both; this says so where a reviewer sees it."""
    reaching = re.compile(
        r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts|innerHTML|outerHTML|document\.write|eval)\b"
    )
    found = [f"{p.name}: {m[0]}" for p in sorted(SOURCES.iterdir()) for m in reaching.finditer(p.read_text(encoding="utf-8"))]
    assert not found
    assert page_policy_header().startswith("default-src 'none';")
    outside = re.findall(r"(?:src|href)\s*=|https?://[^\s\"'<>]+", PAGE_FILE.read_text(encoding="utf-8"))
    assert set(outside) <= {"http://www.w3.org/2000/svg", "https://witnessmark.example/event/"}, "a name space and a type, no addresses"


def test_a_policy_is_put_in_and_nothing_else_changes() -> None:
    plain, named = verifier_page(), verifier_page(policy_text(operators="operator </script><!-- w1\n"))
    assert sha256(plain).digest() == sha256(PAGE_FILE.read_bytes()).digest()
    before, after = plain.split(b'"policy": null'), named.split(b'"policy": "')
    assert len(before) == len(after) == 2
    assert before[0] == after[0]
    assert after[1].split(b'"', 1)[1] == before[1]
    assert named.count(b"</script>") == plain.count(b"</script>")
    for broken in (b"quorum nobody\n", b"quorum none\n# \xff\n"):
        with pytest.raises(FormatError):
            verifier_page(broken)


def test_every_word_stands_in_both_languages() -> None:
    text = (SOURCES / "words.js").read_text(encoding="utf-8")
    english, chinese = text.split("\n  zh: {")
    keys = [re.findall(r"(?<=[ {])([a-z]\w*): \"", part) for part in (english, chinese)]
    assert len(keys[0]) > 100
    assert keys[0] == keys[1]
    blanks = [[sorted(re.findall(r"\{(\w+)\}", line)) for line in re.findall(r": \"([^\"]*)\"", part)] for part in (english, chinese)]
    assert blanks[0] == blanks[1]
