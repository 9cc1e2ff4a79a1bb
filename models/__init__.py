"""Ground room: readings become judgement. README.md walks through it."""
