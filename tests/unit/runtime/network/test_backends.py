"""What the back ends write is what they read back; what the privileged part is sent, it checks by itself."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.network.backend import BACKENDS, NONE, chosen
from runtime.network.networkd_backend import NetworkdBackend, parse, text_of
from runtime.network.nmcli_backend import FIELDS, modifications, settings_from
from runtime.network.privileged import answer_of
from runtime.network.settings import METHODS, NetworkError, Settings

WISHES = (
    Settings("dhcp"),
    Settings("dhcp", dns=("10.0.0.1",)),
    Settings("static", ("10.0.0.5/24",)),
    Settings("static", ("10.0.0.5/24", "10.0.1.5/31"), "10.0.0.1", ("10.0.0.1", "2001:db8::1")),
)


@pytest.mark.parametrize("settings", WISHES, ids=str)
def test_a_file_of_networkd_is_read_back(settings: Settings) -> None:
    assert parse(text_of("eth0", settings)) == settings


def test_a_file_that_could_not_be_put_in_force_is_gone_again(tmp_path: Path) -> None:
    """Networkd does not run here, so `networkctl` fails: the machine's own settings must hold as before."""
    if Path("/run/systemd/netif/state").exists():
        pytest.skip("networkd runs here")
    backend = NetworkdBackend(tmp_path)
    assert backend.read("eth0") == Settings("absent")
    with pytest.raises(NetworkError) as error:
        backend.put("eth0", WISHES[-1])
    assert error.value.code in {"net_program_failed", "net_program_missing"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("settings", [*WISHES, Settings("absent")], ids=str)
def test_what_nmcli_is_told_is_what_it_would_print(settings: Settings) -> None:
    told = dict(zip(*[iter(modifications(settings))] * 2, strict=True))
    assert settings_from("\n".join(told[name] for name in FIELDS)) == settings
    assert told["ipv4.ignore-auto-dns"] == ("yes" if settings.method == "dhcp" and settings.dns else "no")


@pytest.mark.parametrize(
    "printed",
    [
        "auto\n10.0.0.5/24\n\n\nno",
        "auto\n\n10.0.0.1\n\nno",
        "auto\n\n\n10.0.0.1\nno",  # beside the lease's
        "auto\n\n\n\nyes",
        "manual\n10.0.0.5/24\n\n10.0.0.1\nyes",
        "link-local\n\n\n\nno",
        "shared\n10.42.0.1/24\n\n\nno",
    ],
)
def test_a_profile_that_undoing_could_not_put_back_is_refused(printed: str) -> None:
    with pytest.raises(NetworkError) as error:
        settings_from(printed)
    assert error.value.code == "net_holds_more"


@given(st.text(max_size=80))
def test_whatever_nmcli_prints_is_settings_or_a_fault(text: str) -> None:
    with contextlib.suppress(NetworkError):
        assert settings_from(text).method in METHODS


GOOD = {"backend": "ip", "do": "put", "interface": "lo9", "settings": {"method": "absent", "addresses": [], "gateway": "", "dns": []}}


@pytest.mark.parametrize(
    "request_of",
    [
        None,
        [],
        GOOD | {"more": 1},
        GOOD | {"backend": "shell"},
        GOOD | {"do": "run"},
        GOOD | {"interface": "../../etc"},
        GOOD | {"interface": "lo"},
        GOOD | {"profile": "--help"},
        GOOD | {"profile": "------------------------------------"},
        GOOD | {"profile": ["x"]},
        GOOD,  # an interface that is not there
        {"backend": "ip", "do": "read", "interface": ["eth0"]},
    ],
)
def test_the_privileged_part_does_nothing_it_was_not_made_for(request_of: Any) -> None:
    with pytest.raises(NetworkError):
        answer_of(json.dumps(request_of).encode())


@given(st.binary(max_size=200))
def test_bytes_that_are_no_request(data: bytes) -> None:
    with pytest.raises(NetworkError):
        answer_of(data)


def test_a_request_that_is_too_long() -> None:
    with pytest.raises(NetworkError):
        answer_of(json.dumps(GOOD | {"reason": "x" * 9_000}).encode())


def test_ip_is_never_chosen_by_itself() -> None:
    assert chosen("ip") == "ip"
    assert chosen("none") == chosen("magic") == NONE
    assert chosen("auto") in {NONE, "networkmanager", "networkd"}
    assert not BACKENDS["ip"].lasting
