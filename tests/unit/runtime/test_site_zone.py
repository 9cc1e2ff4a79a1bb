"""Times in the site's zone: offsets over a change of the clocks, what no calendar reaches, which zone counts."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.config import parse_config
from runtime.config_faults import ConfigError
from runtime.faces.web.site_zone import iso, moment_in, offset, zone_name, zone_of

BERLIN = ZoneInfo("Europe/Berlin")
OCTOBER_MS = 1_761_436_800_000
"""2025-10-26 00:00 UTC, an hour before Berlin goes back to winter time."""


def test_the_hour_that_comes_twice_is_told_apart() -> None:
    assert iso(OCTOBER_MS + 1_800_007, BERLIN) == "2025-10-26T02:30:00.007+02:00"
    assert iso(OCTOBER_MS + 5_400_007, BERLIN) == "2025-10-26T02:30:00.007+01:00"
    assert moment_in(OCTOBER_MS, UTC) == "2025-10-26 00:00:00.000Z"
    assert offset(OCTOBER_MS, ZoneInfo("Asia/Kolkata")) == "+05:30"


@given(st.integers(0, 4_000_000_000_000), st.sampled_from(["Europe/Berlin", "America/St_Johns", "Asia/Shanghai", "Pacific/Chatham", ""]))
def test_what_is_written_is_the_same_moment(wall_ms: int, name: str) -> None:
    assert round(datetime.fromisoformat(iso(wall_ms, zone_of(name))).timestamp() * 1000) == wall_ms


@pytest.mark.parametrize("beyond", [10**18, -(10**18)])
def test_where_no_calendar_reaches_it_is_a_number(beyond: int) -> None:
    assert iso(beyond, BERLIN) == f"{beyond} ms"
    assert offset(beyond, BERLIN) == "+00:00"


def test_the_sites_zone_comes_before_the_persons() -> None:
    ada = {"zone": "America/New_York"}
    assert zone_name({"gateway": {"zone": "Asia/Shanghai"}}, ada) == "Asia/Shanghai"
    assert zone_name({"gateway": {"zone": ""}}, ada) == "America/New_York"
    assert zone_name({}, None) == ""


@pytest.mark.parametrize("zone", ["Mars", "America", "../etc/passwd", "/UTC", "Europe/Berlin\\u0000"])
def test_a_zone_that_is_none_is_a_fault_of_the_file(zone: str) -> None:
    assert parse_config('[gateway]\nname = "g"\nzone = "Asia/Shanghai"\n').gateway.zone == "Asia/Shanghai"
    with pytest.raises(ConfigError) as error:
        parse_config(f'[gateway]\nname = "g"\nzone = "{zone}"\n')
    assert [fault.code for fault in error.value.faults] == ["config_zone"]
