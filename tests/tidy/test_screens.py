"""No page without a row in a walk: each is looked at empty, full and broken, and each form that a page sends is refused once on one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from runtime.faces.feed_client import FeedClient
from runtime.faces.web.app import rows
from runtime.faces.web.face import Face
from runtime.faces.web.rows import RouteRow
from runtime.faces.web.stream import Fanout
from tests.integration.web import screens, test_alarm_screens, test_setup_screens

ALIKE: Final = {
    "/login": {"full", "error"},
    "/claim": {"empty"},
    "/password": {"full", "error"},
    "/tablet": {"full", "error"},
    "/prove": {"full", "error"},
    "/login/sso": {"full", "error"},
    "/login/sso/back": {"full", "error"},
    "/again/sso": {"full", "error"},
}
"""Pages that show nothing of the plant, or nothing without one: the states that there are."""
ELSEWHERE: Final = {
    "/verify": "the verifier's own page, in states of its own: tests/integration/evidence/test_verifier_page_by_hand.py",
}
SENT: Final = {
    "/login": "login_refused",
    "/claim": "claim_refused",
    "/password": "password_refused",
    "/stations": "reading_refused",
    "/alarms/shelve": "alarm-refused",
    "/learn/arm": "model_refused",
    "/anomalies/label": "label_refused",
}
"""Forms, and the row in which one is refused on the page that sent it."""
SENT_ALIKE: Final = {
    "/learn/learn": "as /learn/arm, one endpoint",
    "/learn/check": "as /learn/arm, one endpoint",
    "/learn/shadow": "as /learn/arm, one endpoint",
    "/learn/disarm": "as /learn/arm, one endpoint",
    "/logout": "it is not refused: who is signed in no more is shown the way in",
    "/alarms/ack": "as /alarms/shelve, one endpoint",
    "/alarms/reset": "as /alarms/shelve, one endpoint",
    "/alarms/unshelve": "as /alarms/shelve, one endpoint",
    "/alarms/out_of_service": "as /alarms/shelve, one endpoint",
    "/alarms/in_service": "as /alarms/shelve, one endpoint",
    "/alarms/test": "a page of its own says why, as for every refusal: `denied`",
}


def pages(method: str, tmp_path: Path) -> list[RouteRow]:
    table = rows(Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h"))
    return [row for row in table if row.is_page and row.method == method]


def walked() -> list[tuple[str, str, str]]:
    """Return (name, path, state) of everything that a walk looks at."""
    found = []
    for row in (*screens.SCREENS, *(row for row, _ in screens.JUDGED)):
        found += [(row.name, row.path, state) for state in row.states]
    for row in (*screens.GATEWAY, *screens.CLAIM):
        found += [(row.name, row.path, state) for state in row.states if state != "error"]  # its core is never gone
    for walk in (test_setup_screens, test_alarm_screens):
        found += [(name, path, "empty") for name, path, _ in walk.EMPTY] + [(name, path, "full") for name, path, _ in walk.FULL]
    return found


def test_every_page_is_walked_in_every_state(tmp_path: Path) -> None:
    missing = []
    for row in pages("GET", tmp_path):
        if row.path in ELSEWHERE:
            continue
        pattern = re.compile(re.sub(r"\\\{\w+(:\w+)?\\\}", "[^/]+", re.escape(row.path)))
        seen = {state for _, path, state in walked() if pattern.fullmatch(path.partition("?")[0])}
        missing += [f"{row.path}: {state}" for state in sorted(ALIKE.get(row.path, set(screens.EVERY_STATE)) - seen)]
    assert not missing, "tests/integration/web/screens.py has no row for\n" + "\n".join(missing)


def test_every_form_is_refused_on_its_page(tmp_path: Path) -> None:
    names = {name for name, _, _ in walked()}
    paths = {row.path for row in pages("POST", tmp_path)}
    assert paths == SENT.keys() | SENT_ALIKE.keys()
    assert {name for name in SENT.values() if name not in names} == set()


def test_what_stands_in_these_tables_is_a_page(tmp_path: Path) -> None:
    assert {*ALIKE, *ELSEWHERE} <= {row.path for row in pages("GET", tmp_path)}
