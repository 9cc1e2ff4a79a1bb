"""Orders on machines: planned, approved by a person, dispatched through the door. Empty until that issue lands; the place is kept."""
