"""The gateway's own network: what it is, and changes of it that undo themselves unless somebody confirms them from the new address."""
