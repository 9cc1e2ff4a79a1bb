"""Decides whether a model's bytes may reach the runtime at all: bytes -> CheckedModel, or a ModelFault that says what is wrong.

Room: ground. The judge calls `check_model` before each load; `worker_client` takes nothing but its result. The runtime is C++ that
trusts its input (a weight index of -1 ends the process, WHILE never returns), so a model is let in by an allow-list of structure: one
subgraph without control flow, known operators, every index in range and -1 for a bias only, each tensor's bytes as its shape says,
scales that are numbers, one input, one output, and bounds on memory and work. Pure; it runs nothing and changes nothing of the bytes.
"""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass
from typing import Final

from models.model_fault import ModelFault
from models.model_graph import Graph, Step, Tensor, read_graph
from models.operator_rules import ACTIVATIONS, OPERATORS, OPTIONS, Given, Operator, RuleBroken

MODEL_BYTES_MAX: Final = 4 * 1024 * 1024
SIDE_MAX: Final = 65_536
"""Of one dimension."""
ARENA_BYTES_MAX: Final = 8 * 1024 * 1024
"""Of all tensors that the runtime computes, as if none shared its memory with another."""
WORK_MAX: Final = 8_000_000
"""Multiplications of one row."""
SCALE_RANGE: Final = (1e-30, 1e12)
FLOAT32: Final = 0
INT32: Final = 2
INT8: Final = 9
KINDS: Final = {FLOAT32: ("float32", 4), INT32: ("int32", 4), INT8: ("int8", 1)}
"""Tensor types of the schema that a model may have: (numpy's name, bytes)."""


RETYPING: Final = {"QUANTIZE": {(FLOAT32, INT8), (INT8, INT8)}, "DEQUANTIZE": {(INT8, FLOAT32)}}
"""Operators that change the type: (from, to)."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """The model's input or output: dtype "int8" or "float32"; scale and zero point are 0.0 and 0 for floats."""

    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int

    @property
    def columns(self) -> int:
        """Numbers in one row."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """Bytes that passed, and what they want and give. Only `check_model` makes one outside of tests."""

    raw: bytes
    sha256: bytes
    input: TensorInfo
    output: TensorInfo
    work: int
    """Multiplications of one row."""
    arena: int
    """Bytes of computed tensors."""


def check_model(raw: bytes, sha256: bytes) -> CheckedModel:
    """Return the checked model. `sha256` is what the signed manifest names: bytes that differ in one bit are not read further.

    Raises ModelFault: model_hash_differs, model_too_large, model_malformed, model_operator and the others in `runtime/messages`.
    """
    if len(raw) > MODEL_BYTES_MAX:
        raise ModelFault("model_too_large", {"bytes": len(raw), "most": MODEL_BYTES_MAX})
    found = hashlib.sha256(raw).digest()
    if found != sha256:
        raise ModelFault("model_hash_differs", {"found": found.hex(), "expected": sha256.hex()})
    graph = read_graph(raw, OPTIONS)
    _check_buffers(graph)
    for number, tensor in enumerate(graph.tensors):
        _check_tensor(number, tensor, graph)
    source = _check_interface(graph)
    work = _check_steps(graph, raw, source)
    arena = sum(t.elements * KINDS[t.kind][1] for t in graph.tensors if not _bytes_of(graph, t))
    if arena > ARENA_BYTES_MAX:
        raise ModelFault("model_memory", {"bytes": arena, "most": ARENA_BYTES_MAX})
    if work > WORK_MAX:
        raise ModelFault("model_work", {"count": work, "most": WORK_MAX})
    ends = [_info(graph.tensors[numbers[0]]) for numbers in (graph.inputs, graph.outputs)]
    return CheckedModel(raw, sha256, ends[0], ends[1], work, arena)


def _bytes_of(graph: Graph, tensor: Tensor) -> int:
    """Return how many constant bytes a tensor has; 0 = computed."""
    start, end = graph.buffers[tensor.buffer]
    return end - start


def _check_buffers(graph: Graph) -> None:
    """Buffer 0 is empty by the format: it stands for "computed"."""
    if not graph.buffers or graph.buffers[0][0] != graph.buffers[0][1]:
        raise ModelFault("model_index", {"where": "Buffer 0"})
    if not graph.tensors or not graph.steps:
        raise ModelFault("model_index", {"where": "SubGraph"})


def _check_tensor(number: int, tensor: Tensor, graph: Graph) -> None:
    where = f"Tensor {number}"
    if tensor.buffer >= len(graph.buffers):
        raise ModelFault("model_index", {"where": where})
    if tensor.kind not in KINDS:
        raise ModelFault("model_type", {"where": where, "kind": tensor.kind})
    if not all(1 <= side <= SIDE_MAX for side in tensor.shape):
        raise ModelFault("model_shape", {"where": where, "what": "sides"})
    given = _bytes_of(graph, tensor)
    wanted = tensor.elements * KINDS[tensor.kind][1]
    if wanted > ARENA_BYTES_MAX:
        raise ModelFault("model_memory", {"bytes": wanted, "most": ARENA_BYTES_MAX})
    if given and given != wanted:
        raise ModelFault("model_tensor_bytes", {"where": where, "bytes": given, "expected": wanted})
    _check_scales(where, tensor, constant=given > 0)


def _check_scales(where: str, tensor: Tensor, *, constant: bool) -> None:
    """One scale, or for a constant one per channel; above zero. Zero points of int8 fit into it, those per channel and of int32 are 0."""
    scales, zeros = tensor.scales, tensor.zero_points
    low, high = SCALE_RANGE
    good = all(math.isfinite(scale) and low <= scale <= high for scale in scales)
    good &= len(zeros) == len(scales) and (bool(scales) or tensor.kind != INT8)
    good &= 0 <= tensor.axis < max(1, len(tensor.shape))
    if good and len(scales) > 1:
        good = constant and len(tensor.shape) > 0 and tensor.shape[tensor.axis] == len(scales)
    allowed = range(-128, 128) if tensor.kind == INT8 and len(scales) == 1 else range(1)
    if not good or not all(zero in allowed for zero in zeros):
        raise ModelFault("model_scale", {"where": where})


def _check_interface(graph: Graph) -> int:
    """One input and one output of one row, int8 or float; return the input's number. Signatures must say the same."""
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelFault("model_interface", {"inputs": len(graph.inputs), "outputs": len(graph.outputs)})
    for number in (*graph.inputs, *graph.outputs):
        if not 0 <= number < len(graph.tensors):
            raise ModelFault("model_index", {"where": "SubGraph"})
        tensor = graph.tensors[number]
        if _bytes_of(graph, tensor) or tensor.kind == INT32 or not tensor.shape or tensor.shape[0] != 1:
            raise ModelFault("model_interface", {"inputs": 1, "outputs": 1})
    if graph.inputs == graph.outputs or any(signature != (graph.inputs, graph.outputs) for signature in graph.signatures):
        raise ModelFault("model_interface", {"inputs": 1, "outputs": 1})
    return graph.inputs[0]


def _check_steps(graph: Graph, raw: bytes, source: int) -> int:
    """Walk the steps in order: each reads what is there already and makes one tensor anew. Return the work of one row."""
    made = {source}
    work = 0
    for number, step in enumerate(graph.steps):
        operator = OPERATORS.get(step.opcode)
        if operator is None or not 1 <= step.version <= 16:
            raise ModelFault("model_operator", {"operator": f"{step.opcode}"})
        where = f"{operator.name} {number}"
        _check_indices(where, graph, step, operator, made)
        work += _check_rule(where, graph, raw, step, operator)
        made.add(step.outputs[0])
    if graph.outputs[0] not in made:
        raise ModelFault("model_index", {"where": "SubGraph"})
    return work


def _check_indices(where: str, graph: Graph, step: Step, operator: Operator, made: set[int]) -> None:
    if len(step.inputs) not in operator.inputs or len(step.outputs) != 1:
        raise ModelFault("model_shape", {"where": where, "what": "inputs"})
    for place, number in enumerate(step.inputs):
        if number == -1 and place == operator.bias:
            continue
        if not 0 <= number < len(graph.tensors):
            raise ModelFault("model_index", {"where": where})
        constant = _bytes_of(graph, graph.tensors[number]) > 0
        if not constant and (number not in made or place in operator.constants):
            raise ModelFault("model_index", {"where": where})
    (output,) = step.outputs
    if not 0 <= output < len(graph.tensors) or output in made or _bytes_of(graph, graph.tensors[output]):
        raise ModelFault("model_index", {"where": where})


def _check_rule(where: str, graph: Graph, raw: bytes, step: Step, operator: Operator) -> int:
    if step.options_kind not in {0, operator.options}:
        raise ModelFault("model_options", {"where": where, "kind": step.options_kind})
    if step.options.get("fused_activation", 0) not in ACTIVATIONS or not all(math.isfinite(v) for v in step.options.values()):
        raise ModelFault("model_shape", {"where": where, "what": "options"})
    tensors = [graph.tensors[n] if n >= 0 else None for n in step.inputs]

    def constant(place: int) -> tuple[int, ...]:
        tensor = tensors[place]
        if tensor is None or tensor.kind != INT32 or tensor.elements > 16:
            raise RuleBroken("constant")
        return struct.unpack_from(f"<{tensor.elements}i", raw, graph.buffers[tensor.buffer][0])

    output = graph.tensors[step.outputs[0]]
    try:
        _check_kinds(operator, tensors, output)
        return operator.rule(Given(step, tensors, output, constant))
    except RuleBroken as broken:
        raise ModelFault("model_shape", {"where": where, "what": str(broken)}) from broken


def _check_kinds(operator: Operator, tensors: list[Tensor | None], output: Tensor) -> None:
    """Numbers of one type go in and come out; only (de)quantising changes it. A bias of int8 weights is int32.

    Kernels take the scale of an output channel without asking how many there are: several scales belong to the channels of weights.
    """
    if operator.name in RETYPING:
        pair = (tensors[0].kind if tensors[0] else -1, output.kind)
        if pair not in RETYPING[operator.name] or (tensors[0] is not None and len(tensors[0].scales) > 1):
            raise RuleBroken("types")
        return
    if output.kind == INT32:
        raise RuleBroken("types")
    for place, tensor in enumerate(tensors):
        if tensor is None or place in operator.shapes:
            continue
        if tensor.kind != (INT32 if place == operator.bias and output.kind == INT8 else output.kind):
            raise RuleBroken("types")
        if len(tensor.scales) > 1 and (
            place not in operator.constants or tensor.axis != (0 if place == operator.bias else operator.channel)
        ):
            raise RuleBroken("scales")


def _info(tensor: Tensor) -> TensorInfo:
    scale, zero = (tensor.scales[0], tensor.zero_points[0]) if tensor.kind == INT8 else (0.0, 0)
    return TensorInfo(tensor.shape, KINDS[tensor.kind][0], scale, zero)
