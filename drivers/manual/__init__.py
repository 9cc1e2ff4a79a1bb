"""Readings that people enter, or that a serial gauge or scanner sends. `factory.py` is the entrance; README.md says how it behaves."""
