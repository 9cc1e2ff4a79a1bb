"""What may stand as the host of a device: addresses and names, without a port; the same judgement in the options and in a scan."""

from __future__ import annotations

import pytest

from drivers.host import check_host
from drivers.option_error import OptionError
from drivers.registry import load_config
from runtime.commissioning.scan_bounds import hosts_of
from runtime.config import parse_config
from runtime.config_faults import ConfigError

GOOD = [
    "10.0.0.5",
    "192.168.001.000",
    "::1",
    "fe80::1%eth0",
    "2001:db8::5",
    "plc",
    "3com.plant",
    "10.0.0.5.nip.io",
    "press_4.plant",
    "müller.plant",
    "plc.plant.",
]


@pytest.mark.parametrize("host", GOOD)
def test_addresses_and_names_are_hosts(host: str) -> None:
    assert check_host(host) == host


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("127.0.0.1:15502", 15502), ("plc:502", 502), ("[fe80::1]:502", 502), ("[::1]", 0), ("10.0.0.256", 0), ("1.2.3.4.5", 0), ("a b", 0),
        ("http://10.0.0.5", 0), ("10.0.0.5/24", 0), ("plc:99999", 0), ("plc:", 0), ("a..b", 0), ("x" * 64, 0), ("fe80::1::2", 0),
        ("192.168.010.2", 0), ("10.0.0.08", 0), ("10.0.3", 0), ("10", 0), ("10.0.0.", 0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("driver", ["modbus", "mqtt"])
def test_a_host_with_a_port_and_what_is_none_are_told_so(driver: str, host: str, port: int) -> None:
    with pytest.raises(OptionError) as refused:
        check_host(host)
    expected = {"value": host, "port": port} if port else {"value": host}
    assert (refused.value.code, refused.value.params) == ("config_host_port" if port else "config_host", expected)
    with pytest.raises(ValueError, match=refused.value.code):
        load_config(driver, "d", {"host": host})
    with pytest.raises(OptionError):
        hosts_of([host] if "/24" not in host else ["a/24"])


def test_what_stands_before_an_at_is_not_shown() -> None:
    with pytest.raises(OptionError) as refused:
        check_host("ada:secret@broker")
    assert refused.value.params == {"value": "…@broker"}


def test_a_device_of_a_template_is_told_of_its_host_first_and_once() -> None:
    with pytest.raises(ConfigError) as refused:
        parse_config('[gateway]\nname = "g"\n[devices.m3]\ntemplate = "sdm120"\nhost = "127.0.0.1:15502"\nport = 0\n')
    assert [(fault.where, fault.code) for fault in refused.value.faults] == [
        ("devices.m3.host", "config_host_port"), ("devices.m3.port", "config_below_min"),
    ]  # fmt: skip
    assert "port = 15502" in refused.value.faults[0].text()
