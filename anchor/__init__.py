"""Upstream: the other end of the wire. A witness and mirror for many gateways; imports ledger_client only."""
