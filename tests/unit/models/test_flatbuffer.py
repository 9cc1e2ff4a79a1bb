"""The int8 writer against its oracle: the TFLite runtime loads what it wrote and computes what the layers say."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest

from models.flatbuffer import Affine, DenseInt8, write_model
from models.litert import Runtime
from models.quantise import HEADROOM, INSIDE, RANGE, Dense, forward, quantised


def chain(rng: np.random.Generator, widths: list[int]) -> tuple[Affine, list[DenseInt8]]:
    layers = []
    for number, (inputs, outputs) in enumerate(pairwise(widths)):
        last = number == len(widths) - 2
        layers.append(
            DenseInt8(
                inputs=inputs,
                outputs=outputs,
                weights=rng.integers(-127, 128, (outputs, inputs)).astype(np.int8).tobytes(),
                weight_scales=tuple((0.002 + 0.01 * rng.random(outputs)).tolist()),
                bias=tuple(rng.integers(-3000, 3000, outputs).tolist()),
                output=Affine(0.05, 3) if last else Affine(0.03, -128 if number % 2 == 0 else -5),
                relu=not last and number % 2 == 0,
            )
        )
    return Affine(float(np.float32(16 / 255)), 0), layers


def reckoned(first: Affine, layers: list[DenseInt8], row: np.ndarray) -> np.ndarray:
    """What the TFLite quantisation specification says comes out, before rounding: in units of the output."""
    real_zero, scale, value = first.zero_point, float(np.float32(first.scale)), row.astype(np.int64)
    for layer in layers:
        weights = np.frombuffer(layer.weights, np.int8).reshape(layer.outputs, layer.inputs).astype(np.int64)
        total = weights @ (value - real_zero) + np.array(layer.bias)
        out = total * scale * np.array(layer.weight_scales) / layer.output.scale
        if layer.relu:
            out = np.maximum(out, 0)
        exact = np.clip(out + layer.output.zero_point, -128, 127)
        value, real_zero, scale = np.rint(exact).astype(np.int64), layer.output.zero_point, layer.output.scale
    return exact


@pytest.mark.parametrize("widths", [[3, 1], [16, 16], [1, 1], [16, 32, 4, 32, 16], [128, 128], [7, 5, 3]], ids=str)
def test_the_runtime_computes_what_was_written(widths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, layers = chain(rng, widths)
    model = Runtime(write_model(first, layers, "test"))
    rows = rng.integers(-128, 128, (50, widths[0])).astype(np.int8)
    got = model.run(rows)
    wanted = np.array([reckoned(first, layers, row) for row in rows])
    # The last half of a step may round either way; of a chain, so may every layer before it.
    assert np.abs(got - wanted).max() <= 0.51 if len(layers) == 1 else np.abs(got - wanted).max() <= 3


def test_the_same_layers_are_the_same_bytes_and_the_file_is_a_tflite() -> None:
    first, layers = chain(np.random.default_rng(1), [16, 32, 4, 32, 16])
    data = write_model(first, layers, "a model")
    assert data == write_model(first, layers, "a model")
    assert data[4:8] == b"TFL3"
    assert b"a model\0" in data


def test_every_buffer_is_where_the_schema_wants_it() -> None:
    first, layers = chain(np.random.default_rng(1), [5, 3, 9])
    data = write_model(first, layers, "aligned")
    assert [data.index(layer.weights) % 16 for layer in layers] == [0, 0]


@pytest.mark.parametrize(
    "change", [{"weights": b"12"}, {"bias": (1,)}, {"weight_scales": (0.1,)}, {"inputs": 4}], ids=["weights", "bias", "scales", "chain"]
)
def test_layers_that_do_not_fit_are_refused(change: dict) -> None:
    first, layers = chain(np.random.default_rng(1), [5, 3, 9])
    bent = DenseInt8(**{name: getattr(layers[1], name) for name in DenseInt8.__slots__} | change)
    with pytest.raises(ValueError, match="layer 1"):
        write_model(first, [layers[0], bent], "bent")
    with pytest.raises(ValueError, match="at least one"):
        write_model(first, [], "none")


@pytest.mark.parametrize("widths", [[16, 16], [16, 32, 4, 32, 16]], ids=str)
def test_quantised_layers_say_what_the_float_layers_say(widths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    layers = [
        Dense(rng.normal(0, 0.7 / np.sqrt(inputs), (outputs, inputs)), rng.normal(0, 0.1, outputs), relu=number == 0 and len(widths) > 2)
        for number, (inputs, outputs) in enumerate(pairwise(widths))
    ]
    normal = rng.normal(0, 1, (400, widths[0]))
    stored = np.clip(np.rint(normal / INSIDE.scale), -128, 127).astype(np.int8)
    got = Runtime(write_model(INSIDE, quantised(layers, normal), "both")).run(stored).astype(float) * INSIDE.scale
    assert np.sqrt(np.mean((got - forward(layers, normal)[-1]) ** 2)) < 0.05


def test_the_range_of_inputs_is_eight_standard_deviations_and_hidden_ranges_have_headroom() -> None:
    assert 127 * INSIDE.scale == pytest.approx(RANGE, rel=0.01)
    layers = [Dense(np.eye(2), np.zeros(2), relu=True), Dense(np.eye(2), np.zeros(2))]
    hidden = quantised(layers, np.array([[1.0, 2.0], [-1.0, 0.5]]))[0].output
    assert (127 - hidden.zero_point) * hidden.scale == pytest.approx(2.0 * HEADROOM, rel=0.01)
    assert hidden.zero_point == -128


def test_random_models_load(seed: int, count) -> None:
    rng = random.Random(seed)
    for _ in range(count(20, 60, 400)):
        widths = [rng.randint(1, 40) for _ in range(rng.randint(2, 5))]
        first, layers = chain(np.random.default_rng(rng.randrange(1 << 30)), widths)
        assert Runtime(write_model(first, layers, "x" * rng.randint(0, 9))).run(np.zeros((1, widths[0]), np.int8)).shape == (1, widths[-1])
