"""Tags of a device as a table for spreadsheets, and back. Pure; the verb `tags` uses it. See docs/commissioning.md."""
