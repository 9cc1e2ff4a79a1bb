"""Ground room: bytes become evidence. Knows no PLC, no tag group period and no page; see docs/ledger-format.md."""
