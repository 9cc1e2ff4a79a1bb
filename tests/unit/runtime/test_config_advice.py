"""What a configuration with a slip of the pen is told: what is wrong, and what was most likely meant."""

from __future__ import annotations

import pytest

from runtime.config import parse_config
from runtime.config_faults import ConfigError, Fault

HEAD = '[gateway]\nname = "g"\n'


def faults_of(text: str) -> tuple[Fault, ...]:
    with pytest.raises(ConfigError) as refused:
        parse_config(text)
    return refused.value.faults


def test_a_key_of_a_witness_that_is_none_is_named_and_the_first_fault_has_no_second_full_stop() -> None:
    anchor = HEAD + '[[anchors]]\nname = "w1"\ntype = "tlog"\nurl = "https://x"\nvkeys = ["%s"]\n'
    (fault,) = faults_of(anchor % "field.example/w1+abc")
    assert (fault.where, fault.line) == ("anchors.w1.vkeys", 7)
    assert "field.example/w1+abc is no verifier key" in fault.text()
    assert "NAME+HASH+KEY" in fault.text()
    labelled = ConfigError(faults_of(anchor % "vkey: field.example/w1+0123abcd+AQ=="))
    assert 'leave out "vkey: "' in labelled.first
    assert not labelled.first.endswith(".")
