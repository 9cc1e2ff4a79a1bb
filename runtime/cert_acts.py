"""A tenant of the door: the page's certificate. `cert.edit` gives a signing request, puts a CA's in force, or signs our own anew.

Room: hall. `app` gives it to the door. It checks and acts; it records nothing and knows no face. No answer has the key in it.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Final

from ledger_client.disk import Disk
from ledger_client.errors import LedgerError
from runtime.acts import Act, Outcome
from runtime.clock import Clock
from runtime.config import Config
from runtime.door_tenants import DONE
from runtime.faces.feed import RequestRefusedError
from runtime.layout import Layout
from runtime.web_names import PEM_SIZE_MAX

if TYPE_CHECKING:
    from runtime.web_certificate import Told, WebCertificate

CSR, IMPORT, RENEW = "csr", "import", "renew"
WHAT: Final = (CSR, IMPORT, RENEW)


def certificate_acts(disk: Disk, layout: Layout, config: Callable[[], Config], clock: Clock, work: Executor) -> dict[str, CertificateEdit]:
    """Return the acts of this file by action."""

    def certificate() -> WebCertificate:
        from runtime.web_certificate import WebCertificate

        return WebCertificate(disk, layout.web_certificate)

    return {"cert.edit": CertificateEdit(certificate, config, clock, work)}


class CertificateEdit:
    """`cert.edit`: target `csr` (the outcome's `pem` is the request), `import` (params `pem`: the certificate, then its chain) or `renew`.

    `renew` signs the device's own certificate anew, for the names and addresses that it has now. Params of it and of `csr` may have
    `address`, at which whoever asks reaches it. The outcome of `csr` has `new_key` where the key was gone and another one was made.
    """

    def __init__(self, certificate: Callable[[], WebCertificate], config: Callable[[], Config], clock: Clock, work: Executor) -> None:
        """`certificate` is called in the executor: what it stands on (X.509, 1 MB) a gateway needs once in years."""
        self._certificate, self._config, self._clock, self._work = certificate, config, clock, work

    async def check(self, act: Act) -> None:
        """See Tenant."""
        pem = act.params.get("pem")
        takes = {IMPORT: ({"pem"},), **dict.fromkeys((RENEW, CSR), (set(), {"address"}))}
        if set(act.params) not in takes.get(act.target, ()) or not _is_address(act.params.get("address", "::1")):
            raise RequestRefusedError("cert_shape", known=", ".join(WHAT))
        if act.target == IMPORT and (not isinstance(pem, str) or len(pem) > PEM_SIZE_MAX):
            raise RequestRefusedError("cert_invalid_long")

    async def perform(self, act: Act) -> Outcome:
        """See Tenant."""
        try:
            if act.target == CSR:
                config, address = self._config(), str(act.params.get("address", ""))
                pem, is_new = await self._blocking(lambda: self._certificate().request(config.gateway.name, config.web.hosts, address))
                return Outcome(DONE, {"pem": str(pem), **({"new_key": True} if is_new else {})})
            told = await self._blocking(lambda: self._changed(act))
        except LedgerError as error:
            return Outcome(error.code, dict(error.params))
        except OSError as error:
            return Outcome("act_failed", {"detail": error.strerror or type(error).__name__})
        return Outcome(DONE, {"fingerprint": str(told.fingerprint), "not_after_ms": int(told.not_after_ms)})

    def _changed(self, act: Act) -> Told:
        held, wall_ms = self._certificate(), self._clock.wall_ms()
        if act.target == IMPORT:
            return held.install(str(act.params["pem"]), wall_ms)
        return held.renew(self._config().web.hosts, wall_ms, str(act.params.get("address", "")))

    async def _blocking(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._work, call)


def _is_address(given: Any) -> bool:
    try:
        return isinstance(given, str) and bool(ipaddress.ip_address(given))
    except ValueError:
        return False
