"""Room: hall, accounts. Who people are, how they show it, and what the core lets them ask; `desk` is what the core runs."""
