"""What helps to find out why a gateway does not do what it should: its log, its processes, probes, and a bundle to hand to somebody."""
