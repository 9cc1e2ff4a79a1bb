"""Ground room: the field becomes readings. See `drivers/driver.py` for the protocol that every driver keeps."""
