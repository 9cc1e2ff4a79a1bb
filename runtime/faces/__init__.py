"""What people and integrators see. A face talks to the core through the feed's socket only, and dies alone."""
