"""Ground room: readings become judgement. Empty until the issue that trains and scores lands; the place is kept."""
