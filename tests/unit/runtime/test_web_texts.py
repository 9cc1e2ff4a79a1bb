"""A text that must say something, in every body that the page and the API take: blanks alone do not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from runtime.faces.feed_client import FeedClient
from runtime.faces.web.app import rows
from runtime.faces.web.face import Face
from runtime.faces.web.stream import Fanout
from runtime.faces.web.texts import AS_TYPED, Reason, as_typed, blank_in
from tests.rigs.request_texts import NEVER_SHOWN


class Body(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    note: Annotated[str, msgspec.Meta(max_length=9)] = ""
    reason: Reason = ""
    password: Annotated[str, msgspec.Meta(min_length=1, extra=AS_TYPED)] = "x"


@pytest.mark.parametrize(
    ("body", "blank"),
    [
        (Body("a"), None), (Body("  "), "name"), (Body("\t\u3000\u00a0"), "name"), (Body("a", note=" "), None),
        (Body("a", reason=" "), "reason"), (Body("a", password=" "), None), (Body(" a "), None),
    ],
)  # fmt: skip
def test_blanks_say_nothing(body: Body, blank: str | None) -> None:
    assert blank_in(body) == blank


def test_the_blanks_of_a_secret_count_and_nothing_elses() -> None:
    assert as_typed(Body) == {"password"}


def test_of_every_body_each_text_that_is_wanted_must_say_something(tmp_path: Path) -> None:
    """Wanted is a text of at least one character; a secret may be blanks, whatever it is good for."""
    taken = {row.takes for row in rows(Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h")) if row.takes is not None}
    looked_at: set[str] = set()
    for kind in taken:
        described = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"]
        for name in (name for name, told in described.items() if told.get("minLength")):
            body = kind(**{each: " " if each == name else None for each in kind.__struct_fields__})
            assert blank_in(body) == (None if name in NEVER_SHOWN else name), f"{kind.__name__}.{name}"
            looked_at.add(name)
    assert {"name", "reason", "target", "interface", "host", "pem", "password"} <= looked_at


def test_each_reason_that_a_form_asks_for_must_say_something(tmp_path: Path) -> None:
    """Over the API it may be left out; where it is given it says why. A remark may be anything; of alarms the core asks."""
    table = rows(Face(FeedClient(tmp_path / "f", "t"), Fanout(), tmp_path / "h"))
    may_be = {"alarm.ack", "alarm.unshelve", "alarm.reset", "alarm.in_service", "alarm.out_of_service", "model.label", "manual.enter"}
    taken = {row.takes: row.action for row in table if row.takes is not None and row.action not in may_be and not row.form}
    asked = {kind: action for kind, action in taken.items() if "reason" in kind.__struct_fields__}
    assert {"session.end", "token.revoke", "cert.edit", "net.edit", "model.learn"} <= set(asked.values())
    for kind, action in asked.items():
        assert blank_in(kind(**{each: " " if each == "reason" else None for each in kind.__struct_fields__})) == "reason", action
