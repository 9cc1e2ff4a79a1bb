"""Whether a device answers for both tables of registers from one memory, as many do.

Room: ground, driver `modbus`; pure. `judgement` asks. Then a reading of the one table and the same of the other are one and the same, and
no change of the number ever tells them apart.
"""

from __future__ import annotations

from typing import Final

from drivers.modbus.detective.question import Question

_tables: Final = ("holding", "input")
_registers_min: Final = 8
_values_min: Final = 4


def is_mirrored(question: Question) -> bool:
    """Return whether enough registers were read in both tables, were the same at every read, differ among each other, and some changed.

    Registers that merely happen to agree, such as a setpoint and what follows it, have neighbours that do not.
    """
    seen: list[dict[int, int]] = []
    for look in question.looks:
        for read in look.reads:
            one, other = ({at: word for (table, at), word in read.items() if table == which} for which in _tables)
            both = one.keys() & other.keys()
            if len(both) < _registers_min or any(one[at] != other[at] for at in both):
                return False
            seen.append({at: one[at] for at in both})
    changed = any(first[at] != later[at] for first in seen[:1] for later in seen[1:] for at in first.keys() & later.keys())
    return changed and len({word for read in seen[:1] for word in read.values()}) >= _values_min
