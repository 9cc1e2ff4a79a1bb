"""A captured device in place of a real one. `factory.py` is the entrance; README.md says how it behaves."""
