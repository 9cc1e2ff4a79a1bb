"""The operators that a model may have, with the shapes that each accepts and what one costs.

Room: ground. `gatekeeper` walks the graph and asks here about each step. Pure reckoning on shapes; it reads no bytes but the few constants
(shapes, axes, paddings) that decide a shape. Not in the list, so refused: control flow, variables, custom and stablehlo operators, and all
that dense, convolutional or pooled models of sensor windows do not need.

Source of the shapes: the operators' documentation and kernels of TensorFlow Lite (NHWC; filters O-H-W-I; SAME and VALID as in TensorFlow).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from models.model_graph import OptionFields, Step, Tensor

Shape = tuple[int, ...]
ACTIVATION = ("fused_activation", "b", 0)
CONV = (("padding", "b", 0), ("stride_w", "i", 0), ("stride_h", "i", 0))
OPTIONS: Final[OptionFields] = {
    1: (*CONV, ACTIVATION, ("dilation_w", "i", 1), ("dilation_h", "i", 1), ("quantized_bias_type", "b", 0)),
    2: (*CONV, ("multiplier", "i", 0), ACTIVATION, ("dilation_w", "i", 1), ("dilation_h", "i", 1)),
    5: (*CONV, ("filter_w", "i", 0), ("filter_h", "i", 0), ACTIVATION),
    8: (ACTIVATION, ("weights_format", "b", 0), ("keep_dims", "B", 0), ("asymmetric", "B", 0), ("quantized_bias_type", "b", 0)),
    9: (("beta", "f", 0.0),),
    10: (("axis", "i", 0), ACTIVATION),
    11: (ACTIVATION, ("pot_scale_int16", "B", 1)),
    17: (("new_shape", "[i]", 0),),
    21: (ACTIVATION,),
    22: (),
    27: (("keep_dims", "B", 0),),
    28: (ACTIVATION, ("pot_scale_int16", "B", 1)),
    30: (("squeeze_dims", "[i]", 0),),
    38: (),
    49: (*CONV, ACTIVATION, ("quantized_bias_type", "b", 0)),
    52: (),
    75: (("alpha", "f", 0.0),),
    89: (),
}
"""Options tables of the schema by their number in its union BuiltinOptions."""
STRIDE_MAX: Final = 64
ACTIVATIONS: Final = frozenset({0, 1, 2, 3})
"""None, ReLU, ReLU in -1 … 1, ReLU 6: what the int8 kernels have."""


class RuleBroken(Exception):  # noqa: N818  carried to the gatekeeper, which names the step
    """What does not fit: a word for people who make models."""


@dataclass(frozen=True, slots=True)
class Given:
    """A step with its tensors; an input that is left out is None. `constant` gives the numbers of a small int32 input."""

    step: Step
    inputs: Sequence[Tensor | None]
    output: Tensor
    constant: Callable[[int], Shape]

    def shape(self, number: int) -> Shape:
        """Return an input's shape; the input must be there."""
        tensor = self.inputs[number]
        if tensor is None:
            raise RuleBroken("input left out")
        return tensor.shape

    def scale(self, number: int) -> float:
        """Return an input's scale, 0.0 where it has none."""
        tensor = self.inputs[number]
        return tensor.scales[0] if tensor is not None and tensor.scales else 0.0

    def option(self, name: str, least: int, most: int) -> int:
        """Return a whole-number option within its bounds."""
        value = self.step.options.get(name, 0)
        if not least <= value <= most:
            raise RuleBroken(name)
        return int(value)


def _expect(what: str, *, holds: bool) -> None:
    if not holds:
        raise RuleBroken(what)


def _same(given: Given) -> int:
    """Element by element: the shape stays."""
    _expect("output shape", holds=given.output.shape == given.shape(0))
    return given.output.elements


def _same_count(given: Given) -> int:
    """Another shape for the same numbers (reshape, squeeze, expand); what states the new shape must say what the output says."""
    _expect("output shape", holds=given.output.elements == math.prod(given.shape(0)))
    if given.step.opcode == 22:
        stated = given.constant(1) if len(given.inputs) > 1 else given.step.lists.get("new_shape", given.output.shape)
        fits = len(stated) == len(given.output.shape) and all(a in {-1, b} for a, b in zip(stated, given.output.shape, strict=True))
        _expect("stated shape", holds=fits and sum(a == -1 for a in stated) <= 1)
    if given.step.opcode == 43:
        left = [n for n in given.shape(0) if n != 1]
        _expect("output shape", holds=[n for n in given.output.shape if n != 1] == left)
        axes = given.step.lists.get("squeeze_dims", ())
        _expect("squeeze_dims", holds=all(-len(given.shape(0)) <= a < len(given.shape(0)) and given.shape(0)[a] == 1 for a in axes))
    if given.step.opcode == 70:
        axis = given.constant(1)
        rank = len(given.output.shape)
        _expect("axis", holds=len(axis) == 1 and -rank <= axis[0] < rank and rank == len(given.shape(0)) + 1)
        at = axis[0] % rank
        _expect("output shape", holds=given.output.shape == (*given.shape(0)[:at], 1, *given.shape(0)[at:]))
    return given.output.elements


def _pairwise(given: Given) -> int:
    """Two inputs of one shape, or the second broadcast along leading and unit dimensions."""
    one, two, out = given.shape(0), given.shape(1), given.output.shape
    rank = max(len(one), len(two))
    padded = [(1,) * (rank - len(s)) + s for s in (one, two)]
    wanted = tuple(max(a, b) for a, b in zip(*padded, strict=True))
    _expect("output shape", holds=out == wanted and all(a in {1, w} for p in padded for a, w in zip(p, wanted, strict=True)))
    return given.output.elements


def _added(given: Given) -> int:
    """Sum or difference. The int8 kernel ends the process when the output's step is 2^20 times finer than what goes in."""
    scales = [given.scale(0), given.scale(1)]
    _expect("scales", holds=2 * max(scales) < 2**20 * given.output.scales[0] if given.output.scales else True)
    return _pairwise(given)


def _softmax(given: Given) -> int:
    """The int8 kernel ends the process when beta times the input's step is not above 2^-26."""
    beta = given.step.options.get("beta", 0.0)
    _expect("beta", holds=0 < beta <= 1e6 and (not given.scale(0) or beta * given.scale(0) * 2**26 > 1))
    return _same(given)


def _dense(given: Given) -> int:
    """Weights [out, in], bias [out] or left out."""
    weights = given.shape(1)
    _expect("weights shape", holds=len(weights) == 2)
    many, each = weights
    total = math.prod(given.shape(0))
    _expect("input shape", holds=total % each == 0)
    rows = total // each
    keep = given.option("keep_dims", 0, 1)
    kept = (*given.shape(0)[:-1], many)
    _expect("output shape", holds=given.output.shape == (kept if keep else (rows, many)) and (not keep or given.shape(0)[-1] == each))
    _bias(given, 2, many)
    for name in ("weights_format", "asymmetric", "quantized_bias_type"):
        given.option(name, 0, 2 if name == "quantized_bias_type" else 0)
    return rows * many * each


def _bias(given: Given, number: int, channels: int) -> None:
    if len(given.inputs) > number and given.inputs[number] is not None:
        _expect("bias shape", holds=given.shape(number) == (channels,))


def _spread(size: int, kernel: int, stride: int, padding: int) -> int:
    """Return how many places a kernel has along one side (padding 0 = SAME, 1 = VALID)."""
    _expect("kernel larger than its input", holds=padding == 0 or kernel <= size)
    return -(-size // stride) if padding == 0 else -(-(size - kernel + 1) // stride)


def _image(shape: Shape) -> Shape:
    _expect("rank", holds=len(shape) == 4)
    return shape


def _window(given: Given, image: Shape, kernel_h: int, kernel_w: int, channels: int) -> None:
    """Check the output of what slides over an image."""
    padding = given.option("padding", 0, 1)
    strides = given.option("stride_h", 1, STRIDE_MAX), given.option("stride_w", 1, STRIDE_MAX)
    sides = tuple(
        _spread(size, kernel, stride, padding) for size, kernel, stride in zip(image[1:3], (kernel_h, kernel_w), strides, strict=True)
    )
    _expect("output shape", holds=given.output.shape == (image[0], *sides, channels))


def _conv(given: Given) -> int:
    """Filter [out, h, w, in], or [1, h, w, in x multiplier] for depthwise."""
    image, kernel = _image(given.shape(0)), _image(given.shape(1))
    high, wide = (1 + (kernel[n + 1] - 1) * given.option(f"dilation_{side}", 1, STRIDE_MAX) for n, side in enumerate("hw"))
    if given.step.opcode == 4:
        many, deep = kernel[3], 1
        _expect("filter shape", holds=kernel[0] == 1 and many == image[3] * given.option("multiplier", 1, 4_096))
    else:
        many, deep = kernel[0], kernel[3]
        _expect("filter shape", holds=deep == image[3])
        given.option("quantized_bias_type", 0, 2)
    _window(given, image, high, wide, many)
    _bias(given, 2, many)
    return given.output.elements * kernel[1] * kernel[2] * deep


def _conv_back(given: Given) -> int:
    """Transposed convolution: inputs are the output's shape, the filter [out, h, w, in], the image, a bias."""
    image, kernel, out = _image(given.shape(2)), _image(given.shape(1)), given.output.shape
    _expect("stated shape", holds=given.constant(0) == out and len(out) == 4)
    _expect("filter shape", holds=kernel[3] == image[3] and out[3] == kernel[0] and out[0] == image[0])
    padding = given.option("padding", 0, 1)
    for n, side in enumerate("hw", start=1):
        _expect("output shape", holds=_spread(out[n], kernel[n], given.option(f"stride_{side}", 1, STRIDE_MAX), padding) == image[n])
    given.option("quantized_bias_type", 0, 2)
    _bias(given, 3, kernel[0])
    return math.prod(image) * kernel[0] * kernel[1] * kernel[2]


def _pool(given: Given) -> int:
    image = _image(given.shape(0))
    sides = given.option("filter_h", 1, 4_096), given.option("filter_w", 1, 4_096)
    _window(given, image, *sides, image[3])
    return given.output.elements * sides[0] * sides[1]


def _join(given: Given) -> int:
    """Concatenation along one axis."""
    rank = len(given.output.shape)
    axis = given.option("axis", -rank, rank - 1) % rank
    shapes = [given.shape(n) for n in range(len(given.inputs))]
    rest = {s[:axis] + s[axis + 1 :] for s in shapes if len(s) == rank}
    _expect(
        "input shape", holds=all(len(s) == rank for s in shapes) and rest == {given.output.shape[:axis] + given.output.shape[axis + 1 :]}
    )
    _expect("output shape", holds=sum(s[axis] for s in shapes) == given.output.shape[axis])
    return given.output.elements


def _mean(given: Given) -> int:
    """Mean over constant axes."""
    shape = given.shape(0)
    axes = given.constant(1)
    _expect("axis", holds=all(-len(shape) <= a < len(shape) for a in axes))
    gone = {a % len(shape) for a in axes}
    keep = given.option("keep_dims", 0, 1)
    wanted = tuple(1 if n in gone else size for n, size in enumerate(shape) if keep or n not in gone)
    _expect("output shape", holds=given.output.shape == wanted)
    return math.prod(shape)


def _pad(given: Given) -> int:
    """Zero padding by a constant [rank, 2]."""
    shape = given.shape(0)
    sides = given.constant(1)
    _expect("padding", holds=given.shape(1) == (len(shape), 2) and all(0 <= side <= 4_096 for side in sides))
    wanted = tuple(size + sides[2 * n] + sides[2 * n + 1] for n, size in enumerate(shape))
    _expect("output shape", holds=given.output.shape == wanted)
    return given.output.elements


@dataclass(frozen=True, slots=True)
class Operator:
    """One allowed operator: how many inputs, its options table (0 = none), its rule (-> multiplications), and which inputs are what."""

    name: str
    inputs: range
    options: int
    rule: Callable[[Given], int]
    bias: int = -1
    """The input that may be left out."""
    constants: tuple[int, ...] = ()
    """Inputs that must be constants."""
    shapes: tuple[int, ...] = ()
    """Inputs that are shapes, axes or paddings: constant int32."""
    channel: int = 0
    """The dimension of the weights that may have a scale of its own for each element."""


OPERATORS: Final = {
    0: Operator("ADD", range(2, 3), 11, _added),
    1: Operator("AVERAGE_POOL_2D", range(1, 2), 5, _pool),
    2: Operator("CONCATENATION", range(1, 17), 10, _join),
    3: Operator("CONV_2D", range(2, 4), 1, _conv, 2, (1, 2)),
    4: Operator("DEPTHWISE_CONV_2D", range(2, 4), 2, _conv, 2, (1, 2), channel=3),
    6: Operator("DEQUANTIZE", range(1, 2), 38, _same),
    9: Operator("FULLY_CONNECTED", range(2, 4), 8, _dense, 2, (1, 2)),
    14: Operator("LOGISTIC", range(1, 2), 0, _same),
    17: Operator("MAX_POOL_2D", range(1, 2), 5, _pool),
    18: Operator("MUL", range(2, 3), 21, _pairwise),
    19: Operator("RELU", range(1, 2), 0, _same),
    21: Operator("RELU6", range(1, 2), 0, _same),
    22: Operator("RESHAPE", range(1, 3), 17, _same_count, constants=(1,), shapes=(1,)),
    25: Operator("SOFTMAX", range(1, 2), 9, _softmax),
    28: Operator("TANH", range(1, 2), 0, _same),
    34: Operator("PAD", range(2, 3), 22, _pad, constants=(1,), shapes=(1,)),
    40: Operator("MEAN", range(2, 3), 27, _mean, constants=(1,), shapes=(1,)),
    41: Operator("SUB", range(2, 3), 28, _added),
    43: Operator("SQUEEZE", range(1, 2), 30, _same_count),
    67: Operator("TRANSPOSE_CONV", range(3, 5), 49, _conv_back, 3, (0, 1, 3), shapes=(0,)),
    70: Operator("EXPAND_DIMS", range(2, 3), 52, _same_count, constants=(1,), shapes=(1,)),
    98: Operator("LEAKY_RELU", range(1, 2), 75, _same),
    114: Operator("QUANTIZE", range(1, 2), 89, _same),
}
"""By their number in the schema's BuiltinOperator."""
