"""The one file that talks to the TensorFlow Lite runtime: rows in, rows out.

Room: ground. Used by the worker, and by commissioning to compare a model that it has just written with its float self. It is given
bytes that `gatekeeper` let in, and never reads a file. `ai-edge-litert` where there is a wheel, else `tflite-runtime` if somebody
installed it.

The reference kernels are asked for, not the faster delegate: they reckon int8 in whole numbers only, so a recorded score comes out the
same to the bit on another processor, and for models of this size the difference is microseconds.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.model_fault import ModelFault

PACKAGES: Final = {"ai_edge_litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"}


def runtime_name() -> str | None:
    """Return "ai-edge-litert 2.3.0" or the like; None where there is no runtime (armv7: docs/support-tiers.md)."""
    for module, distribution in PACKAGES.items():
        if importlib.util.find_spec(module) is not None:
            return f"{distribution} {importlib.metadata.version(distribution)}"
    return None


def load_library() -> tuple[Any, Any]:
    """Return (Interpreter class, reference kernels' resolver). Raises ModelFault model_runtime_missing."""
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter, OpResolverType
        except ImportError as error:
            raise ModelFault("model_runtime_missing") from error
    return Interpreter, OpResolverType.BUILTIN_REF


class Runtime:
    """One model, ready to run. Shapes: rows (n, inputs) and (n, outputs), int8 or float32 as the model says."""

    def __init__(self, model: bytes) -> None:
        """Raises ModelFault model_runtime_refused, model_runtime_missing."""
        interpreter, resolver = load_library()
        try:
            self._run = interpreter(model_content=model, num_threads=1, experimental_op_resolver_type=resolver)
            self._run.allocate_tensors()
            (first,), (last,) = self._run.get_input_details(), self._run.get_output_details()
        except (ValueError, RuntimeError) as error:
            raise ModelFault("model_runtime_refused", {"detail": str(error)[:200]}) from error
        self._first, self._last = int(first["index"]), int(last["index"])
        self._shape = tuple(int(n) for n in first["shape"])
        self.input_dtype = np.dtype(first["dtype"])
        self.output_dtype = np.dtype(last["dtype"])
        self.inputs = int(np.prod(first["shape"]))
        self.outputs = int(np.prod(last["shape"]))

    def run(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the outputs of some rows, one after another. Raises ValueError on another shape or dtype, ModelFault of the runtime."""
        if rows.ndim != 2 or rows.shape[1] != self.inputs or rows.dtype != self.input_dtype:
            raise ValueError(f"rows {rows.shape} {rows.dtype}, not (n, {self.inputs}) {self.input_dtype}")
        out = np.empty((len(rows), self.outputs), self.output_dtype)
        run, first, last = self._run, self._first, self._last
        shaped = rows.reshape(len(rows), *self._shape)
        try:
            for n in range(len(rows)):
                run.set_tensor(first, shaped[n])
                run.invoke()
                out[n] = run.get_tensor(last).ravel()
        except (ValueError, RuntimeError) as error:
            raise ModelFault("model_runtime_refused", {"detail": str(error)[:200]}) from error
        return out
