"""GPIO lines of the gateway itself: contacts, pulses, outputs. `factory.py` is the entrance; README.md says how it behaves."""
