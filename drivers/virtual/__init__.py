"""Virtual tags: values reckoned from those of other tags. `factory.py` is the entrance, `formula.py` what may be written."""
