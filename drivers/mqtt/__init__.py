"""MQTT ingest: JSON topics and Sparkplug B become scans. `factory.py` is the entrance; README.md says how it behaves."""
