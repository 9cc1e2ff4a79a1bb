"""The technician's face: pages from the feed, on loopback, read-only until accounts exist. Its own process; dies alone."""
