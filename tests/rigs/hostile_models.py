"""Models made to do harm, one trick each, with the code by which the gatekeeper refuses it.

Room: tests. Several end the runtime's process or hang it when it is given them (research of issue 4); the worker must stand that.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tests.rigs.model_files import ModelMaker, conv, dense


def _changed(change: Callable[[ModelMaker], Any], make: Callable[[], ModelMaker] = dense) -> bytes:
    maker = make()
    change(maker)
    return maker.packed()


def _step(maker: ModelMaker, number: int = 0) -> Any:
    return maker.graph.operators[number]


def while_true() -> bytes:
    """A loop whose condition is a constant true: it never returns."""
    maker = ModelMaker()
    kind = schema.TensorType.INT8
    x, y = maker.tensor([1, 16], kind, 0.06, 0), maker.tensor([1, 16], kind, 0.06, 0)
    maker.step("WHILE", [x], y, "WhileOptions", condSubgraphIndex=1, bodySubgraphIndex=2)
    maker.graph.inputs, maker.graph.outputs = [x], [y]
    condition, body = ModelMaker(), ModelMaker()
    for other in (condition, body):
        other.model = maker.model
        other.graph.inputs = [other.tensor([1, 16], kind, 0.06, 0)]
        maker.model.subgraphs.append(other.graph)
    condition.graph.outputs = [condition.tensor([1], schema.TensorType.BOOL, data=np.array([True]))]
    out = body.tensor([1, 16], kind, 0.06, 0)
    body.step("RELU", body.graph.inputs, out)
    body.graph.outputs = [out]
    return maker.packed()


def _custom(maker: ModelMaker) -> None:
    code = maker.model.operatorCodes[0]
    code.builtinCode, code.deprecatedBuiltinCode, code.customCode = schema.BuiltinOperator.CUSTOM, schema.BuiltinOperator.CUSTOM, b"FlexErf"


def _shape(maker: ModelMaker, tensor: int, *shape: int) -> None:
    maker.graph.tensors[tensor].shape = list(shape)


def _scale(maker: ModelMaker, tensor: int, value: float) -> None:
    quantised = maker.graph.tensors[tensor].quantization
    quantised.scale = [value] * len(quantised.scale)


def _signature(maker: ModelMaker) -> None:
    each = schema.SignatureDefT()
    inside, outside = schema.TensorMapT(), schema.TensorMapT()
    inside.name, inside.tensorIndex, outside.name, outside.tensorIndex = "x", 0, "y", 99
    each.inputs, each.outputs, each.signatureKey = [inside], [outside], "serving_default"
    maker.model.signatureDefs = [each]


def _metadata(maker: ModelMaker) -> None:
    each = schema.MetadataT()
    each.name, each.buffer = "model_control_dependencies", 1
    maker.model.metadata = [each]


def _sparse(maker: ModelMaker) -> None:
    maker.graph.tensors[1].sparsity = schema.SparsityParametersT()


def _buffer(maker: ModelMaker, size: int) -> None:
    number = maker.graph.tensors[1].buffer
    data = maker.model.buffers[number].data
    maker.model.buffers[number].data = np.resize(data, size)


def _external(maker: ModelMaker) -> None:
    buffer = maker.model.buffers[maker.graph.tensors[1].buffer]
    buffer.data, buffer.offset, buffer.size = None, 1 << 40, 96


def _variable(maker: ModelMaker) -> None:
    maker.graph.tensors[3].isVariable = True


def _set(name: str, value: Any, step: int = 0) -> Callable[[ModelMaker], Any]:
    return lambda maker: setattr(_step(maker, step), name, value)


def _option(step: int, name: str, value: Any) -> Callable[[ModelMaker], Any]:
    return lambda maker: setattr(_step(maker, step).builtinOptions, name, value)


def crafted() -> dict[str, tuple[bytes, str]]:
    """Return name -> (file, code of the refusal)."""
    return _graphs() | _tensors() | _files()


def _graphs() -> dict[str, tuple[bytes, str]]:
    """What points to the wrong place."""
    return {
        "weights -1": (_changed(_set("inputs", [0, -1, 2])), "model_index"),
        "input -1": (_changed(_set("inputs", [-1, 1, 2])), "model_index"),
        "index beyond": (_changed(_set("inputs", [0, 1, 999])), "model_index"),
        "index far beyond": (_changed(_set("inputs", [0, 1, 2**31 - 1])), "model_index"),
        "no inputs": (_changed(_set("inputs", [])), "model_shape"),
        "no output": (_changed(_set("outputs", [])), "model_shape"),
        "output -1": (_changed(_set("outputs", [-1])), "model_index"),
        "output into weights": (_changed(_set("outputs", [1])), "model_index"),
        "output into input": (_changed(_set("outputs", [0])), "model_index"),
        "reads what is not made yet": (_changed(_set("inputs", [6, 1, 2])), "model_index"),
        "weights that are computed": (_changed(_set("inputs", [0, 0, 2])), "model_index"),
        "operator code beyond": (_changed(_set("opcodeIndex", 7)), "model_index"),
        "while true": (while_true(), "model_subgraphs"),
        "custom operator": (_changed(_custom), "model_operator"),
    }


def _tensors() -> dict[str, tuple[bytes, str]]:
    """Shapes, bytes, scales and types that lie."""
    return {
        "giant row": (_changed(lambda m: _shape(m, 0, 1, 2**30)), "model_shape"),
        "giant batch": (_changed(lambda m: _shape(m, 0, 2**26, 16)), "model_shape"),
        "many giant sides": (_changed(lambda m: _shape(m, 3, 65_536, 65_536, 65_536, 65_536)), "model_memory"),
        "negative side": (_changed(lambda m: _shape(m, 0, 1, -16)), "model_shape"),
        "no side": (_changed(lambda m: _shape(m, 0, 1, 0)), "model_shape"),
        "batch of two": (_changed(lambda m: _shape(m, 0, 2, 16)), "model_interface"),
        "weights of another shape": (_changed(lambda m: _shape(m, 1, 16, 6)), "model_scale"),
        "bias too short": (_changed(lambda m: _shape(m, 2, 3)), "model_tensor_bytes"),
        "buffer too short": (_changed(lambda m: _buffer(m, 3)), "model_tensor_bytes"),
        "buffer too long": (_changed(lambda m: _buffer(m, 4096)), "model_tensor_bytes"),
        "buffer elsewhere": (_changed(_external), "model_malformed"),
        "buffer beyond": (_changed(lambda m: setattr(m.graph.tensors[1], "buffer", 77)), "model_index"),
        "buffer swapped": (_changed(lambda m: setattr(m.graph.tensors[1], "buffer", 2)), "model_tensor_bytes"),
        "scale zero": (_changed(lambda m: _scale(m, 0, 0.0)), "model_scale"),
        "scale not a number": (_changed(lambda m: _scale(m, 1, float("nan"))), "model_scale"),
        "scale infinite": (_changed(lambda m: _scale(m, 3, float("inf"))), "model_scale"),
        "scale negative": (_changed(lambda m: _scale(m, 3, -0.06)), "model_scale"),
        "no scales": (_changed(lambda m: setattr(m.graph.tensors[1], "quantization", None)), "model_scale"),
        "scales along another side": (_changed(lambda m: setattr(m.graph.tensors[1].quantization, "quantizedDimension", 1)), "model_scale"),
        "zero point of a channel": (_changed(lambda m: setattr(m.graph.tensors[1].quantization, "zeroPoint", [5] * 6)), "model_scale"),
        "zero point beyond": (_changed(lambda m: setattr(m.graph.tensors[0].quantization, "zeroPoint", [300])), "model_scale"),
        "strings": (_changed(lambda m: setattr(m.graph.tensors[3], "type", schema.TensorType.STRING)), "model_type"),
        "resource": (_changed(lambda m: setattr(m.graph.tensors[0], "type", schema.TensorType.RESOURCE)), "model_type"),
        "float weights": (_changed(lambda m: setattr(m.graph.tensors[1], "type", schema.TensorType.FLOAT32)), "model_tensor_bytes"),
        "variable": (_changed(_variable), "model_malformed"),
        "conv into a variable": (_changed(lambda m: setattr(m.graph.tensors[14], "isVariable", True), conv), "model_malformed"),
        "conv of a negative scale": (_changed(lambda m: _scale(m, 14, -0.06), conv), "model_scale"),
        "sparse weights": (_changed(_sparse), "model_malformed"),
        "shuffled weights": (_changed(_option(0, "weightsFormat", 1)), "model_shape"),
    }


def _files() -> dict[str, tuple[bytes, str]]:
    """Ends of the graph, options, and the file itself."""
    good = dense().packed()
    models = {
        "two inputs": (_changed(lambda m: m.graph.inputs.append(3)), "model_interface"),
        "output is a constant": (_changed(lambda m: setattr(m.graph, "outputs", [1])), "model_interface"),
        "output is the input": (_changed(lambda m: setattr(m.graph, "outputs", [0])), "model_interface"),
        "output never made": (_changed(lambda m: m.graph.operators.pop()), "model_index"),
        "signature beyond": (_changed(_signature), "model_interface"),
        "control dependencies": (_changed(_metadata), "model_metadata"),
        "options of another operator": (_changed(_set("builtinOptionsType", schema.BuiltinOptions.SoftmaxOptions)), "model_malformed"),
        "stride 0": (_changed(_option(1, "strideH", 0), conv), "model_shape"),
        "stride giant": (_changed(_option(1, "strideH", 2**31 - 1), conv), "model_shape"),
        "dilation giant": (_changed(_option(1, "dilationHFactor", 2**30), conv), "model_shape"),
        "pool of nothing": (_changed(_option(3, "filterHeight", 0), conv), "model_shape"),
        "pool giant": (_changed(_option(3, "filterHeight", 2**30), conv), "model_shape"),
        "filter of another depth": (_changed(_option(2, "depthMultiplier", 9), conv), "model_shape"),
        "no operators": (_changed(lambda m: m.graph.operators.clear()), "model_index"),
        "version 99": (_changed(lambda m: setattr(m.model, "version", 99)), "model_malformed"),
        "nothing": (b"", "model_malformed"),
        "head only": (good[:8], "model_malformed"),
        "half": (good[: len(good) // 2], "model_malformed"),
        "another identifier": (good[:4] + b"TFL2" + good[8:], "model_malformed"),
        "root beyond": (struct.pack("<I", 2**32 - 4) + good[4:], "model_malformed"),
        "root in itself": (struct.pack("<I", 0) + good[4:], "model_malformed"),
        "too large": (good + bytes(5_000_000), "model_too_large"),
    }
    misread = {"two fields in one place", "vector of subgraphs is the buffers"}  # found to be several subgraphs before the overlap is
    bent = _bent_by_hand(good).items()
    return models | {name: (raw, "model_subgraphs" if name in misread else "model_malformed") for name, raw in bent}


def _bent_by_hand(good: bytes) -> dict[str, bytes]:
    """Tricks with offsets: what a writer never writes and a trusting reader follows."""
    (root,) = struct.unpack_from("<I", good, 0)
    (back,) = struct.unpack_from("<i", good, root)
    vtable = root - back
    slots = [vtable + 4 + 2 * n for n in range((struct.unpack_from("<H", good, vtable)[0] - 4) // 2)]
    made = {}

    def put(name: str, code: str, at: int, value: int) -> None:
        out = bytearray(good)
        struct.pack_into("<" + code, out, at, value)
        made[name] = bytes(out)

    put("vtable is the table", "i", root, 0)
    put("vtable beyond", "i", root, -(2**30))
    put("vtable before the file", "i", root, 2**30)
    put("vtable odd", "H", vtable, 5)
    put("vtable too long", "H", vtable, 0xFFFE)
    put("vtable of nothing", "H", vtable, 0)
    put("table too long", "H", vtable + 2, 0xFFFF)
    put("table too short", "H", vtable + 2, 4)
    put("field outside of its table", "H", slots[2], 0x7FFF)
    put("two fields in one place", "H", slots[2], struct.unpack_from("<H", good, slots[4])[0])
    subgraphs = root + struct.unpack_from("<H", good, slots[2])[0]
    buffers = root + struct.unpack_from("<H", good, slots[4])[0]
    put("vector of subgraphs is the buffers", "I", subgraphs, buffers + struct.unpack_from("<I", good, buffers)[0] - subgraphs)
    put("offset to itself", "I", subgraphs, 0)
    put("offset backwards", "I", subgraphs, 2**32 - 16)
    vector = subgraphs + struct.unpack_from("<I", good, subgraphs)[0]
    put("giant vector", "I", vector, 2**31)
    put("vector that wraps", "I", vector, 2**30 - 1)
    return made
