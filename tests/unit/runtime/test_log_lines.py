"""Log lines in words: what the log says stands in the log's own words, also where a page has a text for the same code."""

from __future__ import annotations

import pytest

from runtime.faces.web.log_lines import rows_of
from runtime.messages.catalogue import catalogue


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    ("code", "params"),
    [
        ("directory_away", {"directory": "ldap", "reason": "timed out"}),
        ("network_change_unreadable", {"reason": "timed out"}),
        ("network_undo_failed", {"interface": "eth0", "reason": "timed out"}),
        ("network_undo_unrecorded", {"interface": "eth0", "reason": "timed out"}),
    ],
)
def test_a_line_says_everything_that_was_logged(code: str, params: dict[str, str], lang: str) -> None:
    (row,) = rows_of([[1, 0, "warning", "core", code, params, ""]], lang)
    assert (row.more, "{" in row.text) == ("", False)
    assert all(value in row.text for value in params.values())
    assert row.text != catalogue(lang).get(code)
