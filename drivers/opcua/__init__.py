"""OPC UA client: nodes become scans, polled or pushed. `factory.py` is the entrance; README.md says how it behaves."""
