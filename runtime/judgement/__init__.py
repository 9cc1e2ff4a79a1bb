"""Judgement: the judge's process, what it says to the core, and what the core keeps of it. The core's files here never import numpy."""
