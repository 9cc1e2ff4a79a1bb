"""The manifest as a file: one encoding, one hash, and no byte that may be changed without either being noticed."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace

import cbor2
import pytest

from models import canonical
from models.manifest import Manifest
from models.model_fault import ModelFault
from tests.rigs.manifests import made
from tests.rigs.mutations import mutated


def test_it_comes_back_from_its_bytes_and_from_json() -> None:
    manifest = made()
    assert Manifest.read(manifest.encoded()) == manifest
    assert Manifest.from_plain(json.loads(json.dumps(manifest.plain()))) == manifest
    assert manifest.hash == hashlib.sha256(manifest.encoded()).digest()


def test_the_same_values_are_the_same_bytes() -> None:
    assert made().encoded() == made().encoded()
    assert made().encoded() != replace(made(), who="somebody else").encoded()


def test_every_flipped_bit_is_refused_or_another_manifest(seed: int, count) -> None:
    manifest, rng = made(), random.Random(seed)
    data, accepted = manifest.encoded(), 0
    flips = [(at, bit) for at in range(len(data)) for bit in range(8)]
    for at, bit in rng.sample(flips, count(1500, 3000, len(flips))):
        bent = bytearray(data)
        bent[at] ^= 1 << bit
        try:
            found = Manifest.read(bytes(bent))
        except ModelFault:
            continue
        accepted += 1
        assert found != manifest
        assert found.hash != manifest.hash
        assert found.encoded() == bytes(bent)
    assert accepted  # a number or a name may be another one: the hash says so


def test_damage_of_every_kind_ends_in_a_fault_or_in_another_hash(seed: int, count) -> None:
    rng, data = random.Random(seed), made().encoded()
    for _ in range(count(500, 3000, 100_000)):
        bent = mutated(rng, data)
        if bent == data:
            continue
        try:
            assert Manifest.read(bent).hash != made().hash
        except ModelFault:
            pass


@pytest.mark.parametrize("size", range(0, 200, 7))
def test_a_cut_file_is_refused(size: int) -> None:
    with pytest.raises(ModelFault):
        Manifest.read(made().encoded()[:size])


BAD = {
    "version": [0, 2, True, "1", None],
    "name": ["x" * 500, "x" * 201, "", 1, "line\nbreak", None],
    "model_sha256": [b"short", "zz" * 32, 5, b""],
    "mean": [[], [0.0], [float(1 << 40)] * 3, "text", [[0.0]] * 4, [None] * 4, [True] * 4],
    "spread": [[0.0] * 4, [-1.0] * 4, [1.0] * 3],
    "residual": [[], [0.0] * 4],
    "input": [{}, {"dtype": "int4", "scale": 0.1, "zero_point": 0}, {"dtype": "int8", "scale": 0.0, "zero_point": 0}],
    "output_form": [{"dtype": "float32", "scale": 0.5, "zero_point": 0}, {"dtype": "int8", "scale": 0.1, "zero_point": 400}],
    "output": ["verdict", None, ["score"]],
    "normal_class": [-1, 1.0],
    "gather": ["mean", 1],
    "ceilings": [[], [1.0, 0.0]],
    "plan": [{}, [], None, {"tags": []}],
    "decision": [
        {},
        {"threshold": 1.0, "needed": 6, "of": 5, "release": 0.8, "hold_off": 60, "falling": 0.5, "look": 9},
        {"threshold": 1.0, "needed": 3, "of": 5, "release": 0.0, "hold_off": 60, "falling": 0.5, "look": 9},
        {"threshold": 1.0, "needed": 3, "of": 5, "release": 0.8, "hold_off": 0, "falling": 0.5, "look": 9},
        {"threshold": 1.0, "needed": 3, "of": 5, "release": 0.5, "hold_off": 60, "falling": 1.5, "look": 9},
        {"threshold": 1.0, "needed": 3, "of": 5, "release": 0.5, "hold_off": 60, "falling": 0.5, "look": 0},
    ],
    "coverage": [{"covered": 1, "alarmed_share": 0.0, "rows_wanted": 0}, {"covered": True, "alarmed_share": 1.5, "rows_wanted": 0}],
    "int8_float": [{"rms": -0.1, "differing_share": 0.0}],
    "bands": [[], [[1.0, 0.0], [0.0, 1.0]], [[0.0], [0.0]]],
    "limits": [[], {"stuck": [1.0]}, {"stuck": ["x", "y"]}],
    "rows": [-1, 1.5, 1 << 60],
    "made_ms": ["now"],
}


@pytest.mark.parametrize("name, value", [(name, value) for name, values in BAD.items() for value in values], ids=str)
def test_a_value_that_cannot_be_is_named(name: str, value: object) -> None:
    plain = cbor2.loads(made().encoded()) | {name: value}
    with pytest.raises(ModelFault) as found:
        Manifest.read(canonical.encode(plain))
    assert str(found.value.params["where"]).startswith(name)


@pytest.mark.parametrize("name", ["", "x" * 201, "a\x1b[2J"], ids=["none", "long", "control"])
def test_a_tag_whose_name_fits_no_entry_and_no_terminal_is_refused(name: str) -> None:
    plain = made().plain()
    plain["plan"]["tags"][0]["name"] = name
    with pytest.raises(ModelFault) as caught:
        Manifest.from_plain(plain)
    assert caught.value.params["where"] == "plan.tags.name"


def test_missing_and_unknown_fields_are_refused() -> None:
    plain = cbor2.loads(made().encoded())
    for bent in (plain | {"extra": 1}, {key: value for key, value in plain.items() if key != "who"}, [], None, 5):
        with pytest.raises(ModelFault):
            Manifest.read(canonical.encode(bent))


def test_a_whole_number_where_a_float_belongs_is_not_the_same_file() -> None:
    plain = cbor2.loads(made().encoded())
    plain["mean"][0] = 0
    with pytest.raises(ModelFault, match="canonical"):
        Manifest.read(canonical.encode(plain))


def test_what_it_says_of_arming() -> None:
    refused = replace(made(), coverage=replace(made().coverage, covered=False, rows_wanted=700)).refusal_to_arm()
    assert made().refusal_to_arm() is None
    assert refused is not None
    assert refused.params["rows_wanted"] == 700
