"""What somebody may not do is said in words, with those who may; a login that need not wait says nothing of waiting."""

from __future__ import annotations

import pytest

from runtime.messages.refusals import refused_text
from runtime.permissions import ACTIONS, ALL_ROLES


def test_what_is_not_allowed_and_who_may() -> None:
    said = refused_text("permission_denied", {"action": "view.accounts"})
    assert said == "Not allowed with your role: “See people, sessions and tokens”. Who may: administrator."
    assert refused_text("permission_denied", {"action": "diag.probe"}).endswith("Who may: technician, engineer.")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_code_of_an_action_is_shown_where_somebody_may(lang: str) -> None:
    may = [action for action, roles in ACTIONS.items() if roles and roles != ALL_ROLES]
    assert [action for action in may if action in refused_text("permission_denied", {"action": action}, lang)] == []


@pytest.mark.parametrize("action", ["account.key", "account.password", "account.language"])
def test_what_every_role_may_is_not_refused_for_a_role(action: str) -> None:
    """It is refused for another person: who may is no answer."""
    assert refused_text("permission_denied", {"action": action}) == f"This session may not do {action}."


def test_a_token_is_told_the_action_that_its_scope_lacks() -> None:
    assert refused_text("permission_denied", {"action": "view.audit"}, by_role=False) == "This session may not do view.audit."


def test_what_is_of_no_role_is_said_by_its_code() -> None:
    assert "judgement" in refused_text("permission_denied", {"action": "judgement"})


def test_a_login_tells_of_a_wait_only_where_there_is_one() -> None:
    assert refused_text("login_refused", {"retry_after_s": 0}) == "The name or the password is not right."
    assert refused_text("login_refused", {"retry_after_s": 8}).endswith("Wait 8 s before the next try.")
    assert refused_text("again_refused", {"retry_after_s": 0}) == "The password is not right."
    assert refused_text("again_refused", {"retry_after_s": 8}).endswith("wait 8 s and try again.")
