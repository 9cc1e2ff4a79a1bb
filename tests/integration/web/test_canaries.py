"""Secrets of a real gateway appear nowhere but where they are kept: not in answers of the page and the API, logs, ledger or other files."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from tests.rigs.web_site import PASSWORD, Site, site

CANARY = "Kanarienvogel-4711-im-Bergwerk"
HOOK = """
[[notify.targets]]
name = "desk"
type = "webhook"
url = "https://127.0.0.1:9/hook"
hmac_file = "{secret}"
"""
BODIES = (
    '{"password": "%s"', '{"password": ["%s"]}', '{"password": {"a": "%s"}}', '{"password": "%s", "more": 1}', '"%s"', '["%s"]', "%s",
    '{"reason": "x", "password": "%s", "name": 5}',
)  # fmt: skip
FORMS = ("/login", "/claim", "/password")
CALLS = ("/api/v1/account/again", "/api/v1/tokens", "/api/v1/people/Bo/password", "/api/v1/sessions/end")


async def answers(at: Site) -> list[tuple[str, httpx.Response]]:
    """Everything that somebody gets who sends a secret, to the right place or not. A mistyped claim code stays in its form, on purpose."""
    found, origin = [], at.url.rstrip("/")
    for role in (None, "admin"):
        async with at.client(role) as client:
            token = await at.csrf(role) if role else ""
            headers = {"origin": origin, "x-witnessmark-token": token}
            for path in FORMS:
                for form in (
                    {"name": "Ada", "password": CANARY},
                    {"name": "Ada", "code": "7K2P4", "password": CANARY},
                    {"old": CANARY, "new": CANARY},
                    {"old": CANARY, "new": CANARY, "again": CANARY},
                ):
                    found.append((path, await client.post(path, data={**form, "csrf": token}, headers=headers)))
            for path in (*CALLS, *FORMS):
                for body in BODIES:
                    sent = {**headers, "content-type": "application/json"}
                    found.append((f"{path} {body}", await client.post(path, content=body % CANARY, headers=sent)))
            for name, value in (
                ("authorization", f"Bearer {CANARY}"),
                ("cookie", f"witnessmark={CANARY}"),
                ("x-witnessmark-token", CANARY),
            ):
                for path in ("/", "/live", "/api/v1/values", "/api/v1/account/who", "/nothing"):
                    found.append((f"{path} {name}", await client.get(path, headers={name: value})))
    return found


async def shown(at: Site) -> list[tuple[str, httpx.Response]]:
    """Pages and answers that tell about configuration, health and what happened, to whoever may see the most."""
    async with at.client("admin") as client:
        paths = ("/", "/alarms", "/people", "/audit", "/connections", "/certificate", "/about", "/config", "/diagnostics", "/api/v1/values")
        return [(path, await client.get(path)) for path in paths]


def files_with(folder: Path, secret: bytes) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]


def test_secrets_stay_where_they_are_kept(tmp_path: Path) -> None:
    async def run() -> None:
        kept = tmp_path / "hook.secret"
        kept.write_text(f"hook-{CANARY}")
        kept.chmod(0o600)
        async with site(tmp_path, tags=2, more=HOOK.format(secret=kept)) as at:
            got = [*await answers(at), *await shown(at)]
            wrong = [what for what, answer in got if CANARY in answer.text or any(CANARY in value for value in answer.headers.values())]
            assert len(got) > 150
            assert wrong == []
            assert not [what for what, answer in got if answer.status_code >= 500]
            state, log = at.gateway.state, at.gateway.log
        for secret in (CANARY, PASSWORD, *at.tokens.values()):
            assert files_with(state, secret.encode()) == []
            assert secret.encode() not in log.read_bytes()

    asyncio.run(run())
