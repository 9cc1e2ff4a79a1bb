"""The gatekeeper lets in what converters make, says what is wrong with everything else, and never falls over.

Room: tests. The oracle is the schema that the runtime ships, and the runtime itself; tests/integration/models has the worker's side.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.gatekeeper import CheckedModel, check_model
from models.litert import Runtime
from models.model_fault import ModelFault
from tests.rigs.hostile_models import crafted
from tests.rigs.model_files import ModelMaker, checked, conv, dense
from tests.rigs.model_mutations import Bender

VECTORS = sorted((Path(__file__).parents[2] / "vectors" / "models").glob("*.tflite"))
"""Converted by TensorFlow 2.21 from Keras models (docs/bring-your-own-model.md): dense, convolutional, classifying."""
MAKERS: dict[str, Callable[[], ModelMaker]] = {
    "dense": dense,
    "dense float": lambda: dense(quantised=False),
    "without bias": lambda: dense(bias=False),
    "wide": lambda: dense((128, 128)),
    "conv": conv,
    "conv float": lambda: conv(quantised=False),
}


def test_there_are_converted_models() -> None:
    assert {path.stem for path in VECTORS} == {"ae_float", "ae_int8", "class_int8", "conv_int8", "gap_float"}


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_what_a_converter_makes_is_let_in_as_the_runtime_sees_it(path: Path) -> None:
    _compare(checked(path.read_bytes()))


@pytest.mark.parametrize("name", MAKERS)
def test_good_models_are_let_in_as_the_runtime_sees_them(name: str) -> None:
    _compare(checked(MAKERS[name]().packed()))


def _compare(model: CheckedModel) -> None:
    runtime = Runtime(model.raw)
    assert (runtime.inputs, runtime.outputs) == (model.input.columns, model.output.columns)
    assert (runtime.input_dtype.name, runtime.output_dtype.name) == (model.input.dtype, model.output.dtype)
    first = runtime._run.get_input_details()[0]
    assert tuple(first["shape"]) == model.input.shape
    assert tuple(first["quantization"]) == (model.input.scale, model.input.zero_point)
    spread = 127 if model.input.dtype == "int8" else 2
    rows = np.random.default_rng(1).uniform(-spread, spread, (4, model.input.columns)).astype(model.input.dtype)
    out = runtime.run(rows)
    assert out.shape == (4, model.output.columns)
    assert not np.array_equal(out[0], out[1]), "a model that ignores its input tells nothing"
    assert np.array_equal(Runtime(model.raw).run(rows[::-1])[::-1], out), "a row's output depends on that row only"


CRAFTED = crafted()


@pytest.mark.parametrize("name", sorted(CRAFTED))
def test_hostile_models_are_refused_with_their_reason(name: str) -> None:
    raw, code = CRAFTED[name]
    with pytest.raises(ModelFault) as fault:
        checked(raw)
    assert fault.value.code == code, fault.value


def test_no_changed_byte_is_accepted_under_the_signed_hash(count: Callable[[int, int, int], int], seed: int) -> None:
    raw = dense().packed()
    signed = hashlib.sha256(raw).digest()
    random_ = random.Random(seed)
    for at in range(len(raw)):
        for bit in range(8) if count(0, 0, 1) else [random_.randrange(8)]:
            changed = bytearray(raw)
            changed[at] ^= 1 << bit
            with pytest.raises(ModelFault) as fault:
                check_model(bytes(changed), signed)
            assert fault.value.code == "model_hash_differs"
    assert check_model(raw, signed).sha256 == signed


def test_damage_ends_in_a_fault_or_a_model_and_nothing_else(count: Callable[[int, int, int], int], seed: int) -> None:
    """Even when the hash is right: a vendor's key may sign what it should not have. What is let in then runs in tests/integration."""
    bender = Bender(random.Random(seed), [dense().packed(), conv().packed(), *(path.read_bytes() for path in VECTORS)])
    let_in = refused = 0
    for _ in range(count(150, 300, 5_000)):
        try:
            checked(bender.bent())
            let_in += 1
        except ModelFault:
            refused += 1
    assert min(let_in, refused) > 0, (let_in, refused)


def test_work_and_memory_are_bounded() -> None:
    with pytest.raises(ModelFault, match="model_work"):
        checked(_deep())
    with pytest.raises(ModelFault, match="model_memory"):
        checked(_broad())


def _deep() -> bytes:
    """One kernel over many places: few bytes, much work."""
    maker = ModelMaker()
    current = maker.tensor([1, 1_024, 16, 16], 0)
    maker.graph.inputs = [current]
    kernel, bias = (
        maker.tensor([16, 3, 3, 16], 0, data=np.zeros((16, 3, 3, 16), np.float32)),
        maker.tensor([16], 0, data=np.zeros(16, np.float32)),
    )
    output = maker.tensor([1, 1_024, 16, 16], 0)
    maker.step("CONV_2D", [current, kernel, bias], output, "Conv2DOptions", padding=0, strideH=1, strideW=1)
    maker.graph.outputs = [output]
    return maker.packed()


def _broad() -> bytes:
    """Step after step that keeps a large tensor."""
    maker = ModelMaker()
    current = maker.tensor([1, 512, 512], 0)
    maker.graph.inputs = [current]
    for _ in range(10):
        output = maker.tensor([1, 512, 512], 0)
        maker.step("RELU", [current], output)
        current = output
    maker.graph.outputs = [current]
    return maker.packed()
