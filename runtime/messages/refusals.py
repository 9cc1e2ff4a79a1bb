"""A refusal in words where its code and parameters alone say too little: what somebody may not do, and who may. Pure.

Room: hall. The web face words refusals with it. It decides nothing: `permissions` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runtime.messages.act_words import action_text
from runtime.messages.catalogue import word
from runtime.permissions import ACTIONS, ALL_ROLES, Role

NOW: Final = {"login_refused": "login_refused_now", "again_refused": "again_refused_now"}
"""Refusals that name a wait, and what they say where there is none."""


def refused_text(code: str, params: Mapping[str, object] | None = None, lang: str = "en", *, by_role: bool = True) -> str:
    """Return the text of a code: of what one may not do in words, with the roles that may; of a password no wait that there is not.

    `by_role`: whoever asked may what their role may, as a person does; a token does not. What all may is refused for another cause.
    """
    values = dict(params or {})
    may = ACTIONS.get(str(values.get("action")), frozenset())
    if code == "permission_denied" and by_role and may and may != ALL_ROLES:
        roles = word("web.comma", None, lang).join(word(f"web.role.{role}", None, lang) for role in Role if role in may)
        return word("permission_denied_to", {"what": action_text(str(values["action"]), lang), "roles": roles}, lang)
    if code in NOW and not values.get("retry_after_s"):
        return word(NOW[code], None, lang)
    return word(code, values, lang)
