"""The sim board: a filling line that behaves, behind real Modbus TCP and OPC UA servers on loopback.

Room: ground. `python -I -m boards.sim` serves it; the demo and the tests poll it. Product code outside this folder
never imports it.
"""
