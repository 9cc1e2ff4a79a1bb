"""The parts for whoever looks after the gateway: people, certificate, audit trail, connections, about, diagnostics.

Room: hall, face. `app` takes them into its table.
"""

from __future__ import annotations

from runtime.faces.web.audit_pages import AuditPages
from runtime.faces.web.certificate_pages import CertificatePages
from runtime.faces.web.diagnostics_pages import DiagnosticsPages
from runtime.faces.web.face import Face
from runtime.faces.web.first_pages import FirstPages
from runtime.faces.web.network_pages import NetworkPages
from runtime.faces.web.people_pages import PeoplePages
from runtime.faces.web.rows import Part


def admin_parts(face: Face) -> list[Part]:
    """Return them."""
    return [PeoplePages(face), CertificatePages(face), AuditPages(face), DiagnosticsPages(face), NetworkPages(face), FirstPages(face)]
