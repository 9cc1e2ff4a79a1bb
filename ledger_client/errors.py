"""The error types of this room, drawn as a tree.

LedgerError
├── FormatError      bytes that are not what docs/ledger-format.md says (hostile or damaged input)
├── KeyFaultError         a key file that is missing, too open, or a key that must not be trusted
├── StoreError       the disk refused or lied; evidence stops
│   └── CorruptError a bad record with good ones after it: read-only, never cut
├── SignerError      the signer refused or died
└── AnchorError      an upstream did not do what was asked

Room: ground. Everything in ledger_client raises only these for what comes from outside.
"""

from __future__ import annotations


class LedgerError(Exception):
    """Root of what can go wrong here; `code` is a message code, `params` fill its blanks."""

    def __init__(self, code: str, /, **params: str | int | float) -> None:
        self.code = code
        self.params = dict(params)
        super().__init__(code + (f" {self.params}" if params else ""))


class FormatError(LedgerError):
    """Input that the format does not allow."""


class KeyFaultError(LedgerError):
    """A key that cannot or must not be used."""


class StoreError(LedgerError):
    """The disk failed; nothing more is acknowledged."""


class CorruptError(StoreError):
    """Stored bytes are damaged in a way that a power cut does not explain."""


class SignerError(LedgerError):
    """The signer refused a request or went away."""


class AnchorError(LedgerError):
    """An anchor failed or answered wrongly; `transient` tells whether asking again can help."""

    def __init__(self, code: str, /, *, transient: bool = True, **params: str | int | float) -> None:
        super().__init__(code, **params)
        self.transient = transient
