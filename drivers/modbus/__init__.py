"""Modbus on every wire: registers and coils become scans. `factory.py` is the entrance; README.md says how it behaves."""
