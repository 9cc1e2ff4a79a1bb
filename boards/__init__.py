"""Ground room: what hardware Witnessmark runs on. A board is a folder of data; `board.py` loads it."""
