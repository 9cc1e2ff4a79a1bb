"""Anchors: upstreams that leave evidence. The protocol is `anchor.py`; one file per kind; `registry.py` finds them by type name."""
