"""The decoding detective: which address, type, order and scale make a device's registers say what its display shows. Pure.

Room: ground, driver `modbus`. The verb `detect` reads registers and asks `judge`. It never claims more than was seen: see `judgement.py`.
"""

from drivers.modbus.detective.display import Shown, read_shown
from drivers.modbus.detective.hypotheses import Hypothesis, Shape
from drivers.modbus.detective.judgement import Candidate, Finding, judge
from drivers.modbus.detective.question import Look, Quantity, Question

__all__ = ["Candidate", "Finding", "Hypothesis", "Look", "Quantity", "Question", "Shape", "Shown", "judge", "read_shown"]
