"""Prove this reading: what is proved, by whom, since when, what is not; the file, the sheet to print, the code for a phone; the verifier.

Room: hall, face. `app` puts its rows into the table. The history process makes the proof; this judges it as any reader would, by the policy
of this gateway, and says so: it is the gateway's own word until somebody else checks the file.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from ledger_client.errors import FormatError, LedgerError
from runtime.faces.feed import RequestRefusedError
from runtime.faces.web import pages
from runtime.faces.web.answers import language
from runtime.faces.web.assets import Asset, packed_asset
from runtime.faces.web.face import Face
from runtime.faces.web.rows import ANYONE, RouteRow
from runtime.faces.web.values_api import TIME_MS_MAX, ProofQuery
from runtime.messages.catalogue import word
from runtime.messages.units import unit_sign

if TYPE_CHECKING:
    from ledger_client.claims import Report

CLAIMS: Final = ("altered", "dropped", "reordered", "back_dated", "withheld", "unanchored", "equivocated")
WAITING: Final = ("proof_not_ready",)


@dataclass(frozen=True, slots=True)
class Shown:
    """A proof as the page shows it. `code` is the SVG of the QR code, None where the link is too long for one."""

    report: Report
    value: str
    rows: tuple[tuple[str, str, int | None], ...]
    """(label, text, ms of a time or None)."""
    claims: tuple[tuple[str, str, str], ...]
    """(status, claim, why)."""
    link: str
    code: Markup | None


class ProvePages:
    """The endpoints."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._page: Asset | None = None

    def routes(self) -> list[RouteRow]:
        """See `rows.Part`."""
        return [
            RouteRow("GET", "/prove", "view.proof", self.prove, query=ProofQuery, doc="page.prove", is_page=True),
            RouteRow("GET", "/verify", ANYONE, self.verify, doc="page.verify", is_page=True),
        ]

    async def prove(self, request: Request) -> Response:
        """The proof of a tag's newest reading that can be proved, or of the one at `at`; while none is confirmed outside, that."""
        asked: ProofQuery = request.state.query
        tag = self._face.feed.tags.get(asked.uid)
        at_ms = asked.at if asked.at is not None else int(time.time() * 1000)
        if tag is None or not 0 <= at_ms <= TIME_MS_MAX:
            raise RequestRefusedError("page_missing")
        shown, refused = None, None
        try:
            data = await self._face.ask_history("proof", {"uid": asked.uid, "at_ms": at_ms})
            shown = await asyncio.to_thread(self._shown, data, self._verifier(request), language(request))
        except RequestRefusedError as error:
            refused = error
        file = f"/api/v1/proof?uid={asked.uid}&at={_exact(shown, at_ms)}"
        verifier = self._verifier(request)
        return self._face.render(
            request, "prove.html", here="live", tag=tag, shown=shown, refused=refused, file=file,
            waits=refused is not None and refused.code in WAITING, verifier=verifier, is_here_only=is_here_only(verifier),
        )  # fmt: skip

    async def verify(self, request: Request) -> Response:
        """The verifier: one page that needs no gateway. It stands in no frame of ours and has a policy of its own."""
        from ledger_client.verifier_page.embed import page_policy_header, verifier_page

        if self._page is None:
            self._page = packed_asset("verify.html", verifier_page())
        response = self._page.answer(request, "no-cache")
        response.headers["content-security-policy"] = page_policy_header()
        return response

    def _verifier(self, request: Request) -> str:
        return self._face.options.verifier or f"{request.url.scheme}://{request.headers.get('host', '')}/verify"

    def _shown(self, data: bytes, base_url: str, lang: str) -> Shown:
        """Judge a proof and word it. Blocking: hashes and signatures. Raises RequestRefusedError."""
        from ledger_client.policy import parse_policy  # 10 MB of libraries, for a page that is seldom looked at
        from ledger_client.policy_text import policy_fingerprint
        from ledger_client.proof_link import proof_link
        from ledger_client.verify import verify_file
        from runtime.qr import qr_svg

        try:
            policy = self._face.policy()
            report = verify_file(data, parse_policy(policy))
            link = proof_link(data, base_url, policy)
        except (LedgerError, OSError) as error:
            raise RequestRefusedError(getattr(error, "code", "policy_unreadable")) from error
        code = None
        try:
            code = Markup(qr_svg(link))  # noqa: S704  drawn by us from digits and our own address: no text of others stands in it
        except FormatError:
            pass  # it does not fit the largest code there is: the file is the way
        rows = (*_rows(report.facts, lang), (word("web.policy.fingerprint", None, lang), policy_fingerprint(policy), None))
        return Shown(report, _value(report.facts, lang), rows, _claims(report, lang), link, code)


def is_here_only(url: str) -> bool:
    """Tell whether an address leads whoever opens it to their own machine: a phone that scanned it would find itself."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _exact(shown: Shown | None, at_ms: int) -> int:
    """Return the time of the very reading that the page shows, so that the file is of that one."""
    reading = shown.report.facts.get("reading") if shown is not None else None
    return int(reading["time_ms"]) if reading else at_ms


def _value(facts: Mapping[str, Any], lang: str) -> str:
    if "reading" not in facts:
        return "—"
    tag = facts["tag"]
    row = [tag["uid"], tag["name"], "", tag["unit"], tag["type"], tag["exponent"]]
    return f"{pages.show_value(facts['reading']['value'], row, lang)} {unit_sign(tag['unit'])}".strip()


def _rows(facts: Mapping[str, Any], lang: str) -> tuple[tuple[str, str, int | None], ...]:
    if "reading" not in facts:
        return ()
    tag, reading, bounds = facts["tag"], facts["reading"], facts["time"]
    known: list[tuple[str, str, int | None]] = [
        ("tag", tag["name"], None), ("asset", tag["asset"] or "—", None),
        ("quality", word(f"web.quality.{('good', 'uncertain', 'bad').index(reading['quality'])}", None, lang), None),
        ("read", "", reading["time_ms"]),
        *([("device_time", "", reading["source_ms"])] if reading["source_ms"] is not None else []),
        ("not_before", *_bound(bounds["not_before_s"])), ("not_after", *_bound(bounds["not_after_s"])),
        ("witnesses", ", ".join(str(each.get("name", "")) for each in facts.get("witnesses", ())) or "—", None),
        ("log", str(facts.get("origin", "—")), None), ("entry", str(facts["seq"]), None),
    ]  # fmt: skip
    return tuple((word(f"web.prove.{name}", None, lang), text, ms) for name, text, ms in known)


def _bound(seconds: int | None) -> tuple[str, int | None]:
    return ("—", None) if seconds is None else ("", 1000 * seconds)


def _claims(report: Report, lang: str) -> tuple[tuple[str, str, str], ...]:
    told: Callable[[str], str] = lambda code: word(code, None, lang)  # noqa: E731
    found = [(report.claims[name].status, told(f"claim.{name}"), report.claims[name]) for name in CLAIMS if name in report.claims]
    return tuple((status, claim, word(each.code, each.params, lang)) for status, claim, each in found)
