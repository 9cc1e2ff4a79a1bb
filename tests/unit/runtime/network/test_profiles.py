"""Which of NetworkManager's profiles is read, changed and put back: the one that was changed, whatever is active by then."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.network.nmcli_backend import PROFILES_MAX, NmcliBackend
from runtime.network.settings import NetworkError, Settings
from tests.rigs.fake_nmcli import FakeNmcli

LEASED, WISH = Settings("dhcp"), Settings("static", ("10.0.1.5/24",))


@pytest.fixture
def nmcli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNmcli:
    return FakeNmcli(tmp_path, monkeypatch)


@pytest.mark.parametrize("taken", ["none", "the other"])
def test_undoing_changes_the_profile_that_was_changed_and_no_other(nmcli: FakeNmcli, taken: str) -> None:
    """The changed one is matched by its MAC and names no interface; another one does. The cable goes out, or the other one is taken."""
    backend, ours, other = NmcliBackend(), nmcli.add(1), nmcli.add(2, "eth0")
    nmcli.state["active"] = ours
    with nmcli:
        profile = backend.profile("eth0")
        assert (profile, backend.read("eth0", profile)) == (ours, LEASED)
        backend.put("eth0", WISH, profile)
    assert nmcli.state["profiles"][ours]["ipv4.addresses"] == WISH.addresses[0]
    nmcli.state |= {"active": None, "cable": False} if taken == "none" else {"active": other}
    untouched = dict(nmcli.state["profiles"][other])
    with nmcli:
        backend.put_back("eth0", LEASED, profile)
        assert backend.read("eth0", ours) == LEASED
    assert nmcli.state["profiles"][other] == untouched
    assert nmcli.state["active"] == (None if taken == "none" else ours)


def test_undoing_fails_where_the_profile_is_gone_or_is_another_interface_s(nmcli: FakeNmcli) -> None:
    backend, other = NmcliBackend(), nmcli.add(2, "eth1")
    gone = nmcli.add(1, "eth0")
    del nmcli.state["profiles"][gone]
    before = dict(nmcli.state["profiles"][other])
    with nmcli:
        for profile, code in ((gone, "net_program_failed"), (other, "net_profile_changed")):
            with pytest.raises(NetworkError, match=code):
                backend.put_back("eth0", LEASED, profile)
    assert nmcli.state["profiles"] == {other: before}


def test_a_change_is_not_made_in_another_profile_than_the_plan_was_of(nmcli: FakeNmcli) -> None:
    backend, planned, active = NmcliBackend(), nmcli.add(1), nmcli.add(2)
    nmcli.state["active"] = active
    before = dict(nmcli.state["profiles"])
    with nmcli, pytest.raises(NetworkError, match="net_profile_changed"):
        backend.put("eth0", WISH, planned)
    assert nmcli.state["profiles"] == before


def test_without_a_cable_the_only_one_is_found_among_very_many_in_a_few_calls(nmcli: FakeNmcli) -> None:
    for number in range(10, 10 + 2 * PROFILES_MAX):
        nmcli.add(number, type_="802-11-wireless")
    for number in range(1_000, 1_000 + PROFILES_MAX):
        nmcli.add(number, "eth1", device="eth1")
    for number in range(2_000, 2_000 + PROFILES_MAX - 1):
        nmcli.add(number)
    ours = nmcli.add(1, "eth0")
    with nmcli:
        assert NmcliBackend().profile("eth0") == ours
    assert nmcli.state["calls"] == 3
    nmcli.add(2)
    with nmcli, pytest.raises(NetworkError) as error:
        NmcliBackend().profile("eth0")
    assert (error.value.code, error.value.params["count"]) == ("net_profiles_many", PROFILES_MAX + 1)


@pytest.mark.parametrize("named", [[], ["eth1"], ["eth0", "eth0"]])
def test_none_and_two_are_no_answer(nmcli: FakeNmcli, named: list[str]) -> None:
    for number, name in enumerate(named):
        nmcli.add(number, name)
    with nmcli, pytest.raises(NetworkError, match="net_no_profile"):
        NmcliBackend().profile("eth0")
