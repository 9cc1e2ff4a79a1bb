"""Models that obey the allow-list and nothing else: random chains of its operators, with shapes that fit and numbers as odd as they come.

Room: tests. What damage seldom reaches: kernels of the runtime with extreme scales, paddings, axes and constants. Draws from a seeded
generator.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.rigs.model_files import ModelMaker

FLOAT, INT32, INT8 = 0, 2, 9
SCALES = (0.06, 1e-30, 1e12, 1e-10, 1e5, 1.0, 1 / 256, 1 / 128, 3e-5, 0.5)
REALS = (0.0, 1.0, -1.0, 0.3, 1e38, float("nan"), float("inf"))
SIMPLE = ("LOGISTIC", "TANH", "RELU", "RELU6")
FIXED = {"LOGISTIC": (1 / 256, -128), "SOFTMAX": (1 / 256, -128), "TANH": (1 / 128, 0)}
"""What int8 kernels demand of their output."""


class Chain:
    """One model in the making: `current` is the tensor that the next step takes."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.maker, self.quantised = rng, ModelMaker(), rng.random() < 0.7
        self.current = self.computed([1, *(rng.choice((1, 2, 3, 5, 8)) for _ in range(rng.choice((0, 1, 2, 3, 3, 3))))])
        self.maker.graph.inputs = [self.current]

    @property
    def shape(self) -> list[int]:
        return list(self.maker.graph.tensors[self.current].shape)

    def computed(self, shape: list[int], *form: Any) -> int:
        if not self.quantised:
            return self.maker.tensor(shape, FLOAT)
        return self.maker.tensor(shape, INT8, *(form or (self.rng.choice(SCALES), self.rng.choice((0, -128, 127, 5)))))

    def same_form(self) -> tuple[Any, ...]:
        """The current tensor's scale and zero point, or (seldom) none, which means others."""
        quantised = self.maker.graph.tensors[self.current].quantization
        return (quantised.scale[0], quantised.zeroPoint[0]) if quantised is not None and self.rng.random() < 0.8 else ()

    def constant(self, shape: list[int], axis: int | None = None) -> int:
        count = int(np.prod(shape))
        if not self.quantised:
            return self.maker.tensor(shape, FLOAT, data=np.array([self.rng.choice(REALS) for _ in range(count)], np.float32))
        data = np.array([self.rng.randrange(-128, 128) for _ in range(count)], np.int8)
        if axis is not None and self.rng.random() < 0.6:
            return self.maker.tensor(shape, INT8, [self.rng.choice(SCALES) for _ in range(shape[axis])], [0] * shape[axis], data, axis)
        return self.maker.tensor(shape, INT8, self.rng.choice(SCALES), self.rng.choice((0, 0, 3, -128)), data)

    def bias(self, count: int) -> int:
        if not self.quantised:
            return self.maker.tensor([count], FLOAT, data=np.array([self.rng.choice(REALS) for _ in range(count)], np.float32))
        data = np.array([self.rng.choice((0, 5, 2**31 - 1, -(2**31))) for _ in range(count)], np.int32)
        return self.maker.tensor([count], INT32, self.rng.choice(SCALES), 0, data)

    def whole(self, *numbers: int, shape: list[int] | None = None) -> int:
        return self.maker.tensor([len(numbers)] if shape is None else shape, INT32, data=np.array(numbers, np.int32))

    def step(self, name: str, inputs: list[int], output: int, options: str | None = None, **values: Any) -> None:
        self.maker.step(name, inputs, output, options, **values)
        self.current = output


def graph(rng: random.Random) -> bytes:
    """Return a model of one to three steps; now and then one that the gatekeeper refuses after all."""
    chain = Chain(rng)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(KINDS)(chain)
    if chain.quantised and rng.random() < 0.1:
        chain.step("DEQUANTIZE", [chain.current], chain.maker.tensor(chain.shape, FLOAT), "DequantizeOptions")
    if not chain.maker.graph.operators:
        chain.step("RELU", [chain.current], chain.computed(chain.shape))
    chain.maker.graph.outputs = [chain.current]
    return chain.maker.packed()


def _pairwise(c: Chain) -> None:
    other = c.constant([c.rng.choice((side, 1)) for side in c.shape][c.rng.choice((0, 0, 0, 1)) :])
    name = c.rng.choice(("ADD", "SUB", "MUL"))
    inputs = [c.current, other] if c.rng.random() < 0.7 else [other, c.current]
    c.step(name, inputs, c.computed(c.shape), name.title() + "Options", fusedActivationFunction=c.rng.randrange(4))


def _simple(c: Chain) -> None:
    name = c.rng.choice(SIMPLE)
    c.step(name, [c.current], c.computed(c.shape, *FIXED.get(name, ())))


def _softmax(c: Chain) -> None:
    c.step(
        "SOFTMAX", [c.current], c.computed(c.shape, *FIXED["SOFTMAX"]), "SoftmaxOptions", beta=c.rng.choice((1.0, 0.0, -1.0, 1e30, 1e-30))
    )


def _leaky(c: Chain) -> None:
    c.step("LEAKY_RELU", [c.current], c.computed(c.shape), "LeakyReluOptions", alpha=c.rng.choice((0.1, -5.0, 0.0, 1e30, 1e-40)))


def _sides(c: Chain, kernel: tuple[int, int], stride: tuple[int, int], padding: int) -> list[int]:
    """Places of a kernel along height and width; 0 or less where it does not fit."""
    pairs = zip(c.shape[1:3], kernel, stride, strict=True)
    return [-(-size // s) if padding == 0 else -(-(size - k + 1) // s) for size, k, s in pairs]


def _pool(c: Chain) -> None:
    if len(c.shape) != 4:
        return
    (kh, kw), (sh, sw) = ([c.rng.choice((1, 2, 3, 9, 64)) for _ in range(2)] for _ in range(2))
    padding = c.rng.randrange(2)
    sides = _sides(c, (kh, kw), (sh, sw), padding)
    if min(sides) < 1:
        return
    options = {"padding": padding, "strideH": sh, "strideW": sw, "filterHeight": kh, "filterWidth": kw}
    name = c.rng.choice(("AVERAGE_POOL_2D", "MAX_POOL_2D"))
    c.step(
        name,
        [c.current],
        c.computed([1, *sides, c.shape[3]], *c.same_form()),
        "Pool2DOptions",
        **options,
        fusedActivationFunction=c.rng.randrange(4),
    )


def _conv(c: Chain) -> None:
    if len(c.shape) != 4:
        return
    kh, kw, sh, sw = (c.rng.choice((1, 2, 3, 7)) for _ in range(4))
    dh, dw, padding, many = c.rng.choice((1, 1, 2, 64)), c.rng.choice((1, 1, 2)), c.rng.randrange(2), c.rng.choice((1, 2, 5))
    sides = _sides(c, (1 + (kh - 1) * dh, 1 + (kw - 1) * dw), (sh, sw), padding)
    if min(sides) < 1:
        return
    deep = c.shape[3]
    options = {"padding": padding, "strideH": sh, "strideW": sw, "dilationHFactor": dh, "dilationWFactor": dw}
    if c.rng.random() < 0.5:
        inputs = [c.current, c.constant([many, kh, kw, deep], 0), c.bias(many)]
        c.step("CONV_2D", inputs, c.computed([1, *sides, many]), "Conv2DOptions", **options)
    else:
        inputs = [c.current, c.constant([1, kh, kw, deep * many], 3), c.bias(deep * many)]
        c.step("DEPTHWISE_CONV_2D", inputs, c.computed([1, *sides, deep * many]), "DepthwiseConv2DOptions", **options, depthMultiplier=many)


def _conv_back(c: Chain) -> None:
    if len(c.shape) != 4:
        return
    kh, kw, sh, sw = (c.rng.choice((1, 2, 3, 5)) for _ in range(4))
    padding, many = c.rng.randrange(2), c.rng.choice((1, 2, 4))
    pairs = ((c.shape[1], sh, kh), (c.shape[2], sw, kw))
    out = [1, *((size - 1) * s + c.rng.randrange(1, s + 1) + (k - 1) * padding for size, s, k in pairs), many]
    inputs = [c.whole(*out), c.constant([many, kh, kw, c.shape[3]], 0), c.current, *([c.bias(many)] if c.rng.random() < 0.5 else [])]
    c.step("TRANSPOSE_CONV", inputs, c.computed(out), "TransposeConvOptions", padding=padding, strideH=sh, strideW=sw)


def _dense(c: Chain) -> None:
    total, many = int(np.prod(c.shape)), c.rng.choice((1, 3, 4))
    each = c.rng.choice([n for n in range(1, total + 1) if total % n == 0])
    keep = c.rng.random() < 0.3 and each == c.shape[-1]
    out = [*c.shape[:-1], many] if keep else [total // each, many]
    inputs = [c.current, c.constant([many, each], 0), c.rng.choice((-1, c.bias(many)))]
    c.step(
        "FULLY_CONNECTED", inputs, c.computed(out), "FullyConnectedOptions", keepNumDims=keep, fusedActivationFunction=c.rng.randrange(4)
    )


def _layout(c: Chain) -> None:
    total = int(np.prod(c.shape))
    stated = c.rng.choice(([total], [1, total], [1, 1, total], [1, total, 1, 1], [-1], [1, -1]))
    out = [total if side == -1 else side for side in stated]
    inputs = [c.current, c.whole(*stated)] if c.rng.random() < 0.7 else [c.current]
    c.step("RESHAPE", inputs, c.computed(out, *c.same_form()), "ReshapeOptions", newShape=stated)


def _pad(c: Chain) -> None:
    sides = [c.rng.choice((0, 0, 1, 3)) for _ in range(2 * len(c.shape))]
    out = [size + sides[2 * n] + sides[2 * n + 1] for n, size in enumerate(c.shape)]
    c.step("PAD", [c.current, c.whole(*sides, shape=[len(c.shape), 2])], c.computed(out, *c.same_form()), "PadOptions")


def _mean(c: Chain) -> None:
    rank = len(c.shape)
    axes = [c.rng.randrange(-rank, rank) for _ in range(c.rng.choice((1, 2, 3, 8)))]
    gone, keep = {axis % rank for axis in axes}, c.rng.random() < 0.5 or rank == 1
    out = [1 if n in gone else size for n, size in enumerate(c.shape) if keep or n not in gone]
    c.step("MEAN", [c.current, c.whole(*axes)], c.computed(out or [1]), "ReducerOptions", keepDims=keep)


def _join(c: Chain) -> None:
    rank, times = len(c.shape), c.rng.choice((1, 2, 3))
    axis, out = c.rng.randrange(-rank, rank), c.shape
    out[axis] *= times
    c.step("CONCATENATION", [c.current] * times, c.computed(out, *c.same_form()), "ConcatenationOptions", axis=axis)


def _squeeze(c: Chain) -> None:
    ones = [n for n, side in enumerate(c.shape) if side == 1][1:]
    if ones:
        out = [side for n, side in enumerate(c.shape) if n not in ones]
        c.step("SQUEEZE", [c.current], c.computed(out, *c.same_form()), "SqueezeOptions", squeezeDims=ones)


def _expand(c: Chain) -> None:
    rank = len(c.shape)
    if rank < 4:
        axis = c.rng.randrange(-rank - 1, rank + 1)
        out = [*c.shape[: axis % (rank + 1)], 1, *c.shape[axis % (rank + 1) :]]
        c.step("EXPAND_DIMS", [c.current, c.whole(axis)], c.computed(out, *c.same_form()), "ExpandDimsOptions")


def _requantise(c: Chain) -> None:
    c.step("QUANTIZE", [c.current], c.maker.tensor(c.shape, INT8, c.rng.choice(SCALES), 3), "QuantizeOptions")
    c.quantised = True


KINDS: tuple[Callable[[Chain], None], ...] = (
    *(_pairwise, _simple, _softmax, _leaky, _pool, _conv, _conv_back, _dense),
    *(_layout, _pad, _mean, _join, _squeeze, _expand, _requantise),
)
