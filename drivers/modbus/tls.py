"""Whom a Modbus/TLS connection believes: a certificate authority's file, one pinned certificate, or both.

Room: ground, driver `modbus`. Called by `connecting.py` for each connection, off the loop, so that a renewed certificate file counts at the
next connection. Source: MODBUS/TCP Security (2018), which asks for TLS 1.2 at least and a certificate at both ends.
"""

from __future__ import annotations

import ssl
from hashlib import sha256
from hmac import compare_digest

from drivers.driver import DriverError
from drivers.modbus.end_point import TlsTrust
from drivers.reading import Status


def tls_context(trust: TlsTrust) -> ssl.SSLContext:
    """Read the files and return the context. Blocking. Raises DriverError `tls_files`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not trust.ca_file:  # the pin alone decides
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        if trust.ca_file:
            context.load_verify_locations(trust.ca_file)
        if trust.client_cert_file:
            context.load_cert_chain(trust.client_cert_file, trust.client_key_file)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(filter(None, (trust.ca_file, trust.client_cert_file, trust.client_key_file)))
        raise DriverError("tls_files", Status.BAD_CONFIGURATION_ERROR, files=files, detail=str(error)) from error
    return context


def is_pinned(trust: TlsTrust, certificate: bytes | None) -> bool:
    """Tell whether the server showed the certificate that is expected (DER), or none is pinned."""
    if not trust.server_sha256:
        return True
    return certificate is not None and compare_digest(sha256(certificate).hexdigest(), trust.server_sha256.replace(":", ""))
