"""Makes .tflite files for tests with the schema that the runtime ships: good ones, and a handle on every field for hostile ones.

Room: tests. An oracle beside our own reader and writer: it shares no code with either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from models.gatekeeper import CheckedModel, TensorInfo, check_model

Change = Callable[[Any], None]


class ModelMaker:
    """Builds one subgraph step by step; `model` is the schema's own object tree, open to any change before `packed`."""

    def __init__(self) -> None:
        self.graph = schema.SubGraphT()
        self.graph.name, self.graph.tensors, self.graph.operators, self.graph.inputs, self.graph.outputs = "main", [], [], [], []
        self.model = schema.ModelT()
        self.model.version, self.model.description = 3, "a test"
        self.model.buffers, self.model.subgraphs, self.model.operatorCodes = [schema.BufferT()], [self.graph], []

    def tensor(self, shape: Sequence[int], kind: int, scale: Any = (), zero: Any = (), data: Any = None, axis: int = 0) -> int:
        """Add a tensor; with `data` a constant. Return its number."""
        made = schema.TensorT()
        made.name, made.shape, made.type = f"t{len(self.graph.tensors)}", list(shape), kind
        quantised = schema.QuantizationParametersT()
        quantised.scale = [float(x) for x in np.atleast_1d(scale)]
        quantised.zeroPoint = [int(x) for x in np.atleast_1d(zero)]
        quantised.quantizedDimension = axis
        made.quantization = quantised if len(quantised.scale) else None
        made.buffer = 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            made.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def step(self, name: str, inputs: Sequence[int], output: int, options: str | None = None, **values: Any) -> None:
        """Add an operator by its name in the schema."""
        made = schema.OperatorT()
        made.opcodeIndex = self._code(getattr(schema.BuiltinOperator, name))
        made.inputs, made.outputs = list(inputs), [output]
        if options is not None:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            made.builtinOptions = getattr(schema, options + "T")()
            for key, value in values.items():
                setattr(made.builtinOptions, key, value)
        self.graph.operators.append(made)

    def _code(self, builtin: int) -> int:
        for number, code in enumerate(self.model.operatorCodes):
            if code.builtinCode == builtin:
                return number
        made = schema.OperatorCodeT()
        made.builtinCode, made.deprecatedBuiltinCode, made.version = builtin, min(builtin, 127), 5 if builtin == 9 else 1
        self.model.operatorCodes.append(made)
        return len(self.model.operatorCodes) - 1

    def packed(self) -> bytes:
        """Return the file."""
        return packed(self.model)


def packed(model: Any) -> bytes:
    builder = flatbuffers.Builder(4096)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def dense(sizes: Sequence[int] = (16, 6, 16), seed: int = 0, *, quantised: bool = True, bias: bool = True) -> ModelMaker:
    """A chain of dense layers, ReLU between them."""
    random = np.random.default_rng(seed)
    maker = ModelMaker()
    kind = schema.TensorType.INT8 if quantised else schema.TensorType.FLOAT32
    current = maker.tensor([1, sizes[0]], kind, *((0.06, 0) if quantised else ()))
    maker.graph.inputs = [current]
    for n, (wide, high) in enumerate(pairwise(sizes)):
        weights = random.normal(0, 0.3, (high, wide))
        if quantised:
            scales = np.abs(weights).max(1) / 127
            w = maker.tensor(weights.shape, kind, scales, np.zeros(high), np.round(weights / scales[:, None]).astype(np.int8))
            b = maker.tensor(
                [high], schema.TensorType.INT32, scales * 0.06, np.zeros(high), random.integers(-99, 99, high).astype(np.int32)
            )
        else:
            w = maker.tensor(weights.shape, kind, data=weights.astype(np.float32))
            b = maker.tensor([high], kind, data=random.normal(0, 1, high).astype(np.float32))
        output = maker.tensor([1, high], kind, *((0.06, 0) if quantised else ()))
        last = n == len(sizes) - 2
        maker.step(
            "FULLY_CONNECTED", [current, w, b if bias else -1], output, "FullyConnectedOptions", fusedActivationFunction=0 if last else 1
        )
        current = output
    maker.graph.outputs = [current]
    return maker


def conv(seed: int = 0, *, quantised: bool = True) -> ModelMaker:
    """A small convolutional model of 16 samples x 4 tags, as converters lay it out: reshape, conv, depthwise, pool, transpose, reshape."""
    random = np.random.default_rng(seed)
    maker = ModelMaker()
    kind = schema.TensorType.INT8 if quantised else schema.TensorType.FLOAT32
    act = ((0.06, 0),) if quantised else ((),)

    def computed(*shape: int) -> int:
        return maker.tensor(shape, kind, *act[0])

    def filters(*shape: int, axis: int) -> tuple[int, int]:
        weights, channels = random.normal(0, 0.3, shape), shape[axis]
        if not quantised:
            return maker.tensor(shape, kind, data=weights.astype(np.float32)), maker.tensor(
                [channels], kind, data=np.zeros(channels, np.float32)
            )
        scales = np.full(channels, 0.01)
        w = maker.tensor(shape, kind, scales, np.zeros(channels), np.clip(np.round(weights / 0.01), -127, 127).astype(np.int8), axis)
        return w, maker.tensor([channels], schema.TensorType.INT32, scales * 0.06, np.zeros(channels), np.zeros(channels, np.int32))

    def shape(*numbers: int) -> int:
        return maker.tensor([len(numbers)], schema.TensorType.INT32, data=np.array(numbers, np.int32))

    x, image = computed(1, 64), computed(1, 16, 1, 4)
    maker.step("RESHAPE", [x, shape(1, 16, 1, 4)], image, "ReshapeOptions", newShape=[1, 16, 1, 4])
    a = computed(1, 8, 1, 6)
    maker.step(
        "CONV_2D", [image, *filters(6, 3, 1, 4, axis=0)], a, "Conv2DOptions", padding=0, strideH=2, strideW=1, fusedActivationFunction=1
    )
    b = computed(1, 8, 1, 6)
    maker.step(
        "DEPTHWISE_CONV_2D",
        [a, *filters(1, 3, 1, 6, axis=3)],
        b,
        "DepthwiseConv2DOptions",
        padding=0,
        strideH=1,
        strideW=1,
        depthMultiplier=1,
    )
    c = computed(1, 4, 1, 6)
    maker.step("MAX_POOL_2D", [b], c, "Pool2DOptions", padding=1, strideH=2, strideW=1, filterHeight=2, filterWidth=1)
    d = computed(1, 16, 1, 4)
    maker.step(
        "TRANSPOSE_CONV",
        [shape(1, 16, 1, 4), filters(4, 4, 1, 6, axis=0)[0], c],
        d,
        "TransposeConvOptions",
        padding=0,
        strideH=4,
        strideW=1,
    )
    e = computed(1, 16, 1, 4)
    maker.step("SUB", [d, image], e, "SubOptions")
    out = computed(1, 64)
    maker.step("RESHAPE", [e, shape(1, 64)], out, "ReshapeOptions", newShape=[1, 64])
    maker.graph.inputs, maker.graph.outputs = [x], [out]
    return maker


def checked(raw: bytes) -> CheckedModel:
    """As the gatekeeper sees it, under its own hash. Raises ModelFault."""
    return check_model(raw, hashlib.sha256(raw).digest())


def unchecked(raw: bytes, inputs: int = 16, outputs: int = 16, dtype: str = "int8") -> CheckedModel:
    """A pass for bytes that no gatekeeper saw: what the worker alone must stand."""
    ends = (TensorInfo((1, inputs), dtype, 0.06, 0), TensorInfo((1, outputs), dtype, 0.06, 0))
    return CheckedModel(raw, hashlib.sha256(raw).digest(), *ends, 1, 1)
