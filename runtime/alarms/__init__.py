"""Alarms: from conditions to what a person must answer, kept in the ledger."""
