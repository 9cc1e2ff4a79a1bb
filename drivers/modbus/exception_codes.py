"""Exceptions of Modbus on which something is done, by what they speak of. Source: MODBUS Application Protocol V1.1b3, 7.

Room: ground, driver `modbus`; pure. The reads and searches of this driver act on them, and so do the scans, looks and probes of the hall.
"""

from __future__ import annotations

from typing import Final

address_codes: Final = frozenset({1, 2, 3})
"""They speak of what was asked: the function, the addresses, the length. Worth a search, and remembered."""
lacking_codes: Final = address_codes | {4}
"""They may mean that there is no such register: 2 says so, some devices answer 4 (device failure) for addresses that they lack, or 1."""
busy_codes: Final = frozenset({5, 6})
"""They say "not now": asked again, a bounded number of times. Whether the unit has what was asked for they do not say."""
gateway_codes: Final = frozenset({10, 11})
"""Of a gateway that has no path, or whose unit said nothing. The unit has not spoken, and its map is not at fault."""
