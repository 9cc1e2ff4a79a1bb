"""Witnessmark's driver for Tickwire weighing terminals: binary frames, polled or pushed."""
