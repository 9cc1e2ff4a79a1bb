"""The exceptions of Modbus, sorted by what they speak of. Source: MODBUS Application Protocol V1.1b3, 7.

Room: ground, driver `modbus`; pure. `reader.py`, `searching.py`, `proving.py` and `identification.py` act on them, and so do scans and the
detective of the commissioning.
"""

from __future__ import annotations

from typing import Final

address_codes: Final = frozenset({1, 2, 3})
"""They speak of what was asked: the function, the addresses, the length. Worth a search, and remembered."""
busy_codes: Final = frozenset({5, 6})
"""They say "not now": asked again, a bounded number of times. Whether the unit has what was asked for they do not say."""
gateway_codes: Final = frozenset({10, 11})
"""Of a gateway that has no path, or whose unit said nothing. The unit has not spoken, and its map is not at fault."""
